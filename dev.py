"""Set everything up, then do one thing: `python dev.py demo` or `python dev.py test`.

Needs Python 3.11 or newer with pip, and nothing else. The first run makes the environment `.venv`
from `constraints.txt`; later runs start at once. Arguments that are not known here are passed on:
`python dev.py test -k alignment`, `python dev.py demo --volumes 10`.
"""

import sys

if sys.version_info < (3, 11):  # noqa: UP036  (this file must say so to an older Python)
    sys.exit(
        "napari-acll needs Python 3.11 or newer, and this is"
        f" {sys.version_info[0]}.{sys.version_info[1]}; install a newer one from python.org and"
        " run dev.py with it."
    )

import argparse
import contextlib
import ctypes
import hashlib
import importlib.util
import os
import shutil
import subprocess
import tomllib
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parent
VENV = ROOT / ".venv"
PYTHON = VENV / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
N_AT_ONCE = min(2, os.cpu_count() or 1)  # files of tests side by side; some measure times
BINDINGS = {"pyqt6": "PyQt6", "pyside6": "PySide6"}  # as qtpy and as pyqtgraph call them
TORCH_INDEX = "https://download.pytorch.org/whl/"
X_LIBRARIES = {  # what PyQt6 and its OpenGL windows load on Linux: file, Debian package
    "libEGL.so.1": "libegl1",
    "libGL.so.1": "libgl1",
    "libglib-2.0.so.0": "libglib2.0-0",
    "libdbus-1.so.3": "libdbus-1-3",
    "libfontconfig.so.1": "libfontconfig1",
    "libxkbcommon-x11.so.0": "libxkbcommon-x11-0",
    "libxcb-cursor.so.0": "libxcb-cursor0",
    "libxcb-icccm.so.4": "libxcb-icccm4",
    "libxcb-keysyms.so.1": "libxcb-keysyms1",
    "libxcb-shape.so.0": "libxcb-shape0",
}


def say(message: str) -> None:
    """Print a line at once, also into a pipe."""
    print(f"dev.py: {message}", flush=True)


def run(*command: object, env: dict[str, str] | None = None) -> int:
    """Run a command in the repository and return its exit code."""
    return subprocess.call([str(part) for part in command], cwd=ROOT, env=env)


def must(why: str, *command: object) -> None:
    """Run a command, or end with one sentence if it fails."""
    if run(*command):
        sys.exit(f"dev.py: {why} failed, see above; correct it and run the same command again.")


# --- the environment -------------------------------------------------------------------------


def make_environment() -> None:
    """Make an empty `.venv` with pip, also where Python came without `ensurepip`."""
    if PYTHON.exists() and not run(PYTHON, "-c", "import pip"):
        return
    say("making the environment .venv")
    if importlib.util.find_spec("ensurepip"):
        must("Making the environment", sys.executable, "-m", "venv", "--clear", VENV)
        return
    if not importlib.util.find_spec("pip"):
        sys.exit("dev.py: This Python has neither ensurepip nor pip; install pip and try again.")
    command = (sys.executable, "-m", "venv", "--clear", "--without-pip", VENV)
    must("Making the environment", *command)
    pip = (sys.executable, "-m", "pip", "--python", PYTHON)  # needs pip 22.3
    must("Putting pip into the environment", *pip, "install", "-q", "pip")


