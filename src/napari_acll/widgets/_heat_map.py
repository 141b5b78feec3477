"""The picture of all neurons over time: color is the value, opacity the confidence."""

import numpy as np
import pyqtgraph as pg
from numpy.typing import NDArray
from qtpy.QtCore import QRectF

from napari_acll.widgets._colors import ratio_lookup
from napari_acll.widgets._trace_scaling import TraceScaling


class HeatMap:
    """One row per neuron, one column per volume, in a pyqtgraph image item.

    Parameters
    ----------
    item : pyqtgraph.ImageItem
        Row-major.
    """

    def __init__(self, item: pg.ImageItem) -> None:
        self.item = item
        self._pixels: NDArray[np.uint8] = np.zeros((0, 0, 4), np.uint8)
        self._lookup = ratio_lookup()
        self._generation = -1

    def clear(self) -> None:
        """Forget the recording."""
        self._pixels = np.zeros((0, 0, 4), np.uint8)
        self._generation = -1
        self.item.clear()

    def update(
        self,
        values: NDArray[np.float32],
        confidence: NDArray[np.float32],
        scaling: TraceScaling,
        *,
        first: int,
        start: float,
        stop: float,
    ) -> None:
        """Draw what is new.

        Parameters
        ----------
        values, confidence : ndarray of float32, shape (n_neurons, n_timepoints)
            All columns so far.
        scaling : TraceScaling
            Range of each neuron.
        first : int
            First column that is new or has changed since the last call.
        start, stop : float
            Where the left edge of the first and the right edge of the last column lie on the
            horizontal axis.
        """
        n_neurons, n_timepoints = values.shape
        self._reserve(n_neurons, n_timepoints)
        if scaling.generation != self._generation:
            first, self._generation = 0, scaling.generation
        window = slice(first, n_timepoints)
        self._paint(window, scaling.normalized(values[:, window]), confidence[:, window])
        if n_neurons == 0:  # pyqtgraph cannot place an image without pixels
            return
        self.item.setImage(self._pixels[:, :n_timepoints], autoLevels=False, levels=None)
        self.item.setRect(QRectF(start, 0, max(stop - start, 1e-6), n_neurons))

    def _reserve(self, n_neurons: int, n_timepoints: int) -> None:
        capacity = self._pixels.shape[1]
        if len(self._pixels) == n_neurons and n_timepoints <= capacity:
            return
        grown = np.zeros((n_neurons, max(256, 2 * n_timepoints), 4), np.uint8)
        if len(self._pixels) == n_neurons:
            grown[:, :capacity] = self._pixels
        self._pixels = grown

    def _paint(
        self, window: slice, shown: NDArray[np.float32], confidence: NDArray[np.float32]
    ) -> None:
        is_seen = np.isfinite(shown)
        level = np.clip(np.where(is_seen, shown, 0), 0, 1) * 255
        opacity = np.where(is_seen, np.clip(np.nan_to_num(confidence), 0.1, 1), 0) * 255
        self._pixels[:, window, :3] = self._lookup[level.astype(np.uint8)]
        self._pixels[:, window, 3] = opacity.astype(np.uint8)
