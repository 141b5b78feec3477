"""The page of faults names tests that exist and messages that the program has."""

import ast
import re
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "reference" / "faults.md"
NOTHING_LOST = "(nothing is lost, so nothing is said)"
ANY = "\0"  # stands for what is filled in


def rows() -> list[list[str]]:
    lines = [line for line in PAGE.read_text("utf-8").splitlines() if line.startswith("| ")]
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]
    return [row for row in cells if row[0] != "fault"]


@cache
def names_in(path: Path) -> frozenset[str]:
    names = set()
    for node in ast.parse(path.read_text("utf-8")).body:
        names.add(getattr(node, "name", ""))
        if isinstance(node, ast.ClassDef):
            names |= {f"{node.name}::{getattr(inner, 'name', '')}" for inner in node.body}
    return frozenset(names)


@cache
def sentences() -> tuple[str, ...]:
    found = []
    for path in (ROOT / "src" / "napari_acll").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                found.append(node.value)
            elif isinstance(node, ast.JoinedStr):
                parts = [getattr(part, "value", None) for part in node.values]
                found.append("".join(p if isinstance(p, str) else ANY for p in parts))
    return tuple(found)


def is_said(message: str) -> bool:
    pieces = [re.escape(piece.strip()) for piece in message.split("…") if piece.strip()]
    pattern = re.compile(r".*?".join(pieces), re.DOTALL)
    return any(pattern.search(sentence) for sentence in sentences())


def test_there_are_at_least_forty_faults_and_each_is_told_once():
    faults = [row[0] for row in rows() if row[2] != NOTHING_LOST]
    assert len(set(faults)) == len(faults) >= 40
    for row in rows():
        assert len(row) == 4
        assert all(row)


@pytest.mark.parametrize("row", rows(), ids=lambda row: row[0])
def test_every_fault_has_its_test(row):
    path, _, name = row[3].strip("`").partition("::")
    assert (ROOT / path).is_file(), path
    assert name in names_in(ROOT / path), f"{path} has no {name}"


@pytest.mark.parametrize("row", rows(), ids=lambda row: row[0])
def test_every_fault_has_its_message(row):
    if row[2] != NOTHING_LOST:
        assert is_said(row[2].strip("`")), row[2]


def test_a_message_that_nobody_says_would_be_found():
    assert not is_said("The session folder … is made of cheese")
    assert "test_nothing_of_the_kind" not in names_in(Path(__file__))
