"""Stub."""

from pathlib import Path


def write_report(evaluation: object, folder: str | Path) -> Path:
    """Stub."""
    raise NotImplementedError
