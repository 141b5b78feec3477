"""Pieces of a page: escaped tables, figures, and measures in words."""

import math
from collections.abc import Iterable, Sequence
from html import escape

from napari_acll.evaluation._measures import DEFINITIONS, Measure

Row = Sequence[str]


def shown(name: str, value: Measure, *, unit: str = " %") -> str:
    """Return a measure as a share in percent or as a number, whichever it is."""
    return percent(value.value, unit=unit) if _is_share(name) else number(value.value, 2)


def interval(name: str, value: Measure) -> str:
    """Return the 95 % interval of a measure in words, empty for a single animal."""
    if not math.isfinite(value.low):
        return ""
    if _is_share(name):
        return f"{100 * value.low:.1f} to {100 * value.high:.1f} %"
    return f"{value.low:.2f} to {value.high:.2f}"


def _is_share(name: str) -> bool:
    return name not in DEFINITIONS or DEFINITIONS[name].is_share


def percent(share: float, *, unit: str = " %") -> str:
    """Return a share from 0 to 1 in percent."""
    return f"{100 * share:.1f}{unit}" if math.isfinite(share) else "not known"


def number(value: float, n_decimals: int = 1) -> str:
    """Return a number with some decimals."""
    return f"{value:.{n_decimals}f}" if math.isfinite(value) else "not known"


def count(n: int, noun: str) -> str:
    """Return how many there are of a thing."""
    return f"{n} {noun}" if n == 1 else f"{n} {noun}s"


def table(header: Row, rows: Iterable[Row], *, caption: str = "") -> str:
    """Return a table whose cells are plain text."""
    head = "".join(f"<th>{escape(text)}</th>" for text in header)
    body = "".join(
        "<tr>" + "".join(f"<td>{escape(cell)}</td>" for cell in row) + "</tr>" for row in rows
    )
    title = f"<caption>{escape(caption)}</caption>" if caption else ""
    return (
        f'<div class="scroll"><table>{title}<thead><tr>{head}</tr></thead>'
        f"<tbody>{body}</tbody></table></div>"
    )


def picture(svg: str, caption: str) -> str:
    """Return a figure with its caption."""
    return f"<figure>{svg}<figcaption>{escape(caption)}</figcaption></figure>"


def pair(left: str, right: str) -> str:
    """Return two things beside each other, or below each other on a narrow screen."""
    return f'<div class="pair"><div>{left}</div><div>{right}</div></div>'


def section(title: str, body: str) -> str:
    """Return a section of the page."""
    return f"<section><h2>{escape(title)}</h2>{body}</section>"
