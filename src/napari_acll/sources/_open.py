"""Finds the source that can read a recording."""

from pathlib import Path
from typing import Any, cast

from napari_acll.core import (
    PluginError,
    RecordingError,
    SourceSettings,
    StageGroup,
    VolumeSource,
    load_stage,
    stage_names,
)

_GROUP: StageGroup = "sources"


def open_source(recording: str, settings: SourceSettings) -> VolumeSource:
    """Open a recording with the first installed source that can read it.

    Parameters
    ----------
    recording : str
        Path of a file or folder, or what else an installed source understands.
    settings : SourceSettings
        How it is read.

    Returns
    -------
    VolumeSource

    Raises
    ------
    RecordingError
        If no source can read it, with the reason of each, or the one that can finds it damaged.
    """
    reasons: list[str] = []
    for name in stage_names(_GROUP):
        try:
            source = cast("Any", load_stage(_GROUP, name))
        except PluginError as error:
            reasons.append(f"{name}: {error}")
            continue
        reason = source.rejects(recording)
        if not reason:
            return cast("VolumeSource", source.from_recording(recording, settings))
        reasons.append(f"{name}: {reason}")
    if not Path(recording).exists():
        raise RecordingError(
            f"There is no recording at {recording}; check the path, or use 'simulated' for the"
            " simulated worm."
        )
    raise RecordingError(
        f"No installed source can read {recording} ({'; '.join(reasons)}); choose an ND2 file,"
        " a folder with one file per volume, or an array."
    )
