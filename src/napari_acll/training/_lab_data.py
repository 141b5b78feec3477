"""All labeled volumes of a lab that a training reads."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from napari_acll.core import NeuronTable, RecordingError
from napari_acll.label import find_names_file, read_names
from napari_acll.training._lab_hdf5 import Hdf5Item
from napari_acll.training._lab_nrrd import NrrdItem
from napari_acll.training._lab_session import session_items
from napari_acll.training._lab_settings import LabDataSettings, LabEntry
from napari_acll.training._lab_volume import LabVolume

_NO_NEURON = ("unlabeled", "unlabelled", "unknown")


class LabItem(Protocol):
    """A labeled volume that is read when it is needed."""

    @property
    def source(self) -> str:
        """Where it comes from."""
        ...

    def names(self) -> set[str]:
        """Return the names in it, as far as they are known without reading the volume."""
        ...

    def load(self, neurons: NeuronTable, balance: Mapping[str, float]) -> LabVolume:
        """Return the volume with its labels."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class LabData:
    """Volumes to learn from and to be tried on, and the neurons in them.

    Parameters
    ----------
    train, validation : sequence of LabItem
        Volumes.
    neurons : NeuronTable
        The classes.
    balance : mapping of str to float
        Factor of the weight of each neuron's voxels: rare neurons count more.
    """

    train: Sequence[LabItem]
    validation: Sequence[LabItem]
    neurons: NeuronTable
    balance: Mapping[str, float]

    def load(self, item: LabItem) -> LabVolume:
        """Return one of the volumes.

        Raises
        ------
        RecordingError
            If its files cannot be read or do not fit together.
        SessionError
            If it is of a session that cannot be read.
        """
        return item.load(self.neurons, self.balance)


def open_lab_data(settings: LabDataSettings, neurons: NeuronTable | None = None) -> LabData:
    """Find all volumes of the settings; they are read later, one by one.

    Parameters
    ----------
    settings : LabDataSettings
        Which volumes, and what their labels mean.
    neurons : NeuronTable, optional
        Neurons of a model to map the names to; None: those of the data.

    Raises
    ------
    RecordingError
        If a pattern fits no file, a table cannot be read, or there are no names.
    ModelError
        If the name table cannot be used.
    """
    train = [item for entry in settings.train for item in _items(entry, settings)]
    validation = [item for entry in settings.validation for item in _items(entry, settings)]
    count = Counter(name for item in train for name in item.names())
    table = neurons or _neurons_of(settings, train, count)
    most = max(count.values(), default=1)
    balance = {name: most / n for name, n in count.items()}
    return LabData(train=train, validation=validation, neurons=table, balance=balance)


def _items(entry: LabEntry, settings: LabDataSettings) -> list[LabItem]:
    if entry.hdf5 is not None:
        return [Hdf5Item(path=path, settings=settings) for path in _matching(entry.hdf5)]
    if entry.volume is not None:
        return [NrrdItem(entry=entry, settings=settings)]
    return [*session_items(Path(str(entry.session)), Path(str(entry.names)), settings)]


def _matching(pattern: str) -> list[Path]:
    path = Path(pattern)
    if path.is_file():
        return [path]
    anchor = Path(path.anchor) if path.anchor else Path()
    found = sorted(anchor.glob(str(path.relative_to(path.anchor) if path.anchor else path)))
    if not found:
        raise RecordingError(f"No file fits {pattern}; check the path.")
    return found


def _neurons_of(
    settings: LabDataSettings, train: Sequence[LabItem], count: Counter[str]
) -> NeuronTable:
    if settings.names_file is not None:
        return _without_unlabeled(read_names(Path(settings.names_file)))
    for item in train:
        # another stem: the file itself is no name table
        beside = (
            find_names_file(item.path.parent / "labels") if isinstance(item, Hdf5Item) else None
        )
        if beside is not None:
            return _without_unlabeled(read_names(beside))
    if any(isinstance(item, Hdf5Item) for item in train):
        raise RecordingError(
            "HDF5 files know classes by number; give the neuron names in `names_file` (.txt, .csv"
            " or .h5)."
        )
    if not count:
        raise RecordingError("The ID tables hold no certain name; nothing can be learned.")
    return NeuronTable.from_names(sorted(count))


def _without_unlabeled(table: NeuronTable) -> NeuronTable:
    """Drop a last entry that stands for nuclei without a known name, which some tables list."""
    is_listed = len(table) > 0 and table.names[-1].lower() in _NO_NEURON
    return NeuronTable(table.names[:-1]) if is_listed else table
