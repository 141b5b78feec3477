"""Signals that keep their order and survive their listeners."""

import logging
import threading
from collections import deque

from psygnal import SignalInstance

_log = logging.getLogger(__name__)


class Announcer:
    """Emits one signal, in order, outside of all locks.

    Several threads may call `emit`; whoever finds nobody emitting does it for all. An error in a
    listener is logged once and then ignored: what a listener does is not the recording's fault.

    Parameters
    ----------
    signal : SignalInstance
        The signal to emit.
    """

    def __init__(self, signal: SignalInstance) -> None:
        self._signal = signal
        self._lock = threading.Lock()
        self._waiting: deque[tuple[object, ...]] = deque()
        self._is_emitting = False
        self._has_complained = False

    def emit(self, *arguments: object) -> None:
        """Call the listeners, now or, if another thread is calling them, right after that."""
        with self._lock:
            self._waiting.append(arguments)
            if self._is_emitting:
                return
            self._is_emitting = True
        while (following := self._following()) is not None:
            self._call(following)

    def _following(self) -> tuple[object, ...] | None:
        with self._lock:
            if self._waiting:
                return self._waiting.popleft()
            self._is_emitting = False
            return None

    def _call(self, arguments: tuple[object, ...]) -> None:
        try:
            self._signal.emit(*arguments)
        except Exception:  # noqa: BLE001  a listener's error must not end the recording
            if not self._has_complained:
                _log.exception("A listener to %s failed; it is called again.", self._signal.name)
            self._has_complained = True
