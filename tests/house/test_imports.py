"""Imports only go down, and the quick ones are quick."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
HEAVY = ["torch", "matplotlib", "nd2", "zarr", "h5py", "numba", "scipy", "pandas", "napari"]
QT = ["qtpy", "PyQt6", "PySide6", "PyQt5", "PySide2", "magicgui", "superqt", "pyqtgraph"]


def _modules_after(statement: str) -> set[str]:
    code = f"{statement}\nimport sys\nsys.stdout.write('\\n'.join(sys.modules))"
    result = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60
    )
    return set(result.stdout.split())


@pytest.mark.parametrize("module", ["napari_acll", "napari_acll.core", "napari_acll.cli"])
def test_importing_is_light(module):
    assert not _modules_after(f"import {module}") & {*HEAVY, *QT}


@pytest.mark.parametrize(
    "stage", ["sources", "preprocess", "trace", "quality", "export", "simulate"]
)
def test_a_stage_needs_neither_qt_nor_torch(stage):
    if not (ROOT / "src" / "napari_acll" / stage / "__init__.py").exists():
        pytest.skip(f"{stage} is not there")
    assert not _modules_after(f"import napari_acll.{stage}") & {"torch", "napari", *QT}


def test_a_session_needs_no_qt():
    assert not _modules_after("import napari_acll.session") & {"napari", *QT}


def _lint_imports(tree: Path) -> subprocess.CompletedProcess[str]:
    code = "from importlinter.cli import lint_imports; raise SystemExit(lint_imports())"
    env = {**os.environ, "PYTHONPATH": str(tree / "src"), "PYTHONIOENCODING": "utf-8"}
    return subprocess.run(
        [sys.executable, "-c", code],
        cwd=tree,
        env=env,
        capture_output=True,
        text=True,
        encoding="utf-8",
        check=False,
        timeout=100,
    )


@pytest.fixture
def tree(tmp_path) -> Path:
    """A copy of the sources that a test may spoil."""
    ignore = shutil.ignore_patterns("__pycache__", "*.safetensors", "*.npz")
    shutil.copytree(ROOT / "src", tmp_path / "src", ignore=ignore)
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    return tmp_path


def test_imports_only_go_down(tree):
    result = _lint_imports(tree)
    assert result.returncode == 0, result.stdout + result.stderr


@pytest.mark.parametrize(
    ("module", "statement", "contract"),
    [
        ("core/_volume.py", "import torch", "Core needs numpy, pydantic and platformdirs only"),
        ("core/_volume.py", "import napari_acll.trace", "Imports only go down"),
        ("trace/__init__.py", "import napari_acll.preprocess", "Imports only go down"),
        ("session/__init__.py", "import qtpy", "Nothing below the widgets needs Qt"),
        ("session/__init__.py", "import torch", "Only label and training need torch"),
    ],
)
def test_an_import_that_goes_up_is_found(tree, module, statement, contract):
    spoilt = tree / "src" / "napari_acll" / module
    spoilt.write_text(f"{statement}\n{spoilt.read_text('utf-8')}", encoding="utf-8")
    result = _lint_imports(tree)
    assert result.returncode != 0
    broken = [line for line in result.stdout.splitlines() if line.strip().endswith("BROKEN")]
    assert any(contract in line for line in broken), result.stdout
