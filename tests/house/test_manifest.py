"""The napari manifest that is installed is the one at the top of the repository."""

import subprocess
import sys
import warnings
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def npe2():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return pytest.importorskip("npe2")


def test_the_installed_manifest_is_the_top_level_one(npe2):
    top = npe2.PluginManifest.from_file(ROOT / "napari.yaml")
    installed = npe2.PluginManifest.from_distribution("napari-acll")
    without = {"package_metadata"}
    assert installed.model_dump(exclude=without) == top.model_dump(exclude=without), (
        "napari.yaml was changed after the installation: install the package again"
    )


def test_napari_discovers_the_plugin(npe2):
    manager = npe2.PluginManager()
    manager.discover(include_npe1=False)
    assert "napari-acll" in manager


def test_every_command_of_the_manifest_can_be_imported():
    command = [sys.executable, "-m", "npe2", "validate", "--imports", "napari-acll"]
    result = subprocess.run(command, capture_output=True, text=True, check=False, timeout=100)
    assert result.returncode == 0, result.stdout + result.stderr
