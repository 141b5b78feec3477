"""The page of what the screen offers names tests and pages that are there."""

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "explanations" / "screen.md"
ROWS = [line for line in PAGE.read_text("utf-8").splitlines() if line.startswith("| ")][1:]


def test_every_line_has_a_page_and_a_test_that_are_there():
    assert len(ROWS) == 20
    for row in ROWS:
        _, _, where, tests, _ = row.split("|")
        pages = re.findall(r"\]\(([^)#]+)", where)
        named = re.findall(r"`([^`]+)`", tests)
        assert pages, row
        assert named, row
        for page in pages:
            assert (PAGE.parent / page).is_file(), page
        for name in named:
            folder = "" if name.startswith("recipes/") else "tests/"
            path = ROOT / folder / re.sub("^w/", "widgets/", name)
            assert path.is_file(), path