def pinned_torch() -> str:
    """Return the version of torch in the constraints."""
    lines = (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    return next(line for line in lines if line.startswith("torch==")).removeprefix("torch==")


def install_torch(cuda: str | None) -> None:
    """Install the pinned torch: the CPU build, or the CUDA build that was asked for.

    What PyPI has for Linux is a CUDA build of several GB, for Windows and macOS a CPU build.
    """
    stamp = VENV / "acll-torch.txt"
    done = stamp.read_text(encoding="utf-8") if stamp.exists() else ""
    if cuda and sys.platform == "darwin":
        sys.exit("dev.py: There is no CUDA for macOS; leave --cuda out.")
    build = cuda or ("cpu" if sys.platform == "linux" else "")
    wanted = f"torch=={pinned_torch()}" + (f"+{build}" if build else "")
    if done == wanted or (done.startswith(f"torch=={pinned_torch()}") and not cuda):
        return
    say(f"installing {wanted}")
    index = ("--extra-index-url", TORCH_INDEX + build) if build else ()
    pip = (PYTHON, "-m", "pip", "install", "-q", "--no-deps", "--retries", "2")
    must(f"Installing {wanted}", *pip, *index, wanted)
    stamp.write_text(wanted, encoding="utf-8")


def fingerprint() -> str:
    """Return a hash of everything that decides what has to be installed."""
    names = ("pyproject.toml", "constraints.txt", "hatch_build.py", "napari.yaml")
    state = b"".join((ROOT / name).read_bytes() for name in names)
    return hashlib.sha256(state + f"{sys.version} {ROOT}".encode()).hexdigest()


def set_up(groups: tuple[str, ...], cuda: str | None) -> None:
    """Make the environment ready for a command; quick if it is."""
    stamp = VENV / f"acll-{'-'.join(('run', *groups))}.txt"
    ready = PYTHON.exists() and stamp.exists() and stamp.read_text("utf-8") == fingerprint()
    if not ready:
        make_environment()
    install_torch(cuda)
    if ready:
        return
    # pip learned to read dependency groups only in 25.1, which is newer than many a Python
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
    extra = [package for group in groups for package in project["dependency-groups"][group]]
    say("installing the pinned packages (some minutes the first time)")
    command = (PYTHON, "-m", "pip", "install", "-q", "-c", "constraints.txt", "-e", ".[qt]")
    must("Installing the packages", *command, *extra)
    stamp.write_text(fingerprint(), encoding="utf-8")


# --- the screen ------------------------------------------------------------------------------


def has_screen() -> bool:
    """Whether windows can be shown."""
    return sys.platform != "linux" or bool(
        os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")
    )


def missing_packages() -> list[str]:
    """Return the Debian packages that windows need and this Linux lacks."""
    missing = []
    for library, package in X_LIBRARIES.items():
        try:
            ctypes.CDLL(library)
        except OSError:
            missing.append(package)
    if not has_screen() and not shutil.which("Xvfb"):
        missing.append("xvfb")
    return missing


def prepare_screen() -> bool:
    """Install what windows need if that is possible; return whether windows can work."""
    missing = missing_packages() if sys.platform == "linux" else []
    if not missing:
        return True
    install = ["apt-get", "install", "-y", "--no-install-recommends", *missing]
    if shutil.which("apt-get") and os.geteuid() == 0:
        say("installing " + " ".join(missing))
        env = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
        if run("apt-get", "update", "-q", env=env) == 0 and run(*install, env=env) == 0:
            return True
    say("windows need some system libraries; on Debian or Ubuntu run this line once:")
    say(f"sudo apt-get update && sudo {' '.join(install)}")
    return False


@contextlib.contextmanager
def virtual_screen() -> Iterator[dict[str, str]]:
    """Give the environment variables of a screen, a virtual one where there is none."""
    if has_screen():
        yield dict(os.environ)
        return
    read_end, write_end = os.pipe()
    options = ("-screen", "0", "1920x1200x24", "-nolisten", "tcp", "-displayfd", str(write_end))
    server = subprocess.Popen(["Xvfb", *options], pass_fds=[write_end], stderr=subprocess.DEVNULL)
    os.close(write_end)
    try:
        with os.fdopen(read_end) as display:
            number = display.readline().strip()
        yield {**os.environ, "DISPLAY": f":{number}"}
    finally:
        server.terminate()
        server.wait()


# --- the commands ----------------------------------------------------------------------------


def demo(arguments: list[str], *, headless: bool) -> int:
    """Show the main job on a simulated worm: in napari, or without a screen as files."""
    if not headless and has_screen():
        if run(PYTHON, "-m", "napari_acll.widgets", *arguments) == 0:
            return 0
        say("the window could not be shown, see above; running the demo without it")
    return run(PYTHON, "-m", "napari_acll.cli", "demo", *arguments)


def test(arguments: list[str], *, qt: str, has_windows: bool) -> int:
    """Run the tests on one binding of Qt, on a virtual screen where there is none."""
    is_chosen = any(argument.startswith(("-n", "--pdb")) for argument in arguments)
    at_once = () if is_chosen else ("-n", str(N_AT_ONCE), "--dist", "loadfile")
    pytest = (PYTHON, "-m", "pytest", *at_once, *arguments)
    if not has_windows:
        code = run(*pytest, "-p", "no:pytest-qt", "--ignore", "tests/widgets")
        say("the tests of the windows were left out: their system libraries are missing")
        return code
    binding = {"QT_API": qt, "PYTEST_QT_API": qt, "PYQTGRAPH_QT_LIB": BINDINGS[qt]}
    with virtual_screen() as env:
        return run(*pytest, env={**env, **binding})


def lint() -> int:
    """Run the linters, the type checker and the import contracts."""
    code = run(PYTHON, "-m", "ruff", "check") or run(PYTHON, "-m", "ruff", "format", "--check")
    script = PYTHON.with_name("lint-imports" + PYTHON.suffix)
    return code or run(PYTHON, "-m", "mypy") or run(script)


def main() -> int:
    """Parse the command line and run one command."""
    parser = argparse.ArgumentParser(prog="dev.py", description=__doc__)
    parser.add_argument("command", choices=("demo", "test", "lint", "docs"))
    parser.add_argument("--headless", action="store_true", help="show no window")
    parser.add_argument(
        "--cuda", nargs="?", const="cu130", help="install a CUDA build of torch, such as cu130"
    )
    parser.add_argument(
        "--qt", choices=tuple(BINDINGS), default="pyqt6", help="binding of Qt for the tests"
    )
    options, rest = parser.parse_known_args()
    tested = ("test",) if options.qt == "pyqt6" else ("test", "pyside")
    groups = {"demo": (), "test": tested, "lint": ("test", "lint"), "docs": ("docs",)}
    needs_windows = options.command in ("demo", "test")
    has_windows = prepare_screen() if needs_windows else False
    set_up(groups[options.command], options.cuda)
    if options.command == "demo":
        return demo(rest, headless=options.headless or not has_windows)
    if options.command == "test":
        return test(rest, qt=options.qt, has_windows=has_windows)
    return (
        lint() if options.command == "lint" else run(PYTHON, "-m", "mkdocs", "build", "--strict")
    )


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit(130)
