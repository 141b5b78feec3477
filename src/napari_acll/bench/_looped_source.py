"""A finished recording, played as often as is needed."""

import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

import numpy as np

from napari_acll.core import RandomAccessSource, RecordingError, Volume, VolumeSpec

_USUAL_PERIOD_S = 0.6


class LoopedSource:
    """The volumes of a recording, again and again, as one longer recording.

    Each is read anew every time, and at once.

    Parameters
    ----------
    source : RandomAccessSource
        What is played; closed with this.
    n_volumes : int
        Volumes that it pretends to have.

    Attributes
    ----------
    took_s : dict of int to float
        How long the reading of each volume took, in s.

    Raises
    ------
    RecordingError
        If it has no volumes.
    """

    is_live = False

    def __init__(self, source: RandomAccessSource, n_volumes: int) -> None:
        if not len(source.indices):
            raise RecordingError("The recording has no volumes; choose another recording.")
        self._source = source
        self._closed = threading.Event()
        self.took_s: dict[int, float] = {}
        period_s = source.spec.period_s
        if not (np.isfinite(period_s) and period_s > 0):
            period_s = _USUAL_PERIOD_S
        self._spec = replace(source.spec, n_volumes=n_volumes, period_s=period_s)

    @property
    def spec(self) -> VolumeSpec:
        """That of the recording, with another number of volumes."""
        return self._spec

    @property
    def notes(self) -> Sequence[str]:
        """Those of the recording."""
        return self._source.notes

    @property
    def indices(self) -> Sequence[int]:
        """All of them."""
        return range(self._spec.n_volumes or 0)

    def describe(self) -> Mapping[str, object]:
        """Return what identifies the recording."""
        return {**self._source.describe(), "kind": "loop"}

    def read(self, index: int) -> Volume:
        """Return one volume.

        Raises
        ------
        IndexError
            If the index is not one of `indices`.
        """
        if index not in self.indices:
            raise IndexError(index)
        there = self._source.indices
        began_s = time.perf_counter()
        volume = self._source.read(there[index % len(there)])
        self.took_s[index] = time.perf_counter() - began_s
        timestamp_s = index * self._spec.period_s
        return replace(
            volume,
            index=index,
            timestamp_s=timestamp_s,
            slice_times_s=volume.slice_times_s - volume.timestamp_s + timestamp_s,
            spec=self._spec,
        )

    def __iter__(self) -> Iterator[Volume]:
        """Yield the volumes one after the other."""
        return (self.read(index) for index in self.indices)

    def close(self) -> None:
        """Close the recording."""
        self._closed.set()
        self._source.close()


class PacedSource(LoopedSource):
    """The same, each volume when a microscope would have finished it.

    It is read only then, as a file of a folder is: a replay reads ahead, which a microscope
    does not allow.
    """

    def __iter__(self) -> Iterator[Volume]:
        """Yield the volumes, a period apart."""
        began_s = time.perf_counter()
        for index in self.indices:
            due_s = began_s + index * self._spec.period_s
            if self._closed.wait(max(0.0, due_s - time.perf_counter())):
                return
            yield self.read(index)
