"""Recordings of every kind, as volumes in acquisition order."""

from napari_acll.sources._nd2_source import Nd2Source

__all__ = ["Nd2Source"]
