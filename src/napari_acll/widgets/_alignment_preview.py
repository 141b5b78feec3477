"""Layers that show one volume's channels on each other, under any alignment."""

import weakref
from enum import StrEnum
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from qtpy.QtCore import QObject, QTimer

from napari_acll.core import ChannelAlignment, Volume, VolumeArray
from napari_acll.widgets._checkerboard import checkerboard
from napari_acll.widgets._layers import activity_affine, contrast_of, image_placement

if TYPE_CHECKING:
    import napari.viewer

FLICKER_HZ = 2.0
"""Times per second that both channels are seen in turn."""
LAYER_NAMES = ("alignment marker", "alignment activity", "alignment checkerboard")
_COLORMAPS = {"marker": "magenta", "activity": "green"}


class PreviewMode(StrEnum):
    """How the channels are compared."""

    OVERLAY = "overlay"
    """Both at once: what fits is white."""
    FLICKER = "flicker"
    """In turn, twice a second: what does not fit jumps."""
    CHECKERBOARD = "checkerboard"
    """In the fields of a checkerboard: what does not fit is broken at the edges."""


class Projection(StrEnum):
    """What is seen of the depth."""

    PLANES = "planes"
    """One plane at a time, as the viewer's slider says."""
    MAXIMUM = "maximum"
    """The brightest voxel along z."""
    MEAN = "mean"
    """The mean along z."""


class AlignmentPreview(QObject):
    """Makes, moves and removes its own layers; other layers are never touched.

    The alignment is shown by the transform of the layer, so nothing is resampled, except for the
    checkerboard, which is one picture. A layer that the user deletes stays away until there is
    another volume, or another way to show it.

    Parameters
    ----------
    viewer : napari.viewer.Viewer
        Held weakly.
    """

    def __init__(self, viewer: "napari.viewer.Viewer") -> None:
        super().__init__()
        # a proxy is made anew for each dock; the viewer behind it is what lives
        self._viewer = weakref.ref(getattr(viewer, "__wrapped__", viewer))
        self._layers: dict[str, Any] = {}
        self._volume: Volume | None = None
        self._alignment = ChannelAlignment.identity()
        self.mode = PreviewMode.OVERLAY
        self.projection = Projection.PLANES
        self._is_shown = False
        self._is_paused = False
        self._timer = QTimer(self)
        self._timer.setInterval(round(500 / FLICKER_HZ))
        self._timer.timeout.connect(self._flicker)

    @property
    def volume(self) -> Volume | None:
        """The volume that is shown."""
        return self._volume

    @property
    def is_shown(self) -> bool:
        """Whether there are layers, unless the user deleted them."""
        return self._is_shown

    @property
    def is_flickering(self) -> bool:
        """Whether the timer runs."""
        return bool(self._timer.isActive())

    def show(self, volume: Volume, alignment: ChannelAlignment) -> None:
        """Show a volume under an alignment, in layers made anew."""
        self._volume, self._alignment = volume, alignment
        self._is_shown = True
        self._rebuild()

    def align(self, alignment: ChannelAlignment) -> None:
        """Show another alignment."""
        self._alignment = alignment
        if not self._is_shown:
            return
        if self.mode is PreviewMode.CHECKERBOARD:
            layer = self._present("checkerboard")
            if layer is not None:
                layer.data = self._checkerboard()
            return
        layer = self._present("activity")
        if layer is not None:
            layer.affine = self._affine()

    def set_mode(self, mode: PreviewMode) -> None:
        """Compare the channels in another way."""
        self.mode = mode
        self._rebuild()

    def set_projection(self, projection: Projection) -> None:
        """Show the depth in another way; a checkerboard of planes is one of the maximum."""
        self.projection = projection
        self._rebuild()

    def remove(self) -> None:
        """Remove the layers."""
        self._is_shown = False
        self._timer.stop()
        self._remove_layers()

    def pause(self) -> None:
        """Do not flicker until `resume`; both channels are visible meanwhile."""
        self._is_paused = True
        if self._timer.isActive():
            self._timer.stop()
            self._set_visible(marker=True, activity=True)

    def resume(self) -> None:
        """Flicker again, if that is how the channels are compared."""
        self._is_paused = False
        self._begin_flicker()

    def _begin_flicker(self) -> None:
        if self._is_shown and not self._is_paused and self.mode is PreviewMode.FLICKER:
            self._timer.start()
            self._set_visible(marker=True, activity=False)

    def _rebuild(self) -> None:
        viewer = self._viewer()
        if viewer is None or self._volume is None or not self._is_shown:
            return
        self._timer.stop()
        self._remove_layers()
        if self.mode is PreviewMode.CHECKERBOARD:
            self._layers["checkerboard"] = viewer.add_image(
                self._checkerboard(), name=LAYER_NAMES[2], rgb=True, **self._placement(n_axes=2)
            )
            return
        for kind, name in zip(_COLORMAPS, LAYER_NAMES, strict=False):
            self._layers[kind] = self._add_channel(viewer, kind, name)
        self._begin_flicker()

    def _add_channel(self, viewer: Any, kind: str, name: str) -> Any:
        data = self._seen(getattr(self._volume, kind))
        options = self._placement(n_axes=data.ndim)
        if kind == "activity":
            options["affine"] = self._affine()
        return viewer.add_image(
            data,
            name=name,
            colormap=_COLORMAPS[kind],
            blending="additive",
            contrast_limits=contrast_of(data if data.ndim == 3 else data[None]),
            **options,
        )

    def _seen(self, channel: VolumeArray) -> NDArray[Any]:
        if self.projection is Projection.MAXIMUM:
            return np.asarray(channel.max(axis=0))
        if self.projection is Projection.MEAN:
            return np.asarray(channel.mean(axis=0, dtype=np.float32))
        return channel

    def _placement(self, *, n_axes: int) -> dict[str, Any]:
        volume = self._volume
        if volume is None:
            return {}
        return {key: value[-n_axes:] for key, value in image_placement(volume.spec.grid).items()}

    def _affine(self) -> NDArray[np.float64]:
        volume = self._volume
        if volume is None:
            return np.eye(4)
        affine = activity_affine(self._alignment, volume.spec.grid)
        return affine if self.projection is Projection.PLANES else affine[1:, 1:]

    def _checkerboard(self) -> NDArray[np.uint8]:
        volume = self._volume
        if volume is None:
            return np.zeros((1, 1, 3), np.uint8)
        marker, activity = (
            channel.mean(axis=0, dtype=np.float32)
            if self.projection is Projection.MEAN
            else channel.max(axis=0).astype(np.float32)
            for channel in (volume.marker, volume.activity)
        )
        return checkerboard(marker, activity, self._alignment, volume.spec.grid)

    def _flicker(self) -> None:
        layer = self._present("marker")
        is_marker_next = layer is not None and not layer.visible
        self._set_visible(marker=is_marker_next, activity=not is_marker_next)

    def _set_visible(self, **is_visible: bool) -> None:
        for kind, shown in is_visible.items():
            layer = self._present(kind)
            if layer is not None:
                layer.visible = shown

    def _present(self, kind: str) -> Any:
        viewer, layer = self._viewer(), self._layers.get(kind)
        return layer if viewer is not None and layer in viewer.layers else None

    def _remove_layers(self) -> None:
        viewer = self._viewer()
        for kind in list(self._layers):
            layer = self._layers.pop(kind)
            if viewer is not None and layer in viewer.layers:
                viewer.layers.remove(layer)
