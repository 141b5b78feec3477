"""The export that a file name asks for."""

from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Protocol

from napari_acll.core import SessionError
from napari_acll.export._csv import export_csv
from napari_acll.export._h5 import export_h5
from napari_acll.export._nwb import export_nwb
from napari_acll.export._output import Progress, ignore_progress
from napari_acll.export._saved_session import SavedSession


class _Exporter(Protocol):
    def __call__(
        self, saved: SavedSession, out: str | Path, *, overwrite: bool, progress: Progress
    ) -> None: ...


_EXPORTERS: Mapping[str, _Exporter] = MappingProxyType(
    {".csv": export_csv, ".h5": export_h5, ".hdf5": export_h5, ".nwb": export_nwb}
)
EXPORT_SUFFIXES = tuple(_EXPORTERS)


def export_session(
    session: str | Path,
    out: str | Path,
    *,
    overwrite: bool = False,
    progress: Progress = ignore_progress,
) -> str:
    """Write the traces of a session as a table (CSV), HDF5 or NWB, as the name of the file says.

    Parameters
    ----------
    session : str or Path
        A session folder, also one that still grows.
    out : str or Path
        The file to write, `.csv`, `.h5`, `.hdf5` or `.nwb`; it appears when it is complete.
    overwrite : bool
        Whether an existing file is replaced.
    progress : callable
        Told the part that is done; what it raises ends the export, and leaves no file.

    Returns
    -------
    str
        What was written, in one sentence.

    Raises
    ------
    SessionError
        If the name ends otherwise, the file exists and is not to be replaced or cannot be
        written, the session cannot be read, or what writes such files is not installed.
    """
    suffix = Path(out).suffix.lower()
    if suffix not in EXPORT_SUFFIXES:
        raise SessionError(
            f"{out} must end in .csv, .h5 or .nwb, which tells what to write; choose such a name."
        )
    saved = SavedSession.open(session)
    _EXPORTERS[suffix](saved, out, overwrite=overwrite, progress=progress)
    return f"{out}: {saved.n_timepoints} volumes, {len(saved.neurons)} neurons."
