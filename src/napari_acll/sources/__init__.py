"""Recordings of every kind, as volumes in acquisition order."""

from napari_acll.sources._array_source import ArraySource
from napari_acll.sources._folder_source import FolderSource
from napari_acll.sources._growing_folder import GrowingFolderSource
from napari_acll.sources._micromanager import MicroManagerSource
from napari_acll.sources._nd2_live import GrowingNd2Source
from napari_acll.sources._nd2_probe import Nd2Probe
from napari_acll.sources._nd2_source import Nd2Source
from napari_acll.sources._open import open_source
from napari_acll.sources._shared_memory import SharedMemorySource
from napari_acll.sources._volume_ring import VolumeRingWriter
from napari_acll.sources._zmq_sender import VolumeSender
from napari_acll.sources._zmq_source import ZmqSource

__all__ = [
    "ArraySource",
    "FolderSource",
    "GrowingFolderSource",
    "GrowingNd2Source",
    "MicroManagerSource",
    "Nd2Probe",
    "Nd2Source",
    "SharedMemorySource",
    "VolumeRingWriter",
    "VolumeSender",
    "ZmqSource",
    "open_source",
]
