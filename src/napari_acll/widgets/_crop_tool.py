"""Dragging the crop: fetches a full frame, shows rectangles, and keeps the form in step."""

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
        Where the rectangles appear.
    setup : SetupPanel
        The form.
    """

    failed = Signal(str)

    def __init__(self, viewer: "napari.viewer.Viewer", setup: SetupPanel) -> None:
        super().__init__(setup)
        self._setup = setup
        self._newest: Volume | None = None
        self.rectangle = CropRectangle(viewer, on_change=self._dragged)
        self._background = Background("acll-first-volume", self)
        self._background.done.connect(self._show_frame)
        self._background.failed.connect(self._fail)
        setup.crop.valueChanged.connect(self._follow_form)

    def begin(self, grid: VoxelGrid | None, newest: Volume | None = None) -> None:
        """Show the rectangles.

        Parameters
        ----------
        grid : VoxelGrid, optional
            Of volumes that are being shown; None: the first volume of the recording is fetched
            and shown.
        newest : Volume, optional
            The volume that is being shown.
        """
        if grid is not None:
            self.rectangle.show(self._setup.crop.value(), grid, newest=newest)
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

    def refresh(self, newest: Volume) -> None:
        """Show a newer volume from the side, while there are rectangles."""
        if newest is not self._newest and self.rectangle.is_shown:
            self._newest = newest
            self.rectangle.refresh(newest)

    def end(self) -> None:
        """Take the rectangles off the canvas; the form keeps the crop."""
        self._background.cancel()
        self._newest = None  # its memory is wanted for the next volume
        self.rectangle.hide()

    def _show_frame(self, volume: Volume) -> None:
        self.rectangle.show(self._setup.crop.value(), volume.spec.grid, volume)

    def _fail(self, sentence: str) -> None:
        self._setup.crop.end_drag()
        self.failed.emit(sentence)

    def _dragged(self, crop: CropSettings) -> None:
        self._setup.crop.setValue(crop)

    def _follow_form(self) -> None:
        self.rectangle.set_crop(self._setup.crop.value())
