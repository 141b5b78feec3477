"""Dragging the crop: fetches a full frame, shows the rectangle, and keeps the form in step."""

from functools import partial
from typing import TYPE_CHECKING

from qtpy.QtCore import QObject, Signal

from napari_acll.core import CropSettings, SettingsError, Volume, VoxelGrid
from napari_acll.session import first_volume
from napari_acll.widgets._background import Background
from napari_acll.widgets._crop_rectangle import CropRectangle
from napari_acll.widgets._setup_panel import SetupPanel

if TYPE_CHECKING:
    import napari.viewer


class CropTool(QObject):
    """Lets the user drag the crop of a form on the canvas.

    Parameters
    ----------
    viewer : napari.viewer.Viewer
        Where the rectangle appears.
    setup : SetupPanel
        The form.
    """

    failed = Signal(str)

    def __init__(self, viewer: "napari.viewer.Viewer", setup: SetupPanel) -> None:
        super().__init__(setup)
        self._setup = setup
        self.rectangle = CropRectangle(viewer, on_change=self._dragged)
        self._background = Background("acll-first-volume", self)
        self._background.done.connect(self._show_frame)
        self._background.failed.connect(self._fail)
        setup.crop.valueChanged.connect(self._follow_form)

    def begin(self, grid: VoxelGrid | None) -> None:
        """Show the rectangle.

        Parameters
        ----------
        grid : VoxelGrid, optional
            Of volumes that are being shown; None: the first volume of the recording is fetched
            and shown.
        """
        if grid is not None:
            self.rectangle.show(self._setup.crop.value(), grid)
            return
        recording = self._setup.recording.value()
        if not recording:
            self._fail("No recording is chosen; choose one to see its full frame.")
            return
        try:
            settings = self._setup.settings()
        except SettingsError as error:
            self._fail(str(error))
            return
        self._background.start(partial(first_volume, recording, settings.source))

    def end(self) -> None:
        """Take the rectangle off the canvas; the form keeps the crop."""
        self._background.cancel()
        self.rectangle.hide()

    def _show_frame(self, volume: Volume) -> None:
        self.rectangle.show(self._setup.crop.value(), volume.spec.grid, volume)

    def _fail(self, sentence: str) -> None:
        self._setup.crop.end_drag()
        self.failed.emit(sentence)

    def _dragged(self, crop: CropSettings) -> None:
        # the boxes may have changed the slices meanwhile
        now = self._setup.crop.value()
        kept = {"z_start_px": now.z_start_px, "z_stop_px": now.z_stop_px}
        self._setup.crop.setValue(crop.model_copy(update=kept))

    def _follow_form(self) -> None:
        self.rectangle.set_crop(self._setup.crop.value())
