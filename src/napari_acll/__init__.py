"""AutoCellLabel Live: names neurons of a moving worm while the microscope records."""

from importlib.metadata import PackageNotFoundError, version

try:
    __version__ = version("napari-acll")
except PackageNotFoundError:  # a source tree that was never installed
    __version__ = "0+unknown"

__all__ = ["__version__"]
