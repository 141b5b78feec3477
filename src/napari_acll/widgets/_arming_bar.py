"""The bar in napari's activity dock while a model is loaded and warmed up."""

from typing import Any

from napari.utils import cancelable_progress
from qtpy.QtCore import QObject, Signal

from napari_acll.core import SessionState
from napari_acll.widgets._engine import LiveEngine
from napari_acll.widgets._when_destroyed import when_destroyed

_LOADING = "Loading the model"
_ARMED = "Loading the model, or waiting for the first volume"
_WARMING_UP = "Warming up the model"


class ArmingBar(QObject):
    """Shows that a session gets ready, and lets the user cancel it.

    Nobody knows how long it takes, so the bar has no end. It goes as soon as volumes can come.

    Parameters
    ----------
    engine : LiveEngine
        Its session is shown.
    parent : QObject
        Owns it.

    Attributes
    ----------
    canceled : Signal()
        The user has pressed Cancel.
    """

    canceled = Signal()

    def __init__(self, engine: LiveEngine, parent: QObject) -> None:
        super().__init__(parent)
        self._engine = engine
        self._holder = _Holder()
        self._is_drawing = False
        engine.state_changed.connect(self._follow)
        engine.updated.connect(self._follow)
        when_destroyed(self, self._holder.close)

    @property
    def is_shown(self) -> bool:
        """Whether there is a bar."""
        return self._holder.bar is not None

    def _follow(self, _state: object = None) -> None:
        if self._is_drawing:  # a bar that is made or changed lets napari deal with events
            return
        self._is_drawing = True
        try:
            self._draw(self._words(), self._holder)
        finally:
            self._is_drawing = False

    def _draw(self, words: str, holder: "_Holder") -> None:
        if not words:
            holder.close()
        elif holder.bar is None:
            holder.bar = cancelable_progress(total=0, desc=words, leave=False)
            holder.words = words
        elif holder.bar.is_canceled:
            holder.close()
            self.canceled.emit()
        elif holder.words != words:
            holder.words = words
            holder.bar.set_description(words)

    def _words(self) -> str:
        """Return what is being waited for, empty if the session is ready, or over."""
        run = self._engine.run
        is_getting_ready = (
            self._engine.is_running and self._engine.state is SessionState.WARMING_UP
        )
        if run is None or not is_getting_ready or run.closing.is_set():
            return ""
        if run.session is not None:
            return _WARMING_UP
        if run.is_ready:
            return ""
        return _ARMED if run.is_live else _LOADING


class _Holder:
    """The bar itself, which has to be closed when its owner is gone."""

    def __init__(self) -> None:
        self.bar: Any = None
        self.words = ""

    def close(self) -> None:
        """Take the bar out of the activity dock, if there is one."""
        bar, self.bar, self.words = self.bar, None, ""
        if bar is not None:
            bar.close()
