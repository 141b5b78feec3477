"""Traces as an NWB file, the form in which neurophysiology is archived and shared."""

from pathlib import Path

from napari_acll.core import SessionError
from napari_acll.export._output import Progress, ignore_progress, new_file
from napari_acll.export._saved_session import SavedSession


def export_nwb(
    saved: SavedSession,
    out: str | Path,
    *,
    overwrite: bool = False,
    progress: Progress = ignore_progress,
) -> None:
    """Write a session in the standard of Neurodata Without Borders, label maps left out.

    Everything is of NWB's core, so that any NWB program reads it. The module `ophys` has one
    region of interest per neuron of the model and, for each of its values, one row per volume;
    times are those of the recording, and rows without values hold NaN. Volumes are read and
    written some at a time.

    Parameters
    ----------
    saved : SavedSession
        The session.
    out : str or Path
        The file to write; it appears when it is complete.
    overwrite : bool
        Whether an existing file is replaced.
    progress : callable
        Told the part that is done; what it raises ends the export, and leaves no file.

    Raises
    ------
    SessionError
        If pynwb is not installed, the file exists and is not to be replaced or cannot be
        written, or the session is damaged.

    References
    ----------
    Rübel et al., The Neurodata Without Borders ecosystem for neurophysiological data science,
    eLife 11:e78362 (2022).
    """
    try:
        from napari_acll.export._nwb_file import write_nwb
    except ImportError as error:
        raise SessionError(
            "An NWB file is written by pynwb, which is not installed: pip install"
            ' "napari-acll[nwb]", or export to .csv or .h5.'
        ) from error
    with new_file(Path(out), overwrite=overwrite) as partial:
        write_nwb(saved, partial, progress)
