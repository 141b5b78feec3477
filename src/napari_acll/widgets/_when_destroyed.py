"""What is to be done when a widget is gone."""

from collections.abc import Callable

from qtpy.QtCore import QObject

_kept: "set[_Call]" = set()
"""Calls that are still to come; nobody else holds them when their widget goes."""


def when_destroyed(widget: QObject, action: Callable[[], None]) -> None:
    """Call something when a widget is destroyed, also if nobody in Python holds that by then.

    PySide6 forgets a bound method together with its object, so nothing would be called; a function
    that belongs to the widget may have been collected before PyQt6 calls it, which ends the
    program. So what is called is kept here until it was called.

    Parameters
    ----------
    widget : QObject
        Gone when the action is called.
    action : callable
        Must not hold the widget, nor anything of Qt.
    """
    call = _Call(action)
    _kept.add(call)
    widget.destroyed.connect(call.make)


class _Call:
    """One call that is to be made once."""

    def __init__(self, action: Callable[[], None]) -> None:
        self._action = action

    def make(self) -> None:
        """Make it, and forget it."""
        _kept.discard(self)
        self._action()
