"""Sizes of frames that finished recordings of a camera confirmed, for its next recordings."""

import hashlib
import json
import logging
from pathlib import Path

from napari_acll.core import user_data_dir, write_whole
from napari_acll.sources._nd2_head import FrameSize, Nd2Head

_logger = logging.getLogger(__name__)

_MOST_KEPT = 20


def remembered_sizes(head: Nd2Head) -> tuple[FrameSize, ...]:
    """Return the sizes that recordings of this camera had, the last one first.

    Parameters
    ----------
    head : Nd2Head
        Tells the camera and the number of its channels.
    """
    path = _file_of(head)
    if not path.is_file():
        return ()
    try:
        kept = json.loads(path.read_text(encoding="utf-8"))["frame_sizes"]
        return tuple(FrameSize(int(height), int(width), int(bits)) for height, width, bits in kept)
    except (OSError, ValueError, LookupError, TypeError) as error:
        _logger.warning("The frame sizes in %s are not used: %s", path, error)
        return ()


def remember_size(head: Nd2Head, size: FrameSize) -> None:
    """Keep a size that a finished recording of this camera confirmed.

    A folder that cannot be written to is logged: no recording may fail because of it.

    Parameters
    ----------
    head : Nd2Head
        Tells the camera and the number of its channels.
    size : FrameSize
        With its bits.
    """
    sizes = list(dict.fromkeys([size, *remembered_sizes(head)]))[:_MOST_KEPT]
    content = {
        "camera": head.camera,
        "n_channels": head.n_components,
        "frame_sizes": [[kept.height, kept.width, kept.bits] for kept in sizes],
    }
    try:
        write_whole(_file_of(head), json.dumps(content))
    except OSError as error:
        _logger.warning("The frame size of %s is not remembered: %s", head.camera, error)


def _file_of(head: Nd2Head) -> Path:
    digest = hashlib.sha256(f"{head.camera}|{head.n_components}".encode()).hexdigest()[:16]
    return user_data_dir() / "nd2_frames" / f"{digest}.json"
