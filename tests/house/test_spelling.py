"""One spelling everywhere, the American one: who searches for a word finds all of it."""

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
PLACES = ("src", "docs", "tests", "recipes", "examples", "README.md", "CHANGELOG.md")
BRITISH = re.compile(
    r"colour|grey|neighbour|behaviour|favour|labell|cancelled|cancelling|modelled|modelling|analys(?:e|ing)\b"
    r"|(?:normal|optim|initial|recogn|visual|organ|synchron|minim|maxim)is(?:e|ing|ation)"
    r"|centre|misspelt|towards|artefact",
    re.IGNORECASE,
)
THEIRS = {"unlabelled"}
"""A word that is looked for in the files of others."""


def british(text: str) -> list[str]:
    """Words that are spelled otherwise elsewhere."""
    words = re.findall(r"[A-Za-z]+", text)
    return [word for word in words if BRITISH.search(word) and word.lower() not in THEIRS]


def test_every_file_has_the_american_spelling():
    found = {}
    for place in (ROOT / name for name in PLACES):
        files = [place] if place.is_file() else sorted(place.rglob("*.*"))
        for path in files:
            if path.suffix in {".py", ".md", ".yaml"} and path != Path(__file__):
                found[path.relative_to(ROOT).as_posix()] = british(path.read_text("utf-8"))
    assert len(found) > 300
    assert {name: words for name, words in found.items() if words} == {}


def test_the_british_one_is_found():
    text = "The colour of a neighbour was normalised toward gray by unlabelled analysis."
    assert british(text) == ["colour", "neighbour", "normalised"]
    assert british("normalisation; Cancelled_by; is_coloured") == [
        "normalisation",
        "Cancelled",
        "coloured",
    ]
