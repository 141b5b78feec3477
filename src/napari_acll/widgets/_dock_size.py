"""How large the docks are, so that the canvas and the traces keep most of any window."""

from qtpy.QtCore import Qt
from qtpy.QtWidgets import QDockWidget, QMainWindow, QWidget

from napari_acll.widgets._text_size import text_scale

_WINDOW_SHARE = 0.33
_NARROWEST_PX, _WIDEST_PX = 430, 720


def dock_width_px(widget: QWidget) -> int:
    """Return a third of the window's width, within what the docks need and can use."""
    window = widget.window()
    if isinstance(window, QMainWindow):
        around_px = window.width()
    else:
        around_px = widget.screen().availableSize().width() if widget.screen() is not None else 0
    scale = max(1.0, text_scale())
    return int(min(max(_WINDOW_SHARE * around_px, _NARROWEST_PX), _WIDEST_PX * scale))


def loosen_dock(widget: QWidget) -> None:
    """Let the dock of a widget become smaller again.

    napari sets a smallest height, after which Qt lets it only ever grow.
    """
    dock = _dock_of(widget)
    if dock is not None:
        dock.setMinimumHeight(0)


def fit_dock_height(widget: QWidget) -> None:
    """Give the dock of a widget the height that it asks for, and the rest to its neighbors."""
    dock, window = _dock_of(widget), widget.window()
    if dock is None or not isinstance(window, QMainWindow) or dock.isFloating():
        return
    area = window.dockWidgetArea(dock)
    others = [
        other
        for other in window.findChildren(QDockWidget)
        if other is not dock
        and other.isVisible()
        and not other.isFloating()
        and window.dockWidgetArea(other) == area
    ]
    wanted_px = widget.sizeHint().height()
    spare_px = (dock.height() - wanted_px) // max(1, len(others))
    heights_px = [wanted_px, *(max(1, other.height() + spare_px) for other in others)]
    window.resizeDocks([dock, *others], heights_px, Qt.Orientation.Vertical)


def _dock_of(widget: QWidget) -> QDockWidget | None:
    dock = widget.parentWidget()
    while dock is not None and not isinstance(dock, QDockWidget):
        dock = dock.parentWidget()
    return dock
