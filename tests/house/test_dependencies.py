"""What the package asks users to install."""

import re
import tomllib
from importlib.metadata import metadata
from pathlib import Path

import pytest

PROJECT = tomllib.loads((Path(__file__).parents[2] / "pyproject.toml").read_text("utf-8"))
REQUIRED = [re.match(r"[\w-]+", line)[0] for line in PROJECT["project"]["dependencies"]]
PERMISSIVE = re.compile(r"\b(MIT|BSD|Apache|ISC|HPND|PSF|Python Software Foundation|Unlicense)\b")
COPYLEFT = re.compile(r"\b(A?GPL|GNU|LGPL|MPL|Mozilla|CC-BY-SA|EUPL)", re.IGNORECASE)


def _license(name: str) -> str:
    about = metadata(name)
    classifiers = [c for c in about.get_all("Classifier", []) if c.startswith("License")]
    first_line = (about.get("License") or "").strip().partition("\n")[0]
    return about.get("License-Expression") or " ".join(classifiers) or first_line


@pytest.mark.parametrize("name", REQUIRED)
def test_a_dependency_is_permissively_licensed(name):
    license_text = _license(name)
    assert PERMISSIVE.search(license_text), f"{name}: {license_text!r}"
    assert not COPYLEFT.search(license_text), f"{name}: {license_text!r}"


def test_no_qt_binding_is_forced_on_the_user():
    forbidden = {"pyqt5", "pyqt6", "pyside2", "pyside6"}
    assert not forbidden & {name.lower() for name in REQUIRED}
    assert not [line for line in PROJECT["project"]["dependencies"] if line.startswith("napari[")]


def test_a_copyleft_license_is_recognized():
    assert COPYLEFT.search("License :: OSI Approved :: GNU General Public License v3 (GPLv3)")
    assert not PERMISSIVE.search("GPL-3.0-only")


def test_every_dependency_is_pinned():
    lines = (Path(__file__).parents[2] / "constraints.txt").read_text("utf-8").splitlines()
    pinned = {line.split("==")[0].lower().replace("_", "-") for line in lines if "==" in line}
    groups = PROJECT["dependency-groups"]
    wanted = PROJECT["project"]["dependencies"] + [line for g in groups.values() for line in g]
    names = {re.match(r"[\w-]+", line)[0].lower().replace("_", "-") for line in wanted}
    assert names <= pinned
