"""A labeler that does with less memory when there is none left."""

import contextlib
import logging
import sys
from collections.abc import Callable, Mapping, Sequence

from napari_acll.core import LabeledVolume, Labeler, LabelSettings, NeuronTable, Volume, VolumeSpec

_log = logging.getLogger(__name__)

_SIGNS = ("CUDA error: out of memory", "DefaultCPUAllocator", "not enough memory")


def is_out_of_memory(error: BaseException | None) -> bool:
    """Return whether an error, or what caused it, says that memory is used up.

    Parameters
    ----------
    error : BaseException, optional
        Any error; torch is not imported for this.
    """
    torch = sys.modules.get("torch")
    while error is not None:
        if isinstance(error, MemoryError):
            return True
        if torch is not None and isinstance(error, torch.OutOfMemoryError):
            return True
        if isinstance(error, RuntimeError) and any(sign in str(error) for sign in _SIGNS):
            return True
        error = error.__cause__
    return False


def sparing_memory(labeler: Labeler, settings: LabelSettings) -> "MemoryFallback":
    """Return a labeler that falls back to smaller batches, then to the CPU.

    Parameters
    ----------
    labeler : Labeler
        From `load_labeler`.
    settings : LabelSettings
        What it was loaded with; on the CPU it is loaded again with these.
    """

    def load_on_cpu() -> Labeler:
        from napari_acll.label import load_labeler

        return load_labeler(settings.model_copy(update={"device": "cpu"}))

    is_on_cpu = str(labeler.describe().get("device", "")).startswith("cpu")
    return MemoryFallback(labeler, None if is_on_cpu else load_on_cpu)


class MemoryFallback:
    """Halves the batch when memory runs out, then goes on on the CPU, and says so.

    What is smaller stays smaller: memory that ran out once runs out again.

    Parameters
    ----------
    labeler : Labeler
        The model.
    load_on_cpu : callable, optional
        Returns the same model on the CPU; None: it is there already.
    """

    def __init__(self, labeler: Labeler, load_on_cpu: Callable[[], Labeler] | None) -> None:
        self._labeler = labeler
        self._load_on_cpu = load_on_cpu
        self._most: int | None = None
        self._warm_for: tuple[VolumeSpec, int] | None = None
        self._notes: list[str] = []
        self._n_heard = 0

    @property
    def neurons(self) -> NeuronTable:
        """The neurons that the model knows."""
        return self._labeler.neurons

    @property
    def notes(self) -> Sequence[str]:
        """What had to be given up, one sentence each; more may come while it labels."""
        self._hear()
        return tuple(self._notes)

    def describe(self) -> Mapping[str, object]:
        """Return name, kind, hash of the weights and the device that is used now."""
        return self._labeler.describe()

    def warm_up(self, spec: VolumeSpec, batch_size: int) -> None:
        """Do everything that makes the first volume slow, on the CPU if it has to be.

        Raises
        ------
        ModelError
            If the model cannot label volumes of this geometry.
        """
        self._warm_for = spec, batch_size
        try:
            self._labeler.warm_up(spec, batch_size)
        except Exception as error:
            if self._load_on_cpu is None or not is_out_of_memory(error):
                raise
            self._go_to_cpu(error)

    def label(self, volumes: Sequence[Volume]) -> list[LabeledVolume]:
        """Return one labeled volume for each volume, in their order."""
        most = self._most or len(volumes)
        if len(volumes) > most:
            parts = [volumes[start : start + most] for start in range(0, len(volumes), most)]
            return [labeled for part in parts for labeled in self.label(part)]
        try:
            return self._labeler.label(volumes)
        except Exception as error:
            if not is_out_of_memory(error):
                raise
            if len(volumes) == 1 and self._load_on_cpu is None:
                raise
            self._do_with_less(len(volumes), error)
        return self.label(volumes)

    def _do_with_less(self, n_volumes: int, error: Exception) -> None:
        if n_volumes == 1:
            self._go_to_cpu(error)
            return
        _free_gpu()
        self._most = n_volumes // 2
        self._tell(
            f"Memory ran out with {n_volumes} volumes at once; from now on the model labels at"
            f" most {self._most} at once.",
            error,
        )

    def _go_to_cpu(self, error: Exception) -> None:
        if self._load_on_cpu is None:
            raise error
        device = self._labeler.describe().get("device", "the device")
        self._hear()
        self._labeler, self._load_on_cpu = self._load_on_cpu(), None
        self._n_heard = 0
        _free_gpu()
        if self._warm_for is not None:
            self._labeler.warm_up(*self._warm_for)
        self._tell(
            f"Memory ran out on {device} even for a single volume; the model goes on on the CPU,"
            " which is slower. Close other programs that use the GPU, crop or bin more.",
            error,
        )

    def _hear(self) -> None:
        said = tuple(getattr(self._labeler, "notes", ()))
        self._notes.extend(said[self._n_heard :])
        self._n_heard = len(said)

    def _tell(self, sentence: str, error: Exception) -> None:
        _log.warning("%s", sentence, exc_info=error)
        self._notes.append(sentence)


def _free_gpu() -> None:
    torch = sys.modules.get("torch")
    if torch is not None and torch.cuda.is_available():
        with contextlib.suppress(RuntimeError):
            torch.cuda.empty_cache()
