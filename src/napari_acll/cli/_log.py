"""What the library logs, on the error stream while a command runs."""

import logging
import sys
from collections.abc import Iterator
from contextlib import contextmanager

_LIBRARY = logging.getLogger("napari_acll")


class _Stderr(logging.Handler):
    """Writes to the error stream as it is now, which may not be the one of the start."""

    def emit(self, record: logging.LogRecord) -> None:
        """Write one line."""
        sys.stderr.write(self.format(record) + "\n")


def _is_no_error(record: logging.LogRecord) -> bool:
    """Return whether a record is not an error: an error is told once, as the last sentence."""
    return record.levelno < logging.ERROR


@contextmanager
def logging_to_stderr(*, is_debug: bool) -> Iterator[None]:
    """Show warnings while a command runs, or with `is_debug` everything, with tracebacks."""
    handler = _Stderr(logging.DEBUG if is_debug else logging.WARNING)
    handler.setFormatter(logging.Formatter("acll: %(message)s"))
    if not is_debug:
        handler.addFilter(_is_no_error)
    level_before = _LIBRARY.level
    _LIBRARY.setLevel(handler.level)
    _LIBRARY.addHandler(handler)
    try:
        yield
    finally:
        _LIBRARY.removeHandler(handler)
        _LIBRARY.setLevel(level_before)
