"""What is to be done when a widget is gone."""

from collections.abc import Callable

from qtpy.QtCore import QObject


def when_destroyed(widget: QObject, action: Callable[[], None]) -> None:
    """Call something when a widget is destroyed, also if nobody in Python holds that by then.

    Qt is told of a function that holds the action: of a bound method PySide6 forgets the object
    together with the widget, and nothing would be called.

    Parameters
    ----------
    widget : QObject
        Gone when the action is called.
    action : callable
        Must not hold the widget, nor anything of Qt.
    """
    widget.destroyed.connect(lambda *_: action())
