"""How wide the docks are, so that the canvas keeps most of any screen."""

from qtpy.QtWidgets import QWidget

_SCREEN_SHARE = 0.33
_NARROWEST_PX, _WIDEST_PX = 430, 720


def dock_width_px(widget: QWidget) -> int:
    """Return a third of the screen's width, within what the docks need and can use."""
    width_px = widget.screen().availableSize().width() if widget.screen() is not None else 0
    return int(min(max(_SCREEN_SHARE * width_px, _NARROWEST_PX), _WIDEST_PX))
