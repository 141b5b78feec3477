"""The page that all reports fill in."""

from collections.abc import Iterable
from html import escape
from importlib.resources import files
from string import Template


def page_of(
    title: str, *, summary: str, terms: str, notes: Iterable[str], sections: Iterable[str]
) -> str:
    """Return a report as one page that needs nothing beside it.

    Parameters
    ----------
    title, summary, terms : str
        What it is of, what it found, and what holds for all of it; plain text.
    notes : iterable of str
        What to bear in mind, a sentence or two each; plain text.
    sections : iterable of str
        HTML, see `_elements`.
    """
    template = files("napari_acll.evaluation").joinpath("report.html").read_text("utf-8")
    return Template(template).substitute(
        title=escape(title),
        summary=escape(summary),
        terms=escape(terms),
        notes="".join(f'<p class="note">{escape(note)}</p>' for note in notes),
        sections="\n".join(sections),
    )
