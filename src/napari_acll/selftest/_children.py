"""Starts the steps of the self-test, each in a process of its own, away from the user's files."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from napari_acll.core import DATA_DIR_VARIABLE

_NAPARI_CONFIG_VARIABLE = "NAPARI_CONFIG"
_MOST_KEPT_CHARACTERS = 6000
_BINDINGS = ("PyQt6", "PySide6")


@dataclass(frozen=True, slots=True, kw_only=True)
class StepResult:
    """What came of a step.

    Parameters
    ----------
    name : str
        The step.
    is_ok : bool
        Whether it did what it was asked for.
    told : mapping
        What it wrote.
    error : str
        Why it failed; empty if it did not.
    trace : str
        Where, and the end of what it printed.
    took_s : float
        How long it took, in s.
    """

    name: str
    is_ok: bool
    told: Mapping[str, Any] = field(default_factory=dict)
    error: str = ""
    trace: str = ""
    took_s: float = 0.0


def why_no_window() -> str:
    """Return why no window can be opened here, empty if one can."""
    if not any(find_spec(binding) for binding in _BINDINGS):
        return 'No Qt is installed (pip install "napari-acll[qt]").'
    has_display = os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")
    if sys.platform.startswith("linux") and not has_display:
        return "There is no screen (DISPLAY is not set)."
    return ""


def run_child(
    name: str, module: str, arguments: list[str], *, result: Path, private: Path, most_s: float
) -> StepResult:
    """Run a step in a process of its own; whatever happens to that is told, never raised.

    Parameters
    ----------
    name : str
        The step.
    module : str
        Python module that does it.
    arguments : list of str
        For the module.
    result : Path
        Where it writes what came of it.
    private : Path
        Folder for what it would otherwise keep for the user: models, choices, settings of napari.
    most_s : float
        After so long it is ended, in s.
    """
    environment = {
        **os.environ,
        DATA_DIR_VARIABLE: str(private),
        _NAPARI_CONFIG_VARIABLE: str(private / "napari.yaml"),
    }
    command = [sys.executable, "-X", "faulthandler", "-m", module, *arguments]
    result.unlink(missing_ok=True)
    began_s = time.perf_counter()
    try:
        done = subprocess.run(  # noqa: S603  our own interpreter and modules
            command,
            env=environment,
            capture_output=True,
            text=True,
            encoding="utf-8",
            errors="replace",
            timeout=most_s,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        said = _end_of(_text(error.stdout) + _text(error.stderr))
        late = f"It did not end within {most_s:.0f} s."
        return StepResult(name=name, is_ok=False, error=late, trace=said, took_s=most_s)
    except OSError as error:
        return StepResult(name=name, is_ok=False, error=f"It could not be started: {error}")
    took_s = time.perf_counter() - began_s
    told = _read(result)
    said = _end_of(done.stdout + done.stderr)
    if told.get("is_ok") and done.returncode == 0:
        return StepResult(name=name, is_ok=True, told=told, took_s=took_s)
    why = str(told.get("error") or f"Its process ended with code {done.returncode}.")
    return StepResult(
        name=name,
        is_ok=False,
        told=told,
        error=why,
        trace=f"{told.get('trace', '')}\n{said}".strip(),
        took_s=took_s,
    )


def _read(result: Path) -> dict[str, Any]:
    try:
        told = json.loads(result.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}  # it ended before it could write: its code says so
    return told if isinstance(told, dict) else {}


def _text(said: str | bytes | None) -> str:
    return said.decode("utf-8", "replace") if isinstance(said, bytes) else said or ""


def _end_of(said: str) -> str:
    return said[-_MOST_KEPT_CHARACTERS:].strip()
