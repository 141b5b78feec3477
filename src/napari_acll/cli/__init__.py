"""The same sessions without a screen: the command `acll`."""

from napari_acll.cli._main import main, run

__all__ = ["main", "run"]
