"""Sessions on disk: written while they run, read at any time, exported for other programs."""

from napari_acll.export._by_suffix import EXPORT_SUFFIXES, export_session
from napari_acll.export._csv import CSV_COLUMNS, export_csv
from napari_acll.export._h5 import export_h5
from napari_acll.export._header import SessionHeader, package_versions
from napari_acll.export._history import copy_history
from napari_acll.export._nwb import export_nwb
from napari_acll.export._other_folder import other_folder
from napari_acll.export._revisions import (
    REVISIONS_FILE,
    Revision,
    RevisionReason,
    read_revisions,
    write_revisions,
)
from napari_acll.export._saved_session import SavedSession
from napari_acll.export._size import bytes_per_volume, folder_bytes, free_bytes
from napari_acll.export._writer import ZarrSessionWriter, check_new_session

__all__ = [
    "CSV_COLUMNS",
    "EXPORT_SUFFIXES",
    "REVISIONS_FILE",
    "Revision",
    "RevisionReason",
    "SavedSession",
    "SessionHeader",
    "ZarrSessionWriter",
    "bytes_per_volume",
    "check_new_session",
    "copy_history",
    "export_csv",
    "export_h5",
    "export_nwb",
    "export_session",
    "folder_bytes",
    "free_bytes",
    "other_folder",
    "package_versions",
    "read_revisions",
    "write_revisions",
]
