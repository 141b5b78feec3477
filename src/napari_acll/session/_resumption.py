"""Where an interrupted session stood."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_acll.core import (
    ChannelAlignment,
    Correction,
    LabeledVolume,
    RunSettings,
    TraceSample,
    TraceStore,
    VolumeStatus,
)
from napari_acll.quality import TraceQuality
from napari_acll.session._counters import Tally
from napari_acll.session._volume_queue import Gap

SHOWN = ("ratio_sd", "flags")
"""Fields of samples that a session keeps in memory besides ratio and confidence."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Resumption:
    """What an interrupted session left.

    Parameters
    ----------
    how : str
        How it ended, as a sentence.
    status : ndarray of uint8, shape (n,)
        `VolumeStatus` of each timepoint that it reached; it goes on with number `n`.
    time_s : ndarray of float64, shape (n,)
        Times.
    ratio, confidence : ndarray of float32, shape (n, n_neurons)
        Values.
    more : mapping of str to ndarray, shape (n, n_neurons, ...)
        Further fields of the samples: those that are kept in memory, too, and those from which
        the quality of traces is measured.
    novelty : ndarray of float32, shape (n,), optional
        Of each volume.
    alignment : ChannelAlignment, optional
        The alignment that they were taken with.
    corrections : tuple of Correction
        What a person corrected, in order.
    labeled : callable
        Returns the volumes that were traced as they came, in order, as the model labeled them;
        without their instances.
    """

    how: str
    status: NDArray[np.uint8]
    time_s: NDArray[np.float64]
    ratio: NDArray[np.float32]
    confidence: NDArray[np.float32]
    more: Mapping[str, NDArray[Any]] = field(default_factory=dict)
    novelty: NDArray[np.float32] | None = None
    alignment: ChannelAlignment | None = None
    corrections: tuple[Correction, ...] = ()
    labeled: Callable[[], Iterable[LabeledVolume]] = tuple

    @property
    def first_index(self) -> int:
        """Number of the volume to go on with."""
        return len(self.status)

    @property
    def gaps(self) -> list[Gap]:
        """Timepoints without values."""
        without = (VolumeStatus.SKIPPED, VolumeStatus.LOST)
        return [
            (int(index), VolumeStatus(self.status[index]))
            for index in np.flatnonzero(np.isin(self.status, without))
        ]

    def fill(self, store: TraceStore, tally: Tally, quality: TraceQuality | None = None) -> None:
        """Put what is there where it would be if there had been no interruption."""
        gaps = dict(self.gaps)
        for index in range(self.first_index):
            if index in gaps:
                store.skip(index, gaps[index])
            else:
                sample = self._sample(index)
                store.append(sample)
                if quality is not None:
                    quality.add(sample, novelty=self._novelty(index))
        for status in np.unique(self.status).tolist():
            if status != VolumeStatus.PENDING:
                tally.count_before(VolumeStatus(status), int((self.status == status).sum()))

    def _sample(self, index: int) -> TraceSample:
        status = VolumeStatus(self.status[index])
        empty = TraceSample.absent(
            index, float(self.time_s[index]), self.ratio.shape[1], status=status
        )
        known = {**self.more, "ratio": self.ratio, "confidence": self.confidence}
        return replace(empty, **{name: values[index] for name, values in known.items()})

    def _novelty(self, index: int) -> float:
        return float("nan") if self.novelty is None else float(self.novelty[index])


def first_volume(run: RunSettings, resumption: Resumption | None) -> int:
    """Return the index of the first volume that a session wants."""
    return (
        run.first_volume if resumption is None else max(run.first_volume, resumption.first_index)
    )
