"""The export that a file name asks for."""

from pathlib import Path

from napari_acll.core import SessionError
from napari_acll.export._csv import export_csv
from napari_acll.export._h5 import export_h5
from napari_acll.export._output import Progress, ignore_progress
from napari_acll.export._saved_session import SavedSession

EXPORT_SUFFIXES = (".csv", ".h5", ".hdf5")


def export_session(
    session: str | Path,
    out: str | Path,
    *,
    overwrite: bool = False,
    progress: Progress = ignore_progress,
) -> str:
    """Write the traces of a session as a table (CSV) or as HDF5, as the name of the file says.

    Parameters
    ----------
    session : str or Path
        A session folder, also one that still grows.
    out : str or Path
        The file to write, `.csv`, `.h5` or `.hdf5`; it appears when it is complete.
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
        written, or the session cannot be read.
    """
    suffix = Path(out).suffix.lower()
    if suffix not in EXPORT_SUFFIXES:
        raise SessionError(
            f"{out} must end in .csv or .h5, which tells what to write; choose such a name."
        )
    saved = SavedSession.open(session)
    write = export_csv if suffix == ".csv" else export_h5
    write(saved, out, overwrite=overwrite, progress=progress)
    return f"{out}: {saved.n_timepoints} volumes, {len(saved.neurons)} neurons."
