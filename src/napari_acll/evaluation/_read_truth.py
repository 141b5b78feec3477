"""Truth, in the forms in which labs and the simulator have it."""

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_acll.core import RecordingError, SourceSettings
from napari_acll.evaluation._columns import (
    Columns,
    booleans,
    floats,
    integers,
    need,
    position_unit,
    positions,
    read_columns,
)
from napari_acll.evaluation._mask_files import open_masks
from napari_acll.evaluation._nuclei import Floats, Ints, MaskSeries, Names, TrueNuclei

SIMULATED = "simulated"
NO_NAMES = frozenset({"unknown", "none", "nan", "n/a", "-", "unlabeled"})
"""What annotators write where they know no name."""
SHEET_COLUMNS = ("name", "instance")


def read_truth(path: str | Path, *, masks: str | Path | None = None) -> TrueNuclei:
    """Return what is true of a recording.

    Parameters
    ----------
    path : str or Path
        One of

        * a table (`.csv`) with the columns `volume`, `name` and `z_px`, `y_px`, `x_px` in voxels
          as stored, or `z_um`, `y_um`, `x_um`; optional are `is_listed`, `ratio` and `instance`.
          `acll simulate` writes such a table beside its recording;
        * a folder of instance masks (`.npz`, `.npy`, `.tif`, `.nrrd`, one per volume, or Zarr)
          in which a table says which number is which neuron: `name` and `instance` (or
          `Neuron Class` and `ROI ID`), and `volume` if numbers change from volume to volume;
        * a simulated recording, such as `simulated:seed=3,volumes=40`.
    masks : str or Path, optional
        Instance masks that belong to a table. The number of a nucleus is that of its column
        `instance`, or else what the masks have at its center.

    Raises
    ------
    RecordingError
        If it is none of these, or is damaged.
    """
    if str(path).partition(":")[0].strip().lower() == SIMULATED:
        return _of_simulated(str(path))
    path = Path(path)
    if path.is_file():
        return _of_table(path, None if masks is None else open_masks(Path(masks)))
    if (path / "session.json").exists():
        raise RecordingError(
            f"{path} is a session, which is no truth; give as many truths as sessions, after"
            " --truth."
        )
    if path.is_dir():
        return _of_masks(path)
    raise RecordingError(
        f"There is no truth {path}; give a table (.csv), a folder of instance masks, or"
        " 'simulated:...'."
    )


def _of_simulated(recording: str) -> TrueNuclei:
    from napari_acll.simulate import SimulatedSource

    source = SimulatedSource.from_recording(recording, SourceSettings())
    return TrueNuclei.from_simulated(map(source.truth, source.indices), about=recording)


def _of_table(path: Path, masks: MaskSeries | None) -> TrueNuclei:
    columns = read_columns(path, RecordingError)
    need(columns, ["volume", "name"], path, RecordingError)
    unit = position_unit(columns, path, RecordingError)
    position = positions(columns, unit, path, RecordingError)
    if not np.isfinite(position).all():
        raise RecordingError(f"{path} has rows without a position; complete or remove them.")
    volume, name = integers(columns, "volume", path, RecordingError), _names(columns)
    is_listed = booleans(columns, "is_listed") if "is_listed" in columns else name != ""
    return TrueNuclei(
        volume=volume,
        name=name,
        position=position,
        is_in_um=unit == "um",
        is_listed=is_listed & (name != ""),
        is_complete=bool((name == "").any() or not is_listed.all()),
        ratio=_ratios(columns, path),
        instance=_instances(columns, path, masks, volume, position, unit),
        masks=masks,
        about=str(path),
    )


def _names(columns: Columns) -> Names:
    names = [name.strip() for name in columns["name"]]
    return np.array(["" if name.lower() in NO_NAMES else name for name in names], np.str_)


def _ratios(columns: Columns, path: Path) -> Floats:
    if "ratio" not in columns:
        return np.full(len(columns["volume"]), np.nan)
    return floats(columns, "ratio", path, RecordingError)


def _instances(
    columns: Columns,
    path: Path,
    masks: MaskSeries | None,
    volume: Ints,
    position: Floats,
    unit: str,
) -> Ints:
    if "instance" in columns:
        return integers(columns, "instance", path, RecordingError)
    instance = np.zeros(len(volume), np.int64)
    if masks is None:
        return instance
    if unit == "um":
        raise RecordingError(
            f"{path} gives positions in um, which do not tell the voxels of the masks; add a"
            " column `instance` with the number of each nucleus in the masks."
        )
    for number in np.intersect1d(np.unique(volume), np.asarray(masks.volumes)):
        rows = np.flatnonzero(volume == number)
        instance[rows] = _values_at(masks.read(int(number)), position[rows])
    return instance


def _values_at(masks: NDArray[Any], position_px: Floats) -> Ints:
    place = np.round(position_px).astype(int)
    inside = ((place >= 0) & (place < masks.shape)).all(axis=1)
    values = np.zeros(len(place), np.int64)
    values[inside] = masks[tuple(place[inside].T)]
    return values


def _of_masks(folder: Path) -> TrueNuclei:
    masks = open_masks(folder)
    parts = [_centers(masks, volume) for volume in masks.volumes]
    instance = np.concatenate([numbers for numbers, _ in parts])
    volume = np.repeat(np.asarray(masks.volumes, np.int64), [len(part[0]) for part in parts])
    name = _names_of_instances(folder, volume, instance)
    if not len(instance):
        raise RecordingError(f"All masks in {folder} are empty; give those of the nuclei.")
    return TrueNuclei(
        volume=volume,
        name=name,
        position=np.concatenate([centers for _, centers in parts]),
        is_in_um=False,
        is_listed=name != "",
        is_complete=True,
        ratio=np.full(len(volume), np.nan),
        instance=instance,
        masks=masks,
        about=str(folder),
    )


def _centers(masks: MaskSeries, volume: int) -> tuple[Ints, Floats]:
    """Return number and center of each mask of a volume."""
    array = masks.read(volume)
    place = np.nonzero(array)
    numbers, member, counts = np.unique(array[place], return_inverse=True, return_counts=True)
    sums = [np.bincount(member, axis, len(numbers)) for axis in place]
    return numbers.astype(np.int64), np.stack(sums, axis=1) / counts[:, None]


def _names_of_instances(folder: Path, volume: Ints, instance: Ints) -> Names:
    """Return the name of each mask, as the one table in the folder says."""
    tables = sorted(folder.glob("*.csv"))
    if len(tables) != 1:
        raise RecordingError(
            f"Expected one table (.csv) in {folder} that says which number is which neuron, with"
            f" the columns {' and '.join(SHEET_COLUMNS)}; found {len(tables)}."
        )
    columns = read_columns(tables[0], RecordingError)
    need(columns, SHEET_COLUMNS, tables[0], RecordingError)
    numbers = integers(columns, "instance", tables[0], RecordingError).tolist()
    names = _names(columns).tolist()
    if "volume" not in columns:
        by_number = dict(zip(numbers, names, strict=True))
        return np.array([by_number.get(number, "") for number in instance.tolist()], np.str_)
    volumes = integers(columns, "volume", tables[0], RecordingError).tolist()
    by_both = dict(zip(zip(volumes, numbers, strict=True), names, strict=True))
    keys = zip(volume.tolist(), instance.tolist(), strict=True)
    return np.array([by_both.get(key, "") for key in keys], np.str_)
