"""The bootstrap, as far as it can be tested without installing everything again."""

import ast
import importlib.util
import shutil
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).parents[2]
LINUX = pytest.mark.skipif(sys.platform != "linux", reason="system libraries are a Linux matter")


@pytest.fixture
def dev(monkeypatch) -> ModuleType:
    """`dev.py` as a module that runs no command; what it would run is in `dev.commands`."""
    spec = importlib.util.spec_from_file_location("dev", ROOT / "dev.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    module.commands = []

    def run(*command, env=None):  # noqa: ARG001  as the original
        module.commands.append([str(part) for part in command])
        return 0

    monkeypatch.setattr(module, "run", run)
    return module


def test_an_old_python_can_read_far_enough_to_say_so():
    ast.parse((ROOT / "dev.py").read_text("utf-8"), feature_version=(3, 7))


def test_an_old_python_gets_one_sentence(tmp_path):
    text = (ROOT / "dev.py").read_text("utf-8").replace("(3, 11)", "(99, 0)")
    (tmp_path / "dev.py").write_text(text, encoding="utf-8")
    command = [sys.executable, str(tmp_path / "dev.py"), "demo"]
    result = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    assert result.returncode == 1
    assert result.stderr.startswith("napari-acll needs Python 3.11 or newer")
    assert len(result.stderr.splitlines()) == 1


def test_only_the_standard_library_is_used():
    tree = ast.parse((ROOT / "dev.py").read_text("utf-8"))
    imported = {
        alias.name
        for node in ast.walk(tree)
        if isinstance(node, ast.Import)
        for alias in node.names
    }
    imported |= {node.module for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    assert {name.partition(".")[0] for name in imported} <= sys.stdlib_module_names


@pytest.fixture
def empty_environment(dev, tmp_path, monkeypatch):
    monkeypatch.setattr(dev, "VENV", tmp_path)
    return dev


def _installed(dev) -> str:
    return " ".join(dev.commands[-1]) if dev.commands else ""


@pytest.mark.parametrize(
    ("platform", "cuda", "expected"),
    [
        ("linux", None, "whl/cpu torch=={}+cpu"),
        ("linux", "cu126", "whl/cu126 torch=={}+cu126"),
        ("win32", None, "--retries 2 torch=={}"),
        ("win32", "cu126", "whl/cu126 torch=={}+cu126"),
        ("darwin", None, "--retries 2 torch=={}"),
    ],
)
def test_torch_is_the_cpu_build_unless_cuda_is_asked_for(
    empty_environment, monkeypatch, platform, cuda, expected
):
    monkeypatch.setattr(sys, "platform", platform)
    empty_environment.install_torch(cuda)
    assert _installed(empty_environment).endswith(
        expected.format(empty_environment.pinned_torch())
    )


def test_a_cuda_build_that_was_asked_for_once_stays(empty_environment, monkeypatch):
    monkeypatch.setattr(sys, "platform", "linux")
    empty_environment.install_torch("cu126")
    empty_environment.install_torch(None)
    assert len(empty_environment.commands) == 1


def test_there_is_no_cuda_for_macos(empty_environment, monkeypatch):
    monkeypatch.setattr(sys, "platform", "darwin")
    with pytest.raises(SystemExit, match="macOS"):
        empty_environment.install_torch("cu126")


@pytest.fixture
def bare_linux(dev, monkeypatch):
    """A Debian without any of the libraries, and without a screen."""

    def no_library(name):
        raise OSError(name)

    monkeypatch.setattr(dev.ctypes, "CDLL", no_library)
    monkeypatch.setattr(
        dev.shutil, "which", lambda name: f"/usr/bin/{name}" if name == "apt-get" else None
    )
    monkeypatch.delenv("DISPLAY", raising=False)
    monkeypatch.delenv("WAYLAND_DISPLAY", raising=False)
    return dev


@LINUX
def test_root_gets_the_libraries_installed(bare_linux, monkeypatch):
    monkeypatch.setattr(bare_linux.os, "geteuid", lambda: 0)
    assert bare_linux.prepare_screen()
    update, install = bare_linux.commands
    assert update[:2] == ["apt-get", "update"]
    assert {"xvfb", "libxcb-icccm4", "libegl1"} < set(install)


@LINUX
def test_others_get_the_line_to_run(bare_linux, monkeypatch, capsys):
    monkeypatch.setattr(bare_linux.os, "geteuid", lambda: 1000)
    assert not bare_linux.prepare_screen()
    assert not bare_linux.commands
    line = capsys.readouterr().out.splitlines()[-1]
    assert "sudo apt-get update && sudo apt-get install -y" in line
    assert "libxcb-icccm4" in line


@LINUX
@pytest.mark.skipif(shutil.which("Xvfb") is None, reason="Xvfb is not installed")
def test_a_virtual_screen_comes_and_goes(dev, monkeypatch):
    monkeypatch.delenv("DISPLAY", raising=False)
    monkeypatch.delenv("WAYLAND_DISPLAY", raising=False)
    with dev.virtual_screen() as env:
        socket = Path("/tmp/.X11-unix", f"X{env['DISPLAY'].removeprefix(':')}")  # noqa: S108
        assert socket.exists()
    assert not socket.exists()


def test_the_demo_without_a_window_uses_the_command_line(dev, monkeypatch):
    monkeypatch.setattr(dev, "has_screen", lambda: True)
    dev.demo(["--volumes", "3"], headless=True)
    assert [command[2:] for command in dev.commands] == [
        ["napari_acll.cli", "demo", "--volumes", "3"]
    ]


def test_a_window_that_fails_falls_back_to_the_command_line(dev, monkeypatch):
    monkeypatch.setattr(dev, "has_screen", lambda: True)
    codes = iter([1, 0])
    modules = []

    def run(*command, env=None):  # noqa: ARG001  as the original
        modules.append(command[2])
        return next(codes)

    monkeypatch.setattr(dev, "run", run)
    assert dev.demo([], headless=False) == 0
    assert modules == ["napari_acll.widgets", "napari_acll.cli"]
