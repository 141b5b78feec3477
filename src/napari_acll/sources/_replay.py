"""What all sources of finished recordings share."""

import threading
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from types import TracebackType
from typing import Self

from napari_acll.core import RecordingError, Volume, VolumeSpec


class ReplaySource(ABC):
    """A finished recording; a subclass reads one volume and releases its files.

    Parameters
    ----------
    spec : VolumeSpec
        Geometry and channels as stored.
    indices : sequence of int
        Volumes that exist, ascending.
    notes : sequence of str
        What the user should know.
    description : mapping
        What identifies the recording, as JSON values.
    """

    is_live = False

    def __init__(
        self,
        *,
        spec: VolumeSpec,
        indices: Sequence[int],
        notes: Sequence[str],
        description: Mapping[str, object],
    ) -> None:
        self._spec = spec
        self._indices = tuple(indices)
        self._known = frozenset(self._indices)
        self._notes = tuple(notes)
        self._description = dict(description)
        self._lock = threading.Lock()
        self._is_closed = False

    @property
    def spec(self) -> VolumeSpec:
        """Geometry and channels as stored, before crop and binning."""
        return self._spec

    @property
    def indices(self) -> Sequence[int]:
        """Indices of the volumes that exist, ascending."""
        return self._indices

    @property
    def notes(self) -> Sequence[str]:
        """What the user should know about how the recording is read, one sentence each."""
        return self._notes

    def describe(self) -> Mapping[str, object]:
        """Return what identifies the recording, as JSON values."""
        return dict(self._description)

    def read(self, index: int) -> Volume:
        """Return one volume; safe from several threads.

        Raises
        ------
        IndexError
            If the recording has no volume of this index.
        RecordingError
            If the volume is damaged, or the source is closed.
        """
        if index not in self._known:
            raise IndexError(
                f"The recording has no volume {index}; it has {len(self._indices)} volumes from"
                f" {self._indices[0]} to {self._indices[-1]}."
            )
        with self._lock:
            if self._is_closed:
                raise RecordingError("The recording was closed; open it again to read from it.")
            return self._load(index)

    def reread(self, index: int) -> Volume | None:
        """Return one volume once more; None if the recording has none of this index.

        Raises
        ------
        RecordingError
            If the volume is damaged, or the source is closed.
        """
        return self.read(index) if index in self._known else None

    def __iter__(self) -> Iterator[Volume]:
        """Yield the volumes in acquisition order; ends when the source is closed."""
        for index in self._indices:
            with self._lock:
                if self._is_closed:
                    return
                volume = self._load(index)
            yield volume

    def _recount(self, indices: Sequence[int]) -> None:
        """Give the volumes other indices, ascending."""
        self._indices = tuple(indices)
        self._known = frozenset(indices)
        if self._indices:
            self._spec = replace(self._spec, n_volumes=self._indices[-1] + 1)

    def close(self) -> None:
        """Release files and memory; an iteration ends before its next volume."""
        with self._lock:
            if not self._is_closed:
                self._is_closed = True
                self._release()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    @abstractmethod
    def _load(self, index: int) -> Volume:
        """Read a volume that exists; called by one thread at a time."""

    @abstractmethod
    def _release(self) -> None:
        """Close what is open; called once."""
