"""The part of a volume that holds anything: the animal fills a small part of the field."""

import numpy as np
from numpy.typing import NDArray

from napari_acll.label._point_numba import jit

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


def _block_means(image: NDArray[np.float32]) -> NDArray[np.float64]:
    """Return the means of blocks; what is left over at the ends counts to the block before it."""
    shape = tuple(max(size // _BLOCK_PX, 1) for size in image.shape)
    sums = np.zeros(shape)
    _add_blocks(image, _BLOCK_PX, sums)
    counts = np.ones(())
    for size, n_blocks in zip(image.shape, shape, strict=True):
        lengths = np.full(n_blocks, _BLOCK_PX)
        lengths[-1] = size - _BLOCK_PX * (n_blocks - 1)
        counts = counts[..., None] * lengths
    means: NDArray[np.float64] = sums / counts
    return means


@jit(fastmath=True)
def _add_blocks(image: NDArray[np.float32], block_px: int, sums: NDArray[np.float64]) -> None:
    """Add up the blocks in one pass: first the lines of a block, then along them."""
    n_z, n_y, n_x = image.shape
    last_z, last_y, last_x = sums.shape[0] - 1, sums.shape[1] - 1, sums.shape[2] - 1
    total = np.empty(n_x, np.float32)
    for z in range(n_z):
        for block_y in range(last_y + 1):
            start = block_y * block_px
            stop = start + block_px if block_y < last_y else n_y
            total[:] = image[z, start]
            for y in range(start + 1, stop):
                line = image[z, y]
                for x in range(n_x):
                    total[x] += line[x]
            row = sums[min(z // block_px, last_z), block_y]
            for block in range(last_x):
                part = np.float32(0.0)
                for x in range(block * block_px, (block + 1) * block_px):
                    part += total[x]
                row[block] += part
            for x in range(last_x * block_px, n_x):
                row[last_x] += total[x]


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
