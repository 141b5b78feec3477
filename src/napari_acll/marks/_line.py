"""One mark in one line of text."""

import json
import math

from napari_acll.core import Mark

_LONGEST = 1000
_NOT_UNDERSTOOD = "not understood: "


def mark_of_line(line: str, *, channel: str) -> Mark | None:
    """Return the mark that a line tells, None if it is empty.

    A line is `NAME`, `NAME,VALUE` or `NAME,VALUE,NOTE`; or a JSON object with `name` and, if
    wanted, `value`, `note`, `at_s` (wall time, s since 1970) or `time_s` (time of the recording).

    Parameters
    ----------
    line : str
        The line.
    channel : str
        Where it comes from.

    Examples
    --------
    >>> mark_of_line("light,0.5", channel="serial:COM3").value
    0.5
    """
    line = line.strip().strip("\0")[:_LONGEST]
    if not line:
        return None
    if line.startswith("{"):
        return _of_json(line, channel)
    name, _, rest = line.partition(",")
    value_text, _, note = rest.partition(",")
    value = number(value_text)
    if math.isnan(value) and value_text.strip():
        note = rest
    return Mark(channel=channel, name=name.strip(), value=value, note=note.strip())


def number(text: object) -> float:
    """Return what a text says as a number, NaN if it is none."""
    try:
        value = float(text)  # type: ignore[arg-type]
    except (TypeError, ValueError):
        return math.nan
    return value if math.isfinite(value) else math.nan


def _of_json(line: str, channel: str) -> Mark:
    try:
        content = json.loads(line)
    except (ValueError, RecursionError):
        content = None
    if not isinstance(content, dict) or not isinstance(content.get("name"), str):
        return Mark(channel=channel, name="?", note=_NOT_UNDERSTOOD + line)
    return Mark(
        channel=channel,
        name=content["name"],
        value=number(content.get("value")),
        note=str(content.get("note") or ""),
        at_s=number(content.get("at_s")),
        time_s=number(content.get("time_s")),
    )
