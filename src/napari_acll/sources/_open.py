"""Finds the source that can read a recording."""

import re
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
_ADDRESS = re.compile(r"[a-z]{2,}:")  # one letter is a drive


def open_source(recording: str, settings: SourceSettings) -> VolumeSource:
    """Open a recording with the first installed source that can read it.

    Live sources, whose class says `is_live = True`, are asked if the settings want the
    recording followed while it is written; addresses such as `shm:NAME` reach them always.

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
    is_address = _ADDRESS.match(recording) is not None
    for name in stage_names(_GROUP):
        try:
            source = cast("Any", load_stage(_GROUP, name))
        except PluginError as error:
            reasons.append(f"{name}: {error}")
            continue
        is_live = getattr(source, "is_live", False) is True
        if is_live is not settings.live.is_live and not (is_live and is_address):
            continue
        reason = source.rejects(recording)
        if not reason:
            return cast("VolumeSource", source.from_recording(recording, settings))
        reasons.append(f"{name}: {reason}")
    raise RecordingError(_why_none(recording, reasons, settings))


def _why_none(recording: str, reasons: list[str], settings: SourceSettings) -> str:
    if settings.live.is_live:
        return (
            f"No installed source can follow {recording} while it is written"
            f" ({'; '.join(reasons)}); choose what the microscope writes, or replay it without"
            " live."
        )
    if not Path(recording).exists():
        return (
            f"There is no recording at {recording}; check the path, or use 'simulated' for the"
            " simulated worm."
        )
    return (
        f"No installed source can read {recording} ({'; '.join(reasons)}); choose an ND2 file,"
        " a folder with one file per volume, or an array."
    )
