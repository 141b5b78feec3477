"""Where a session stands, and what its first error was."""

import logging
import threading
from collections.abc import Callable

from napari_acll.core import AcllError, SessionError, SessionState
from napari_acll.session._failures import as_acll_error

_log = logging.getLogger(__name__)

_ORDER = list(SessionState)


class Standing:
    """The state of a session; any thread may change it, and it only goes on.

    Parameters
    ----------
    announce : callable
        Called with each new state, outside of the lock.
    """

    def __init__(self, announce: Callable[[SessionState], None]) -> None:
        self._announce = announce
        self._lock = threading.Lock()
        self._state = SessionState.IDLE
        self._error: AcllError | None = None
        self._is_stopped_by_user = False

    @property
    def state(self) -> SessionState:
        """Where the session stands."""
        return self._state

    @property
    def error(self) -> AcllError | None:
        """The first error; None as long as there was none."""
        return self._error

    @property
    def is_stopped_by_user(self) -> bool:
        """Whether somebody asked the session to end."""
        return self._is_stopped_by_user

    @property
    def last(self) -> SessionState:
        """The state in which the session ends, as far as it is known now."""
        return SessionState.FINISHED if self._error is None else SessionState.FAILED

    def begin(self) -> None:
        """Start.

        Raises
        ------
        SessionError
            If the session was started or stopped before: a session runs once.
        """
        with self._lock:
            if self._state is not SessionState.IDLE:
                raise SessionError(
                    f"This session is {self._state.value}, it can be started only once; build a"
                    " new one."
                )
            self._state = SessionState.WARMING_UP
        self._announce(SessionState.WARMING_UP)

    def stop(self) -> SessionState | None:
        """Take note that the user wants the end; return the state before, None if it is known."""
        with self._lock:
            if self._state.is_over or self._is_stopped_by_user:
                return None
            self._is_stopped_by_user = True
            before, self._state = self._state, SessionState.STOPPING
        self._announce(SessionState.STOPPING)
        return before

    def enter(self, state: SessionState) -> None:
        """Move to a later state; what is not later is ignored."""
        with self._lock:
            if self._state.is_over or _ORDER.index(state) <= _ORDER.index(self._state):
                return
            self._state = state
        _log.info("Session %s.", state.value)
        self._announce(state)

    def keep(self, error: Exception, doing: str) -> None:
        """Keep the first error; the threads come to an end with what they have."""
        with self._lock:
            is_first = self._error is None
            if is_first:
                self._error = as_acll_error(error, doing)
        if not is_first:
            _log.debug("A later error while %s.", doing, exc_info=error)
            return
        _log.error("%s failed.", doing, exc_info=error)
        self.enter(SessionState.STOPPING)
