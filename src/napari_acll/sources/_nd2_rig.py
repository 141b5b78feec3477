"""Sizes of frames that finished recordings of a camera confirmed, for its next recordings."""

import hashlib
import json
import logging
import os
from pathlib import Path

import platformdirs

from napari_acll.sources._nd2_head import FrameSize, Nd2Head

_logger = logging.getLogger(__name__)

_DATA_DIR_VARIABLE = "ACLL_DATA_DIR"
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
    path = _file_of(head)
    unfinished = path.with_suffix(f".{os.getpid()}.tmp")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        unfinished.write_text(json.dumps(content), encoding="utf-8")
        unfinished.replace(path)
    except OSError as error:
        _logger.warning("The frame size of %s is not remembered: %s", head.camera, error)


def _file_of(head: Nd2Head) -> Path:
    digest = hashlib.sha256(f"{head.camera}|{head.n_components}".encode()).hexdigest()[:16]
    given = os.environ.get(_DATA_DIR_VARIABLE)
    folder = Path(given) if given else platformdirs.user_data_path("napari-acll", appauthor=False)
    return folder / "nd2_frames" / f"{digest}.json"
