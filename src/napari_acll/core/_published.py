"""What other programs are told about one timepoint."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from napari_acll.core._trace import VolumeStatus


@dataclass(frozen=True, slots=True, kw_only=True)
class PublishedSample:
    """One timepoint as it is published: the neurons that were found, or why there are none.

    Times that end in `_at_s` are wall time, in s since 1970, on a clock that never jumps while
    a session runs; the others are times of the recording.

    Parameters
    ----------
    index : int
        Number of the volume in the recording.
    status : VolumeStatus
        `TRACED`, or why there are no neurons.
    time_s : float
        Time of the first slice, in s from the start of the recording; NaN without a volume.
    seen_at_s : float
        When the last slice of the volume had come; NaN without a volume.
    traced_at_s : float
        When the values were known.
    sent_at_s : float
        When they were handed to the publisher; NaN before.
    names : tuple of str
        The neurons that were found.
    neuron_time_s : ndarray of float64, shape (n,)
        Time of the slice through each of them, in s from the start of the recording.
    ratio, confidence : ndarray of float32, shape (n,)
        Activity over marker (NaN where the marker is too weak), and probability of the name.
    is_pinned : ndarray of bool, shape (n,)
        Whether a person has fixed the name.
    ratio_sd : ndarray of float32, shape (n,)
        Standard deviation of the ratio by noise; NaN where the estimator does not say.
    flags : ndarray of uint8, shape (n,)
        `TraceFlag`, what is to be said against each value.
    """

    index: int
    status: VolumeStatus
    time_s: float
    seen_at_s: float
    traced_at_s: float
    sent_at_s: float
    names: tuple[str, ...]
    neuron_time_s: NDArray[np.float64]
    ratio: NDArray[np.float32]
    confidence: NDArray[np.float32]
    is_pinned: NDArray[np.bool_]
    ratio_sd: NDArray[np.float32]
    flags: NDArray[np.uint8]

    @classmethod
    def without_values(
        cls, index: int, status: VolumeStatus, *, traced_at_s: float
    ) -> "PublishedSample":
        """Return what is told about a timepoint that was skipped or lost."""
        return cls(
            index=index,
            status=status,
            time_s=float("nan"),
            seen_at_s=float("nan"),
            traced_at_s=traced_at_s,
            sent_at_s=float("nan"),
            names=(),
            neuron_time_s=np.zeros(0),
            ratio=np.zeros(0, np.float32),
            confidence=np.zeros(0, np.float32),
            is_pinned=np.zeros(0, np.bool_),
            ratio_sd=np.zeros(0, np.float32),
            flags=np.zeros(0, np.uint8),
        )
