"""Names and colors of a saved session, at the time that the viewer shows."""

import weakref
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from napari_acll.widgets._layers import color_labels
from napari_acll.widgets._name_layer import NameLayer
from napari_acll.widgets._playable import playable_of

if TYPE_CHECKING:
    import napari.viewer

    from napari_acll.widgets._saved_run import SavedRun


def time_axis(viewer: "napari.viewer.Viewer") -> int | None:
    """Return the axis of the viewer that is time, None if all layers are single volumes."""
    n_axes = int(viewer.dims.ndim)
    return n_axes - 4 if n_axes >= 4 else None


def shown_volume(viewer: "napari.viewer.Viewer", *, period_s: float, n_volumes: int) -> int | None:
    """Return the index of the volume that the time slider stands at, None without one."""
    axis = time_axis(viewer)
    if axis is None:
        return None
    index = round(float(viewer.dims.point[axis]) / period_s)
    return max(0, min(n_volumes - 1, index))


class SavedView:
    """Follows the time slider of a viewer with names and colors of a saved session.

    Parameters
    ----------
    viewer : napari.viewer.Viewer
        Held weakly.
    run : SavedRun
        The session.
    on_move : callable
        Told the index of the volume that is looked at; a method, held weakly.
    """

    def __init__(
        self, viewer: "napari.viewer.Viewer", run: "SavedRun", *, on_move: Callable[[int], None]
    ) -> None:
        self._viewer = weakref.ref(viewer)
        self._run = run
        self._on_move = weakref.WeakMethod(on_move)
        self._index: int | None = None
        self._names: NameLayer | None = None
        viewer.dims.events.point.connect(self._follow)

    def show(self, index: int) -> None:
        """Move the time slider to a volume; without one, move the docks only."""
        viewer, playable = self._viewer(), self._run.playable
        axis = None if viewer is None else time_axis(viewer)
        if viewer is not None and axis is not None and self._is_shown(viewer):
            viewer.dims.set_point(axis, index * playable.period_s)
        self._look_at(max(0, min(playable.n_volumes - 1, index)))

    def look(self) -> None:
        """Show what belongs to the volume that the time slider stands at."""
        self._index = None
        self._follow()
        if self._index is None:
            self._look_at(0)

    def close(self) -> None:
        """Follow no more; layers stay, but for the names."""
        viewer = self._viewer()
        if viewer is not None:
            viewer.dims.events.point.disconnect(self._follow)
        if self._names is not None:
            self._names.remove()
            self._names = None

    def _follow(self, event: Any = None) -> None:  # noqa: ARG002
        viewer, playable = self._viewer(), self._run.playable
        if viewer is None or not self._is_shown(viewer):
            return
        index = shown_volume(viewer, period_s=playable.period_s, n_volumes=playable.n_volumes)
        if index is not None:
            self._look_at(index)

    def _look_at(self, index: int) -> None:
        if index == self._index:
            return
        self._index = self._run.session.index = index
        viewer = self._viewer()
        if viewer is not None:
            self._draw(viewer, index)
        on_move = self._on_move()
        if on_move is not None:
            on_move(index)

    def _draw(self, viewer: "napari.viewer.Viewer", index: int) -> None:
        traces = self._run.session
        sample, labels = traces.sample(index), self._labels(viewer)
        if labels is None:
            return
        color_labels(labels, sample.confidence, traces.store.neurons)
        if self._names is None:
            title = labels.name.removesuffix(" labels")
            grid, active = traces.spec.grid, viewer.layers.selection.active
            self._names = NameLayer(viewer, traces.store.neurons, grid, name=f"{title} names")
            viewer.layers.selection.active = active or labels
        self._names.show(sample)

    def _labels(self, viewer: "napari.viewer.Viewer") -> Any:
        from napari.layers import Labels

        ours = (layer for layer in viewer.layers if playable_of(layer) is self._run.playable)
        return next((layer for layer in ours if isinstance(layer, Labels)), None)

    def _is_shown(self, viewer: "napari.viewer.Viewer") -> bool:
        return any(playable_of(layer) is self._run.playable for layer in viewer.layers)
