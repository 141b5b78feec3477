"""Exported files that appear only when they are complete."""

import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TypeAlias

from napari_acll.core import SessionError
from napari_acll.export._store import replace_file

Progress: TypeAlias = Callable[[float], None]
"""Called with the part of the work that is done, 0 to 1."""


def ignore_progress(part_done: float) -> None:
    """Tell nobody."""


@contextmanager
def new_file(out: Path, *, overwrite: bool) -> Iterator[Path]:
    """Give a path to write to, and move the result to `out` at the end.

    Raises
    ------
    SessionError
        If `out` exists and is not to be replaced, or cannot be written.
    """
    if out.exists() and not overwrite:
        raise SessionError(
            f"{out} exists already and is not overwritten; choose another name, or say that it may"
            " be replaced (--overwrite)."
        )
    partial = out.with_name(f".{out.name}.{uuid.uuid4().hex}.partial")
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        partial.touch()  # what the system refuses is told in its words, not in those of HDF5
        yield partial
        replace_file(partial, out)
    except OSError as error:
        raise SessionError(
            f"{out} cannot be written ({error.strerror or error}); close programs that have it"
            " open, free space, or choose another place."
        ) from error
    finally:
        with suppress(OSError):  # the folder may be no folder
            partial.unlink()
