"""What becomes of errors."""

import logging
from collections.abc import Callable

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
