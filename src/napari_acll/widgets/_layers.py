"""The three layers that show the newest volume: marker, activity and labels."""

import weakref
from collections.abc import Callable, Collection, Iterator
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from napari_acll.core import ChannelAlignment, NeuronTable, VoxelGrid
from napari_acll.widgets._colors import label_colormap
from napari_acll.widgets._name_layer import LIGHT_REFRESH, MIN_CONFIDENCE, NameLayer
from napari_acll.widgets._viewpoint import look_at

if TYPE_CHECKING:
    import napari.viewer

_UNITS = ("um", "um", "um")
_AXES = ("z", "y", "x")
_CLICK_PX = 4
_KINDS = ("marker", "activity", "labels")
"""From the lowest layer to the uppermost; the names lie above them all."""
_COLORMAPS = {"marker": "magenta", "activity": "green"}


def image_placement(grid: VoxelGrid) -> dict[str, Any]:
    """Return scale and place of a grid as napari wants them, in um of the stored recording.

    Voxel (0, 0, 0) of the recording as stored lies at the origin, so layers of any crop and
    binning lie on top of each other.
    """
    first_um = grid.to_stored_px(np.zeros(3)) * np.asarray(grid.stored_voxel_size_um())
    return {
        "scale": grid.voxel_size_um,
        "translate": tuple(float(position) for position in first_um),
        "units": _UNITS,
        "axis_labels": _AXES,
    }


def contrast_of(image: NDArray[Any]) -> tuple[float, float]:
    """Return contrast limits that show a first volume well: its 75th to 99.9th percentile.

    Nuclei fill a few percent of a volume; what is darker than three quarters is background.
    """
    sample = image[:, ::2, ::2]
    seen = sample[sample > 0]  # missing slices are zeros, and tell nothing
    if seen.size == 0:
        return 0.0, 1.0
    low, high = np.percentile(seen, [75.0, 99.9])
    return float(low), float(max(high, low + 1))


def activity_affine(alignment: ChannelAlignment, grid: VoxelGrid) -> NDArray[np.float64]:
    """Return the transform that lays the activity channel over the marker channel.

    Parameters
    ----------
    alignment : ChannelAlignment
        Takes marker positions to activity positions; its inverse is what moves the picture.
    grid : VoxelGrid
        Gives the center of the frame.

    Returns
    -------
    ndarray of float64, shape (4, 4)
        In um, homogeneous `(z, y, x)`.
    """
    _, size_y, size_x = grid.stored_voxel_size_um()
    center = np.array(
        [(grid.stored_shape[1] - 1) / 2 * size_y, (grid.stored_shape[2] - 1) / 2 * size_x]
    )
    angle = np.deg2rad(alignment.theta_deg)
    inverse = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    shift = np.array([alignment.dy_um, alignment.dx_um])
    affine = np.eye(4)
    affine[1:3, 1:3] = inverse
    affine[1:3, 3] = center - inverse @ (center + shift)
    return affine


def color_labels(layer: Any, confidence: NDArray[np.float32], neurons: NeuronTable) -> None:
    """Draw labels in the colors of their confidences, and tell both where the mouse is.

    Parameters
    ----------
    layer : napari.layers.Labels
        Class numbers.
    confidence : ndarray of float32, shape (n_neurons,)
        NaN where a neuron is absent.
    neurons : NeuronTable
        The names.
    """
    if not len(neurons):
        layer.refresh(**LIGHT_REFRESH)
        return
    layer.colormap = label_colormap(confidence)
    layer.features = {
        "index": np.arange(len(neurons) + 1),
        "neuron": np.array(["", *neurons.names]),
        "confidence": np.concatenate([[np.nan], confidence]).round(2),
    }


def _is_same_frame(first: VoxelGrid, second: VoxelGrid) -> bool:
    """Return whether two grids are cut from frames of the same size."""
    return first.stored_shape == second.stored_shape and np.allclose(
        first.stored_voxel_size_um(), second.stored_voxel_size_um()
    )


def _has_same_counts(first: VoxelGrid, second: VoxelGrid) -> bool:
    """Return whether contrast limits of one grid fit the other: same frame, same binning."""
    return _is_same_frame(first, second) and first.bin_px == second.bin_px


def _rewrite(layer: Any, data: NDArray[Any], grid: VoxelGrid) -> None:
    """Give a layer the first volume of another session, which may be cropped otherwise."""
    placement = image_placement(grid)
    layer.data = data.copy()
    for name in ("scale", "translate"):
        if not np.allclose(getattr(layer, name), placement[name]):
            setattr(layer, name, placement[name])


