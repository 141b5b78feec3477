"""Recordings of every kind, as volumes in acquisition order."""

from napari_acll.sources._array_source import ArraySource
from napari_acll.sources._folder_source import FolderSource
from napari_acll.sources._nd2_source import Nd2Source
from napari_acll.sources._open import open_source

__all__ = ["ArraySource", "FolderSource", "Nd2Source", "open_source"]
