"""The edge of the command line."""

import subprocess
import sys

import pytest

from napari_acll import __version__
from napari_acll.cli import _models, run
from napari_acll.cli._options import SETTING_OF_OPTION, setting_field

COMMANDS = [
    "demo",
    "check",
    "run",
    "calibrate",
    "calibrate-names",
    "info",
    "probe",
    "export",
    "evaluate",
    "simulate",
    "train",
    "models",
]


def test_the_version_is_that_of_the_package(capsys):
    assert run(["--version"]) == 0
    assert __version__ in capsys.readouterr().out


def test_help_lists_every_command(capsys):
    assert run(["--help"]) == 0
    shown = capsys.readouterr().out
    for command in COMMANDS:
        assert command in shown


@pytest.mark.parametrize(
    "command",
    [
        "demo",
        "check",
        "run",
        "calibrate",
        "info",
        "probe",
        "export",
        "evaluate",
        "simulate",
        "train",
        "models",
        "settings",
    ],
)
def test_every_command_has_help(command, capsys):
    assert run([command, "--help"]) == 0
    assert "Usage" in capsys.readouterr().out


def test_the_module_is_the_command():
    command = [sys.executable, "-m", "napari_acll.cli", "--version"]
    result = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60)
    assert result.stdout.strip() == f"napari-acll {__version__}"


def _fails(error: BaseException):
    def available_models():
        raise error

    return available_models


@pytest.fixture
def unforeseen(monkeypatch):
    import napari_acll.label

    def arrange(error: BaseException) -> None:
        monkeypatch.setattr(napari_acll.label, "available_models", _fails(error))

    return arrange


def test_an_unforeseen_error_is_code_1_and_points_to_debug(unforeseen, capsys):
    unforeseen(ZeroDivisionError("by nothing"))
    assert run(["models"]) == 1
    error = capsys.readouterr().err
    assert "by nothing" in error
    assert "--debug" in error
    assert "Traceback" not in error


@pytest.mark.parametrize("arguments", [["models", "--debug"], ["--debug", "models"]])
def test_debug_shows_where_an_error_comes_from(unforeseen, capsys, arguments):
    unforeseen(ZeroDivisionError("by nothing"))
    assert run(arguments) == 1
    assert "Traceback" in capsys.readouterr().err


def test_ctrl_c_is_code_130(unforeseen, capsys):
    unforeseen(KeyboardInterrupt())
    assert run(["models"]) == 130
    assert capsys.readouterr().err.count("\n") == 1


def test_a_full_disk_is_told_in_a_sentence(unforeseen, capsys):
    unforeseen(OSError(28, "No space left on device", "/data/out"))
    assert run(["models"]) == 1
    error = capsys.readouterr().err
    assert "No space left on device" in error
    assert "/data/out" in error


def test_every_option_is_a_setting():
    for setting in SETTING_OF_OPTION.values():
        assert setting_field(setting).description


def test_models_are_listed(capsys):
    assert run(["models"]) == 0
    assert "default" in capsys.readouterr().out
    assert _models.models.__doc__
