"""What becomes of errors, and how threads come to an end."""

import logging
import threading
import time
from collections.abc import Callable, Sequence

from napari_acll.core import AcllError, SessionError

_log = logging.getLogger(__name__)


def as_acll_error(error: Exception, doing: str) -> AcllError:
    """Return the error itself if it is one of ours, else one that says what was being done."""
    if isinstance(error, AcllError):
        return error
    wrapped = SessionError(
        f"{doing} failed ({type(error).__name__}: {error}); everything traced before it is kept."
        " The log has the details."
    )
    wrapped.__cause__ = error
    return wrapped


def close_quietly(close: Callable[[], None], what: str = "source") -> None:
    """Close something; an error is logged."""
    try:
        close()
    except Exception:  # noqa: BLE001  a source that cannot be closed must not keep us running
        _log.warning("The %s could not be closed.", what, exc_info=True)


def join_all(threads: Sequence[threading.Thread], timeout: float | None = None) -> bool:
    """Wait for threads, at most `timeout` s for all; return whether all are over."""
    deadline_s = None if timeout is None else time.monotonic() + timeout
    for thread in threads:
        if thread.ident is not None:
            thread.join(None if deadline_s is None else max(0.0, deadline_s - time.monotonic()))
    return not any(thread.is_alive() for thread in threads)
