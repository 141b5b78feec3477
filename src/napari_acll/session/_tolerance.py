"""How many volumes in a row a stage may fail on."""

import logging

from napari_acll.core import PluginError

_log = logging.getLogger(__name__)

_LIVE = 5
_REPLAY = 0


def most_failures(max_failures: int | None, *, is_live: bool) -> int:
    """Return the volumes in a row on which a stage may fail.

    A live recording cannot be repeated, so it goes on; a replay can, so it says at once.

    Parameters
    ----------
    max_failures : int, optional
        The setting; None: it follows from the source.
    is_live : bool
        Whether the source is live.
    """
    if max_failures is not None:
        return max_failures
    return _LIVE if is_live else _REPLAY


class Tolerance:
    """Counts failures of one stage and says when they are too many.

    Parameters
    ----------
    most_in_a_row : int
        Failures in a row that are forgiven.
    """

    def __init__(self, most_in_a_row: int) -> None:
        self._most_in_a_row = most_in_a_row
        self._n_in_a_row = 0

    @property
    def is_used_up(self) -> bool:
        """Whether the next failure ends the session."""
        return self._n_in_a_row >= self._most_in_a_row

    def succeeded(self) -> None:
        """Take note that the stage works."""
        self._n_in_a_row = 0

    def forgive(self, error: Exception, doing: str) -> str:
        """Return what is told about a failure, as part of a sentence, or raise it again.

        Parameters
        ----------
        error : Exception
            What the stage raised.
        doing : str
            What was being done, for the log.

        Raises
        ------
        Exception
            The error itself, if it is one too many or a stage breaks its contract: that does not
            get better.
        """
        if self.is_used_up or isinstance(error, PluginError):
            raise error
        self._n_in_a_row += 1
        _log.warning("%s failed; the session goes on.", doing, exc_info=error)
        reason = str(error).strip().partition("\n")[0].rstrip(".")
        return f"{type(error).__name__}: {reason}" if reason else type(error).__name__