class LiveLayers:
    """Makes the layers at the first volume and rewrites them in place from then on.

    The next session on the same frame goes on with them, so that what the user set (view,
    contrast, colors, what is visible and what is selected) stays; only what was summed by another
    binning gets new contrast limits. A layer that the user deletes stays away until the next
    session; layers that are not ours are never touched.

    Parameters
    ----------
    viewer : napari.viewer.Viewer
        Held weakly.
    on_pick : callable
        Told the class number of a label that the user clicks.

    Attributes
    ----------
    shows_names : bool
        Whether the names of the next session are visible.
    min_confidence : float
        Names less probable are not written in the next session.
    """

    def __init__(self, viewer: "napari.viewer.Viewer", *, on_pick: Callable[[int], None]) -> None:
        self._viewer = weakref.ref(viewer)
        self._on_pick = weakref.WeakMethod(on_pick)
        self._layers: dict[str, Any] = {}
        self._names: NameLayer | None = None
        self._named: Collection[int] = ()
        self._centroid_px: NDArray[np.floating] = np.full((0, 3), np.nan)
        self._is_listening = False
        self._grid: VoxelGrid | None = None
        self._alignment: ChannelAlignment | None = None
        self._is_first = True
        self._hidden: list[Any] = []
        self._had_names_shown: bool | None = None
        self.shows_names = True
        self.min_confidence = MIN_CONFIDENCE

    def begin(self) -> None:
        """Prepare for a new session, which may be one of another recording."""
        self._is_first = True
        self._alignment = None
        self._centroid_px = np.full((0, 3), np.nan)

    def show(self, newest: Any, neurons: NeuronTable) -> None:
        """Show what a session's mailbox holds: `volume`, `labeled` and `sample`."""
        viewer = self._viewer()
        if viewer is None:
            return
        labels = newest.labeled.labels(len(neurons))
        data = {"marker": newest.volume.marker, "activity": newest.volume.activity}
        data["labels"] = labels
        if self._is_first:
            self._begin_with(viewer, newest.volume.spec.grid, data, neurons)
            self._is_first = False
        else:
            for kind, array in data.items():
                self._write(kind, array)
        if self._names is not None:
            self._names.show(newest.sample)
        self._remember_places(newest.sample.centroid_px)
        self._color(newest.sample.confidence, neurons)

    def name(self, numbers: Collection[int]) -> None:
        """Write the names of these class numbers only; of all neurons if there are none."""
        self._named = numbers
        if self._names is not None:
            self._names.choose(numbers)

    def go_to(self, class_number: int) -> bool:
        """Look at where a neuron was seen last; return False if it was not seen yet."""
        viewer = self._viewer()
        is_known = 1 <= class_number <= len(self._centroid_px)
        # a viewer of which all layers were deleted is flat
        if viewer is None or viewer.dims.ndim < 3 or self._grid is None or not is_known:
            return False
        center_px = self._centroid_px[class_number - 1]
        if not np.isfinite(center_px).all():
            return False
        look_at(viewer, center_px * np.asarray(self._grid.stored_voxel_size_um()))
        layer = self._present("labels")
        if layer is not None:
            layer.selected_label = class_number
        return True

    def hide(self) -> None:
        """Hide what is left of the last session: something else is being shown."""
        layers = [self._present(kind) for kind in self._layers]
        if self._names is not None:
            layers.append(self._names.layer)
        for layer in layers:
            if layer is not None and layer.visible:
                layer.visible = False
                self._hidden.append(layer)

    def align(self, alignment: ChannelAlignment) -> bool:
        """Lay the activity over the marker; return whether that was news."""
        if alignment is self._alignment:
            return False
        self._alignment = alignment
        self._apply_alignment()
        return True

    def _apply_alignment(self) -> None:
        layer = self._present("activity")
        if layer is None or self._grid is None:
            return
        alignment = self._alignment
        affine = np.eye(4) if alignment is None else activity_affine(alignment, self._grid)
        if not np.array_equal(layer.affine.affine_matrix, affine):
            layer.affine = affine

    def _remember_places(self, centroid_px: NDArray[np.floating]) -> None:
        if len(self._centroid_px) != len(centroid_px):
            self._centroid_px = np.full(centroid_px.shape, np.nan)
        is_seen = np.isfinite(centroid_px).all(axis=1)
        self._centroid_px[is_seen] = centroid_px[is_seen]

    def _present(self, kind: str) -> Any:
        viewer, layer = self._viewer(), self._layers.get(kind)
        return layer if viewer is not None and layer in viewer.layers else None

    def _begin_with(
        self,
        viewer: "napari.viewer.Viewer",
        grid: VoxelGrid,
        data: dict[str, NDArray[Any]],
        neurons: NeuronTable,
    ) -> None:
        """Show a first volume, in the layers that are there if it is of the same frame."""
        before, self._grid = self._grid, grid
        is_same = before is not None and _is_same_frame(before, grid)
        goes_on = is_same and not self._hidden and self._present("marker") is not None
        if not is_same:
            self._remove_old(viewer)
        self._unhide(viewer)
        selected = set(viewer.layers.selection)
        for kind, array in data.items():
            layer = self._present(kind)
            if layer is None:
                self._layers[kind] = self._made(viewer, kind, array)
            else:
                _rewrite(layer, array, grid)
                if kind != "labels" and before is not None and not _has_same_counts(before, grid):
                    layer.contrast_limits = contrast_of(array)
        self._apply_alignment()
        self._begin_names(viewer, neurons)
        if goes_on:
            viewer.layers.selection = {layer for layer in selected if layer in viewer.layers}
        else:
            self._look_at(viewer, grid)
        if not self._is_listening:
            viewer.mouse_drag_callbacks.append(self._clicked)
            self._is_listening = True

    def _made(self, viewer: "napari.viewer.Viewer", kind: str, data: NDArray[Any]) -> Any:
        """Return a new layer of our own, below the names."""
        grid = self._grid
        placement = {} if grid is None else image_placement(grid)
        if kind == "labels":
            layer = viewer.add_labels(data.copy(), name="live labels", opacity=0.6, **placement)
        else:
            layer = viewer.add_image(
                data.copy(),
                name=f"live {kind}",
                colormap=_COLORMAPS[kind],
                blending="additive",
                contrast_limits=contrast_of(data),
                **placement,
            )
        above = [self._present(other) for other in _KINDS[_KINDS.index(kind) + 1 :]]
        above.append(None if self._names is None else self._names.layer)
        places = [viewer.layers.index(other) for other in above if other in viewer.layers]
        if places:  # the user had deleted this one only
            viewer.layers.move(viewer.layers.index(layer), min(places))
        return layer

    def _begin_names(self, viewer: "napari.viewer.Viewer", neurons: NeuronTable) -> None:
        """Go on with the layer of names if it has the same ones, else make it anew."""
        if self._grid is None:
            return
        names = self._names
        if names is None or not names.fits(neurons, self._grid):
            was_visible = None if names is None else names.layer.visible
            if names is not None:
                names.remove()
            self._names = names = NameLayer(viewer, neurons, self._grid)
            names.layer.visible = self.shows_names if was_visible is None else was_visible
        else:
            names.clear(self._grid)
        if self._had_names_shown not in (None, self.shows_names):  # the preference has changed
            names.layer.visible = self.shows_names
        self._had_names_shown = self.shows_names
        names.min_confidence = self.min_confidence
        names.choose(self._named)

    def _look_at(self, viewer: "napari.viewer.Viewer", grid: VoxelGrid) -> None:
        """Begin in the middle of the volume, with the labels chosen, as they are clicked."""
        if len(viewer.layers) == len(self._layers) + 1:
            viewer.reset_view()
        viewer.dims.set_point(
            viewer.dims.ndim - 3,
            image_placement(grid)["translate"][0] + grid.shape[0] // 2 * grid.voxel_size_um[0],
        )
        viewer.layers.selection.active = self._layers["labels"]

    def _unhide(self, viewer: "napari.viewer.Viewer") -> None:
        hidden, self._hidden = self._hidden, []
        for layer in hidden:
            if layer in viewer.layers:
                layer.visible = True

    def _remove_old(self, viewer: "napari.viewer.Viewer") -> None:
        if self._names is not None:
            self._names.remove()
            self._names = None
        for kind in list(self._layers):
            layer = self._layers.pop(kind)
            if layer in viewer.layers:
                viewer.layers.remove(layer)

    def _write(self, kind: str, data: NDArray[Any]) -> None:
        layer = self._present(kind)
        if layer is None:
            return
        np.copyto(layer.data, data)
        if kind != "labels":  # those are redrawn when they get their colors
            layer.refresh(**LIGHT_REFRESH)

    def _color(self, confidence: NDArray[np.float32], neurons: NeuronTable) -> None:
        layer = self._present("labels")
        if layer is not None:
            color_labels(layer, confidence, neurons)

    def _clicked(self, viewer: Any, event: Any) -> Iterator[None]:  # noqa: ARG002
        """Pick the label under the mouse, if the button comes up where it went down."""
        pressed_at = np.asarray(event.pos)
        yield
        while event.type == "mouse_move":
            yield
        layer, on_pick = self._present("labels"), self._on_pick()
        is_drag = np.abs(np.asarray(event.pos) - pressed_at).max() > _CLICK_PX
        if layer is None or on_pick is None or is_drag or not layer.visible:
            return
        number = layer.get_value(
            event.position,
            view_direction=event.view_direction,
            dims_displayed=list(event.dims_displayed),
            world=True,
        )
        if number:
            on_pick(int(number))
