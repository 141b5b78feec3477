"""What the volumes of the last live recordings were like, to be ready for the next one."""

import json
import logging
from pathlib import Path
from typing import Any

from napari_acll.core import (
    SourceSettings,
    VolumeSource,
    VolumeSpec,
    VoxelGrid,
    user_data_dir,
    write_whole,
)

_log = logging.getLogger(__name__)

_MOST_KEPT = 20
_USUAL_VOXEL_UM = (1.5, 0.27, 0.27)
_USUAL_PERIOD_S = 0.6


def remember_spec(source: VolumeSource) -> None:
    """Keep what the volumes of a live source are like.

    A folder that cannot be written to is logged: no recording may fail because of it.
    """
    spec = source.spec
    entry = {
        "kind": type(source).__name__,
        "place": _place(source),
        "shape": list(spec.shape),
        "voxel_size_um": list(spec.voxel_size_um),
        "period_s": spec.period_s,
    }
    others = [kept for kept in _entries() if _key(kept) != _key(entry)]
    try:
        write_whole(_file(), json.dumps([entry, *others][:_MOST_KEPT], indent=1))
    except OSError as error:
        _log.warning("The shape of these volumes is not remembered: %s", error)


def expected_spec(source: VolumeSource, settings: SourceSettings) -> VolumeSpec | None:
    """Return what the volumes of a source that waits will probably be like, None if unknown.

    Settings go before what is remembered; of that, the same place goes before the same kind of
    source, and that before any other.

    Parameters
    ----------
    source : VolumeSource
        A live source; nothing is waited for.
    settings : SourceSettings
        May give shape, voxel size and period.
    """
    kept = _best_of(_entries(), type(source).__name__, _place(source))
    given = settings.live.expected_shape_px
    if given is None and kept is None:
        return None
    shape = given or tuple(kept["shape"] if kept else ())
    voxel_um = settings.voxel_size_um or tuple(kept["voxel_size_um"] if kept else _USUAL_VOXEL_UM)
    period_s = settings.period_s or float(kept["period_s"] if kept else _USUAL_PERIOD_S)
    return VolumeSpec(grid=VoxelGrid.as_stored(shape, voxel_um), period_s=period_s)


def _best_of(entries: list[dict[str, Any]], kind: str, place: str) -> dict[str, Any] | None:
    same_kind = [entry for entry in entries if entry["kind"] == kind]
    same_place = [entry for entry in same_kind if entry["place"] == place]
    return next(iter([*same_place, *same_kind, *entries]), None)


def _key(entry: dict[str, Any]) -> tuple[str, str]:
    return str(entry["kind"]), str(entry["place"])


def _place(source: VolumeSource) -> str:
    path = source.describe().get("path")
    return str(Path(str(path)).parent) if path else ""


def _entries() -> list[dict[str, Any]]:
    try:
        entries = json.loads(_file().read_text(encoding="utf-8"))
        return [_checked(entry) for entry in entries]
    except FileNotFoundError:
        return []
    except (OSError, ValueError, LookupError, TypeError) as error:
        _log.warning("The shapes of volumes in %s are not used: %s", _file(), error)
        return []


def _checked(entry: dict[str, Any]) -> dict[str, Any]:
    z, y, x = (int(n) for n in entry["shape"])
    size_z, size_y, size_x = (float(size) for size in entry["voxel_size_um"])
    if min(z, y, x) < 1 or float(entry["period_s"]) <= 0:
        raise ValueError("a shape or period that cannot be")
    return {
        "kind": str(entry["kind"]),
        "place": str(entry["place"]),
        "shape": (z, y, x),
        "voxel_size_um": (size_z, size_y, size_x),
        "period_s": float(entry["period_s"]),
    }


def _file() -> Path:
    return user_data_dir() / "live_volumes.json"
