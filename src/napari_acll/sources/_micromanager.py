"""Volumes from Micro-Manager, through the events of pymmcore-plus."""

from collections.abc import Mapping
from typing import Any, Self

from napari_acll.core import RecordingError, SourceSettings, Volume, VolumeSpec
from napari_acll.sources._mda_volumes import MdaVolumes
from napari_acll.sources._stream_source import StreamSource

_ADDRESS = "micromanager:"


class MicroManagerSource(StreamSource):
    """The volumes of the next multi-dimensional acquisition of Micro-Manager in this process.

    Frames are taken as `core.mda.events.frameReady` gives them, and nothing is asked of the
    microscope. With `live.takes_existing` an acquisition that runs already is joined at its next
    volume.

    Parameters
    ----------
    address : str
        `micromanager:`.
    settings : SourceSettings
        Channels, sizes that the acquisition does not give, and how to wait (`live`).
    core : CMMCorePlus, optional
        Whose acquisitions; None: `CMMCorePlus.instance()`, which other plugins use, too.

    Raises
    ------
    RecordingError
        If pymmcore-plus is not installed.
    """

    def __init__(self, address: str, settings: SourceSettings, *, core: Any = None) -> None:
        super().__init__(address, settings)
        self._events = (_shared_core() if core is None else core).mda.events
        self._volumes = MdaVolumes(
            settings, address=address, joins_running=settings.live.takes_existing
        )
        self._events.sequenceStarted.connect(self._volumes.begin)
        self._events.frameReady.connect(self._volumes.add)
        self._events.sequenceFinished.connect(self._volumes.end)
        self._is_connected = True

    @classmethod
    def rejects(cls, recording: str) -> str:
        """Return why this is not Micro-Manager, empty if it is."""
        return "" if recording == _ADDRESS else f"it is not {_ADDRESS}"

    @classmethod
    def from_recording(cls, recording: str, settings: SourceSettings) -> Self:
        """Return the source; it waits for nothing.

        Raises
        ------
        RecordingError
            See the class.
        """
        return cls(recording, settings)

    @property
    def n_dropped(self) -> int:
        """Volumes that were not taken in time: *skipped*, not lost."""
        return self._volumes.n_dropped

    def describe(self) -> Mapping[str, object]:
        """Return what identifies the recording, as JSON values."""
        return {"kind": "micro-manager", "path": self._address}

    def _counts(self) -> dict[str, int]:
        return {
            **super()._counts(),
            "Volumes that were not taken in time": self._volumes.n_dropped,
            "Frames that came after their volume": self._volumes.n_late,
        }

    def _look(self) -> VolumeSpec | None:
        self._raise_error()
        for note in tuple(self._volumes.notes):
            self._note(note)
        return self._volumes.spec

    def _take(self) -> Volume | None:
        volume = self._volumes.pop()
        if volume is None:
            self._raise_error()
        return volume

    def _raise_error(self) -> None:
        if self._volumes.error is not None:
            raise self._volumes.error

    def _is_over(self) -> bool:
        return self._volumes.is_over and not self._volumes.ready

    def _pulse(self) -> object:
        return self._volumes.n_frames

    def _release(self) -> None:
        if not self._is_connected:
            return
        self._is_connected = False
        self._events.sequenceStarted.disconnect(self._volumes.begin)
        self._events.frameReady.disconnect(self._volumes.add)
        self._events.sequenceFinished.disconnect(self._volumes.end)


def _shared_core() -> Any:
    try:
        from pymmcore_plus import CMMCorePlus
    except ImportError as error:
        raise RecordingError(
            "Volumes from Micro-Manager need pymmcore-plus; install it with"
            ' pip install "napari-acll[micromanager]".'
        ) from error
    return CMMCorePlus.instance()
