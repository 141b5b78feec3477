"""What a calibration of the channel alignment found beside the alignment itself."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from napari_acll.core import ChannelAlignment


@dataclass(frozen=True, slots=True, kw_only=True)
class UnusedVolume:
    """A volume that did not count toward the calibration.

    Parameters
    ----------
    index : int
        Number of the volume in the recording.
    reason : str
        Why it tells nothing about the alignment.
    """

    index: int
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class VolumeEstimate:
    """What a single volume says about the alignment.

    Parameters
    ----------
    index : int
        Number of the volume in the recording.
    alignment : ChannelAlignment, optional
        Its own estimate; None if too few of its nuclei agree on any.
    """

    index: int
    alignment: ChannelAlignment | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ScoreProfile:
    """How well the channels agree if the activity is shifted away from an alignment.

    Parameters
    ----------
    offset_um : ndarray of float64, shape (n,)
        The shifts.
    along_y, along_x : ndarray of float64, shape (n,)
        The score at each of them, -1 to 1.
    """

    offset_um: NDArray[np.float64]
    along_y: NDArray[np.float64]
    along_x: NDArray[np.float64]
