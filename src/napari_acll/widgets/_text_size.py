"""The size of text that the user has chosen in napari, for what napari's own style leaves out."""

import weakref
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from napari.settings import get_settings
from qtpy.QtCore import QObject
from qtpy.QtWidgets import QApplication, QWidget

_SMALLER_KINDS = (
    "QLineEdit",
    "QAbstractSpinBox",
    "QPlainTextEdit",
    "QListWidget",
    "QTableView",
    "QHeaderView",
    "QHeaderView::section",
    "QToolButton",
)
"""Widgets of which napari's style says nothing, so that they would stay small."""
_NO_CHANGE = 0.01


def text_scale() -> float:
    """Return how much larger text is to be than napari's usual one."""
    appearance = get_settings().appearance
    usual = type(appearance).model_fields["font_size"].default
    return float(appearance.font_size) / float(usual)


def when_text_resized(resize: Callable[[], None]) -> None:
    """Call a method of a widget whenever another size of text is chosen, as long as it exists.

    Parameters
    ----------
    resize : callable
        A bound method, held weakly.
    """
    held = weakref.WeakMethod(resize)

    def call(_event: Any = None) -> None:
        method = held()
        if method is None:
            event.disconnect(call)
            return
        with suppress(RuntimeError):  # Qt has deleted the widget, Python has not yet
            method()

    event = get_settings().appearance.events.font_size
    event.connect(call)


class TextSize(QObject):
    """Lets everything in a dock have the size of text that is chosen in napari's preferences.

    Parameters
    ----------
    dock : QWidget
        Owns it.
    """

    def __init__(self, dock: QWidget) -> None:
        super().__init__(dock)
        self._dock = dock
        self._apply()
        when_text_resized(self._apply)

    def _apply(self) -> None:
        scale = text_scale()
        style = ""
        if abs(scale - 1) > _NO_CHANGE:
            size_pt = scale * QApplication.font().pointSizeF()
            style = f"{', '.join(_SMALLER_KINDS)} {{ font-size: {size_pt:.1f}pt }}"
        if self._dock.styleSheet() != style:
            self._dock.setStyleSheet(style)
