"""The names of the neurons, written on the canvas."""

import weakref
from collections.abc import Collection
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from napari_acll.core import NeuronTable, TraceSample, VoxelGrid

if TYPE_CHECKING:
    import napari.layers
    import napari.viewer

LIGHT_REFRESH = {"extent": False, "thumbnail": False, "highlight": False}
"""What is left out when a layer is rewritten in place."""
REACH_UM = 1.2
"""A name is written on all planes this near its neuron's center: less than a nuclear radius, so
that few names lie over each other."""
MIN_CONFIDENCE = 0.5
"""Names that are more likely wrong than right are not written; their labels stay, in gray."""


def placed_names(
    centroid_um: NDArray[np.floating], *, plane_um: float | None
) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """Return where names stand and which are shown.

    napari draws a point on its own plane only, so names near the plane that is looked at are
    moved onto it.

    Parameters
    ----------
    centroid_um : ndarray of float, shape (n_neurons, 3)
        `(z, y, x)` in um, NaN where absent.
    plane_um : float, optional
        Plane that is looked at; None when the view is three-dimensional.

    Returns
    -------
    position_um : ndarray of float64, shape (n_neurons, 3)
        Finite everywhere.
    is_shown : ndarray of bool, shape (n_neurons,)
    """
    is_shown = np.isfinite(centroid_um).all(axis=1)
    position = np.nan_to_num(centroid_um).astype(np.float64)
    if plane_um is not None:
        is_shown &= np.abs(position[:, 0] - plane_um) <= REACH_UM
        position[:, 0] = plane_um
    return position, is_shown


class NameLayer:
    """One points layer with one text per neuron of the model, moved in place.

    Parameters
    ----------
    viewer : napari.viewer.Viewer
        Held weakly.
    neurons : NeuronTable
        The texts.
    grid : VoxelGrid
        Gives the voxel size of the recording as stored.
    name : str
        What the layer is called.
    """

    def __init__(
        self,
        viewer: "napari.viewer.Viewer",
        neurons: NeuronTable,
        grid: VoxelGrid,
        *,
        name: str = "live names",
    ) -> None:
        self._viewer = weakref.ref(viewer)
        self._neurons = neurons
        self._stored_um = np.asarray(grid.stored_voxel_size_um())
        self.min_confidence = MIN_CONFIDENCE
        self._centroid_um = np.full((len(neurons), 3), np.nan)
        self._is_wanted = np.ones(len(neurons), bool)
        self.layer: napari.layers.Points = viewer.add_points(
            self._in_the_middle(grid),
            name=name,
            features={"neuron": np.asarray(neurons.names, dtype=object)},
            text={"string": "{neuron}", "size": 8, "color": "white", "anchor": "upper_left"},
            size=0.4,
            face_color="white",
            border_width=0,
            shown=np.zeros(len(neurons), bool),
            units=("um", "um", "um"),
            axis_labels=("z", "y", "x"),
        )
        # psygnal and napari hold methods weakly: no link keeps this alive after the session
        viewer.dims.events.current_step.connect(self._draw)
        viewer.dims.events.ndisplay.connect(self._draw)

    def fits(self, neurons: NeuronTable, grid: VoxelGrid) -> bool:
        """Return whether these are the names of such a recording."""
        is_same_size = np.allclose(self._stored_um, grid.stored_voxel_size_um())
        viewer = self._viewer()
        is_there = viewer is not None and self.layer in viewer.layers
        return bool(is_there and neurons == self._neurons and is_same_size)

    def clear(self, grid: VoxelGrid) -> None:
        """Write no name until the next sample, which may be of another crop."""
        self._centroid_um[:] = np.nan
        self.layer.data = self._in_the_middle(grid)
        self._draw()

    def _in_the_middle(self, grid: VoxelGrid) -> NDArray[np.float64]:
        """Return places for names that are not shown, which count for the extent, too."""
        center_um = grid.to_stored_px((np.array(grid.shape) - 1) / 2) * self._stored_um
        return np.tile(center_um, (len(self._neurons), 1))

    def show(self, sample: TraceSample) -> None:
        """Move every name to its neuron."""
        is_likely = sample.confidence >= self.min_confidence  # NaN is not
        self._centroid_um = np.where(
            is_likely[:, np.newaxis], sample.centroid_px * self._stored_um, np.nan
        )
        self._draw()

    def choose(self, numbers: Collection[int]) -> None:
        """Write the names of these class numbers only; of all neurons if there are none."""
        is_wanted = np.full(len(self._is_wanted), not numbers)
        rows = np.array(sorted(numbers), np.intp) - 1
        is_wanted[rows[(rows >= 0) & (rows < len(is_wanted))]] = True
        if not np.array_equal(is_wanted, self._is_wanted):
            self._is_wanted = is_wanted
            self._draw()

    def remove(self) -> None:
        """Take the names off the canvas."""
        viewer = self._viewer()
        if viewer is None:
            return
        viewer.dims.events.current_step.disconnect(self._draw)
        viewer.dims.events.ndisplay.disconnect(self._draw)
        if self.layer in viewer.layers:
            viewer.layers.remove(self.layer)

    def _draw(self, event: Any = None) -> None:  # noqa: ARG002
        viewer = self._viewer()
        if viewer is None or self.layer not in viewer.layers:
            return
        z_axis = viewer.dims.ndim - 3  # behind time, where there is time
        is_flat = viewer.dims.ndisplay == 2 and z_axis in viewer.dims.order[:-2]
        plane_um = float(viewer.dims.point[z_axis]) if is_flat else None
        position, is_shown = placed_names(self._centroid_um, plane_um=plane_um)
        is_shown &= self._is_wanted
        if len(self.layer.data) != len(position):  # the user has deleted some
            self.layer.data = position
        # written in place, it is redrawn once; each setter would redraw it
        np.copyto(self.layer.data, position, where=is_shown[:, np.newaxis])
        np.copyto(self.layer.shown, is_shown)
        self.layer.refresh(**LIGHT_REFRESH)
