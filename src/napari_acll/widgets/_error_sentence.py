"""What an error tells whoever sits at the screen."""

import logging

from napari_acll.core import AcllError

_LOG = logging.getLogger(__name__)


def sentence_of_error(error: BaseException, *, what: str = "The work", kept: str = "") -> str:
    """Return what an error tells the user: our own say it themselves, others are logged.

    Parameters
    ----------
    error : BaseException
        What ended it.
    what : str
        What was ended, as the beginning of a sentence.
    kept : str
        What is not lost by it.
    """
    if isinstance(error, AcllError):
        return str(error)
    _LOG.error("%s ended by an unexpected error", what, exc_info=error)
    told = f"{what} ended by an unexpected error ({type(error).__name__}: {error});"
    return f"{told} {kept + '; ' if kept else ''}please report it."
