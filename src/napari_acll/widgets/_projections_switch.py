"""The check box that opens the dock of projections."""

from contextlib import suppress
from typing import TYPE_CHECKING

from qtpy.QtWidgets import QCheckBox

from napari_acll.widgets._engine import LiveEngine
from napari_acll.widgets._projections import ProjectionsPanel
from napari_acll.widgets._rendering import is_software, renderer_name

if TYPE_CHECKING:
    import napari.viewer

NAME = "AutoCellLabel Projections"


class ProjectionsSwitch(QCheckBox):
    """Shows and hides the projections; checks itself once where rendering is in software.

    Parameters
    ----------
    viewer : napari.viewer.Viewer
        Where the dock appears, below the layer list.
    engine : LiveEngine
        Its session is what is shown.
    """

    def __init__(self, viewer: "napari.viewer.Viewer", engine: LiveEngine) -> None:
        super().__init__("Projections")
        self.setToolTip(
            "Show the newest volume from above and from the side in a dock of its own: for"
            " computers without a graphics card, on which the 3D view is too slow to use live"
        )
        self._viewer = viewer
        self._engine = engine
        self._panel: ProjectionsPanel | None = None
        self._has_chosen = False
        self.toggled.connect(self._show)
        engine.started.connect(self._choose_by_renderer)

    @property
    def panel(self) -> ProjectionsPanel | None:
        """The projections, if they are shown."""
        return self._panel

    def _choose_by_renderer(self) -> None:
        if not self._has_chosen and is_software(renderer_name()):
            self.setChecked(True)
        self._has_chosen = True

    def _show(self, is_wanted: bool) -> None:
        self._has_chosen = True
        if is_wanted and self._panel is None:
            self._panel = ProjectionsPanel(self._viewer)
            self._panel.closed.connect(self._forget)
            self._viewer.window.add_dock_widget(self._panel, name=NAME, area="left")
        elif not is_wanted and self._panel is not None:
            panel = self._panel
            with suppress(LookupError):  # the user closes the dock just now
                self._viewer.window.remove_dock_widget(panel)
            self._forget()

    def _forget(self) -> None:
        panel, self._panel = self._panel, None
        if panel is not None:
            panel.deleteLater()
        self.setChecked(False)
