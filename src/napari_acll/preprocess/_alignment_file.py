"""Channel alignments as files that a person can read."""

import json
import math
import os
import tempfile
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from napari_acll.core import AlignmentError, AlignmentOrigin, ChannelAlignment

FORMAT = "napari-acll channel alignment"
VERSION = 1
MAX_BYTES = 1_000_000

_FORMULA = (
    "A point at p = (y, x) in the marker channel lies at q = R p + (dy_um, dx_um) in the activity"
    " channel, with R = [[cos, sin], [-sin, cos]] of theta_deg acting on (y, x)."
)
_UNITS = (
    "p and q in um from the center of the full camera frame as stored, before crop and binning;"
    " y down the rows, x along the columns; theta_deg in degrees."
)


def save_alignment(alignment: ChannelAlignment, path: str | Path) -> None:
    """Write an alignment as JSON, with its formula and units; an old file is replaced whole.

    Parameters
    ----------
    alignment : ChannelAlignment
        What to write.
    path : str or Path
        The file; its folder is made if need be.

    Raises
    ------
    AlignmentError
        If the file cannot be written.
    """
    path = Path(path)
    content = {
        "format": FORMAT,
        "version": VERSION,
        "formula": _FORMULA,
        "units": _UNITS,
        "alignment": alignment.model_dump(mode="json"),
    }
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        _write_whole(path, json.dumps(content, indent=2) + "\n")
    except OSError as error:
        raise AlignmentError(
            f"The alignment cannot be written to {path} ({error.strerror or error});"
            " choose a folder that can be written to."
        ) from error


def _write_whole(path: Path, text: str) -> None:
    """Replace a file such that a reader sees the old or the new one, never a part."""
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.", suffix=".tmp")
    temporary = Path(name)
    try:
        with os.fdopen(handle, "w", encoding="utf-8", newline="\n") as file:
            file.write(text)
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


def load_alignment(path: str | Path) -> ChannelAlignment:
    """Return the alignment that a file holds.

    Parameters
    ----------
    path : str or Path
        A file written by `save_alignment`.

    Returns
    -------
    ChannelAlignment
        Its origin is `loaded` and its note names the file and where it came from; whether it is
        trusted is what the file says.

    Raises
    ------
    AlignmentError
        If the file is missing, cannot be read, is no alignment file, is damaged, or is of a
        later version.
    """
    path = Path(path)
    saved = _alignment_of(_content(path), path)
    note = f"Loaded from {path.name} ({saved.origin})."
    return saved.model_copy(
        update={"origin": AlignmentOrigin.LOADED, "note": f"{note} {saved.note}".strip()}
    )


def read_alignment(path: Path) -> ChannelAlignment:
    """Return the alignment of a file as it was when it was written.

    Raises
    ------
    AlignmentError
        As `load_alignment`.
    """
    return _alignment_of(_content(path), path)


def _content(path: Path) -> dict[str, Any]:
    if not path.is_file():
        raise AlignmentError(
            f"The alignment file {path} does not exist; make one with `acll calibrate`."
        )
    try:
        if path.stat().st_size > MAX_BYTES:
            raise _foreign(path)
        content = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise AlignmentError(
            f"The alignment file {path} cannot be read ({error.strerror or error});"
            " check its permissions."
        ) from error
    except (UnicodeDecodeError, json.JSONDecodeError, RecursionError) as error:
        raise AlignmentError(
            f"The alignment file {path} is not JSON or is damaged ({error});"
            " make it again with `acll calibrate`."
        ) from error
    if not isinstance(content, dict) or content.get("format") != FORMAT:
        raise _foreign(path)
    return content


def _foreign(path: Path) -> AlignmentError:
    return AlignmentError(
        f'{path} is not an alignment file: its "format" should be "{FORMAT}";'
        " make one with `acll calibrate`."
    )


def _alignment_of(content: dict[str, Any], path: Path) -> ChannelAlignment:
    if content.get("version") != VERSION:
        raise AlignmentError(
            f"The alignment file {path} is of version {content.get('version')!r}, this program"
            f" reads version {VERSION}; update the program or make the file again."
        )
    try:
        alignment = ChannelAlignment.model_validate(content.get("alignment"))
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"]) or "alignment"
        raise _damaged(path, f"{where}: {first['msg']}") from error
    for name in ("dy_um", "dx_um", "theta_deg"):
        if not math.isfinite(getattr(alignment, name)):
            raise _damaged(path, f"{name}: not a finite number")
    return alignment


def _damaged(path: Path, what: str) -> AlignmentError:
    return AlignmentError(
        f"The alignment file {path} is damaged: {what}; make it again with `acll calibrate`."
    )
