"""The outermost edge of the command line: every error becomes one sentence and an exit code."""

import sys
import traceback
from collections.abc import Sequence

import typer

from napari_acll.cli._app import app
from napari_acll.cli._log import logging_to_stderr
from napari_acll.core import AcllError

INTERRUPTED = 130
"""Exit code after Ctrl+C, as shells have it."""


def main() -> None:
    """Run the command that the process was started with, and exit."""
    sys.exit(run(sys.argv[1:]))


def run(arguments: Sequence[str]) -> int:
    """Run one command.

    Parameters
    ----------
    arguments : sequence of str
        What follows `acll` on the command line. With `--debug` among them an error shows where
        it came from.

    Returns
    -------
    int
        0 if it worked; 1 for an error that nobody foresaw; 2 for wrong usage; the `exit_code` of
        the `AcllError`; 130 after Ctrl+C.
    """
    is_debug = "--debug" in arguments
    try:
        with logging_to_stderr(is_debug=is_debug):
            code = app([word for word in arguments if word != "--debug"], standalone_mode=False)
    except (KeyboardInterrupt, typer.Abort):
        return _fail("interrupted.", INTERRUPTED)
    except Exception as error:  # noqa: BLE001  outer edge: a user gets a sentence, no traceback
        if is_debug:
            traceback.print_exc()
        return _fail(_sentence(error), _exit_code(error))
    if code == INTERRUPTED:
        return _fail("interrupted.", INTERRUPTED)
    return code if isinstance(code, int) else 0


def _fail(sentence: str, code: int) -> int:
    one_line = " ".join(sentence.split())
    sys.stderr.write(f"acll: error: {one_line}\n")
    return code


def _sentence(error: Exception) -> str:
    if isinstance(error, AcllError):
        return str(error)
    usage = getattr(error, "format_message", None)  # of typer, whose classes moved over time
    if callable(usage):
        return f"{usage().rstrip('.')}. See `acll --help`."
    if isinstance(error, OSError) and error.strerror:
        where = f" {error.filename}" if error.filename else ""
        return f"The system refused to use{where or ' a file'}: {error.strerror}."
    return (
        f"Something unforeseen went wrong ({type(error).__name__}: {error}); what was traced"
        " before is saved. Run the same command with --debug and report what it prints."
    )


def _exit_code(error: Exception) -> int:
    code = getattr(error, "exit_code", 1)
    return code if isinstance(code, int) else 1
