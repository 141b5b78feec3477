"""How the user looks at the canvas, kept while something else has to be shown."""

import weakref
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import napari.viewer


class CanvasView:
    """View and selection at the time when it is made, to be given back.

    Parameters
    ----------
    viewer : napari.viewer.Viewer
        Held weakly.
    """

    def __init__(self, viewer: "napari.viewer.Viewer") -> None:
        # a dock has a proxy, of which each layer is one, too, that nobody else holds
        viewer = getattr(viewer, "__wrapped__", viewer)
        self._viewer = weakref.ref(viewer)
        camera, dims = viewer.scene.camera, viewer.dims
        self._camera = {name: getattr(camera, name) for name in ("center", "zoom", "angles")}
        self._n_shown, self._order = dims.ndisplay, dims.order
        self._layers: weakref.WeakSet[Any] = weakref.WeakSet(viewer.layers)
        self._selected: weakref.WeakSet[Any] = weakref.WeakSet(viewer.layers.selection)

    def restore(self) -> None:
        """Look at the canvas as before, unless other layers are there by now."""
        viewer = self._viewer()
        if viewer is None:
            return
        selected = {layer for layer in self._selected if layer in viewer.layers}
        if selected:
            viewer.layers.selection = selected
        if not len(self._layers) or set(viewer.layers) != set(self._layers):
            return
        viewer.dims.order, viewer.dims.ndisplay = self._order, self._n_shown
        for name, value in self._camera.items():
            setattr(viewer.scene.camera, name, value)
