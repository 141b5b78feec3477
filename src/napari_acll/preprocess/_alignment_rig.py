"""The last trusted channel alignment of every rig, for recordings that give none."""

import hashlib
import logging
import re
from pathlib import Path

from napari_acll.core import (
    AlignmentError,
    AlignmentOrigin,
    ChannelAlignment,
    VolumeSpec,
    user_data_dir,
)
from napari_acll.preprocess._alignment_file import read_alignment, save_alignment

_log = logging.getLogger(__name__)


def rig_name(spec: VolumeSpec) -> str:
    """Return a name for the microscope, as far as a recording tells it.

    Recordings with the same channel names, stored pixel size and stored frame size are taken to
    come from the same optics, whatever is cropped or binned afterwards.

    Parameters
    ----------
    spec : VolumeSpec
        Of any recording of the rig, before or after preprocessing.

    Returns
    -------
    str
        Such as ``GFP+TagRFP 966x636 px of 0.180 um``; the activity channel comes first.
    """
    _, size_y, size_x = spec.grid.stored_voxel_size_um()
    _, height, width = spec.grid.stored_shape
    pixel = f"{size_x:.3f}" if abs(size_x - size_y) < 5e-4 else f"{size_x:.3f}x{size_y:.3f}"
    return f"{spec.activity_name}+{spec.marker_name} {width}x{height} px of {pixel} um"


def remember_alignment(alignment: ChannelAlignment, rig: str) -> bool:
    """Keep a calibrated alignment as the last one of a rig.

    Only one that was calibrated and is trusted is kept: what was loaded or remembered tells
    nothing new.

    Parameters
    ----------
    alignment : ChannelAlignment
        What to keep.
    rig : str
        From `rig_name`.

    Returns
    -------
    bool
        Whether it was kept. A folder that cannot be written to is logged, not raised: a
        recording must not fail because its alignment could not be remembered.
    """
    if alignment.origin is not AlignmentOrigin.CALIBRATED or not alignment.is_trusted:
        return False
    try:
        save_alignment(alignment, _file_of(rig))
    except AlignmentError as error:
        _log.warning("The alignment of %s is not remembered: %s", rig, error)
        return False
    return True


def last_alignment(rig: str) -> ChannelAlignment | None:
    """Return the last trusted alignment of a rig.

    Parameters
    ----------
    rig : str
        From `rig_name`.

    Returns
    -------
    ChannelAlignment or None
        None if this rig was never calibrated, or its file is damaged (which is logged).
    """
    path = _file_of(rig)
    if not path.is_file():
        return None
    try:
        return read_alignment(path)
    except AlignmentError as error:
        _log.warning("The last alignment of %s is not used: %s", rig, error)
        return None


def settle_alignment(calibrated: ChannelAlignment, *, rig: str) -> ChannelAlignment:
    """Return the alignment to apply: the calibrated one, else the rig's last, else identity.

    Parameters
    ----------
    calibrated : ChannelAlignment
        The result of a calibration.
    rig : str
        From `rig_name`.

    Returns
    -------
    ChannelAlignment
        `calibrated` itself if it is trusted. Otherwise one whose `is_trusted` is False, whose
        origin says what it is, and whose note says why.
    """
    if calibrated.is_trusted:
        return calibrated
    last = last_alignment(rig)
    if last is None:
        text = "This rig has no earlier alignment, so the channels are taken as they lie."
        return ChannelAlignment.identity(f"{calibrated.note} {text}".strip())
    text = "The last trusted alignment of this rig is applied instead."
    return last.model_copy(
        update={
            "origin": AlignmentOrigin.LAST_OF_RIG,
            "is_trusted": False,
            "note": f"{calibrated.note} {text}".strip(),
        }
    )


def applied_alignment_path(rig: str) -> Path:
    """Return where an alignment is kept that is to be applied to the next sessions of a rig.

    It is another file than that of the last trusted calibration, which only calibrations change.

    Parameters
    ----------
    rig : str
        From `rig_name`.
    """
    last = _file_of(rig)
    return last.with_name(f"applied-{last.name}")


def _file_of(rig: str) -> Path:
    """Return the file of a rig; the hash keeps names apart that look alike as file names."""
    readable = re.sub(r"[^A-Za-z0-9]+", "-", rig).strip("-")[:60]
    digest = hashlib.sha256(rig.encode()).hexdigest()[:8]
    return user_data_dir() / "alignments" / f"{readable}-{digest}.json"
