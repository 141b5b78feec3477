"""The part of a volume that holds anything: the animal fills a small part of the field."""

import numpy as np
from numpy.typing import NDArray

Box = tuple[slice, slice, slice]

_BLOCK_PX = 4
_MARGIN_PX = 10
"""Beside the bright blocks; the network sees about so far."""
_LEAST_MEAN = 0.2
"""Mean of a block of the normalized marker; a dim nucleus makes 0.3, noise alone 0.05."""
_LEAST_FACE_PX = 20_480
"""torch takes its fast convolution for a single volume only if channels times all axes but the
last are more than this; in every layer of the detector that is the area of the box."""


def bright_region(image: NDArray[np.float32]) -> Box:
    """Return the box around everything bright, the whole volume if nothing is.

    Parameters
    ----------
    image : ndarray of float32, shape (Z, Y, X)
        Normalized marker.
    """
    blocks = np.argwhere(_block_means(image) > _LEAST_MEAN)
    if not len(blocks):
        z, y, x = (slice(0, n) for n in image.shape)
        return z, y, x
    low = np.maximum(blocks.min(0) * _BLOCK_PX - _MARGIN_PX, 0)
    high = np.minimum((blocks.max(0) + 1) * _BLOCK_PX + _MARGIN_PX, image.shape)
    _widen(low, high, image.shape)
    z, y, x = (slice(int(a), int(b)) for a, b in zip(low, high, strict=True))
    return z, y, x


def _block_means(image: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the means of blocks; what is left over at the ends counts as the block before it."""
    means = image
    for axis, size in enumerate(image.shape):
        starts = np.arange(0, max(size - _BLOCK_PX + 1, 1), _BLOCK_PX)
        lengths = np.diff(np.r_[starts, size]).astype(np.float32)
        sums = np.add.reduceat(means, starts, axis=axis)
        means = sums / lengths.reshape([-1 if a == axis else 1 for a in range(3)])
    return means


def _widen(low: NDArray[np.int64], high: NDArray[np.int64], shape: tuple[int, ...]) -> None:
    """Widen the box in place, first along y, until its face is large enough."""
    for axis in (1, 2):
        other = 3 - axis
        wanted = int(np.ceil((_LEAST_FACE_PX + 1) / (high[other] - low[other])))
        missing = min(wanted, shape[axis]) - (high[axis] - low[axis])
        if missing <= 0:
            continue
        low[axis] = np.clip(low[axis] - missing // 2, 0, shape[axis] - min(wanted, shape[axis]))
        high[axis] = low[axis] + min(wanted, shape[axis])
