"""Names that were given: of a session on disk, or of a table."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_acll.core import NeuronTable, SessionError, VolumeStatus, VoxelGrid
from napari_acll.evaluation._columns import (
    Columns,
    floats,
    integers,
    need,
    position_unit,
    positions,
    read_columns,
)
from napari_acll.evaluation._nuclei import Floats, GivenNames, Ints, VolumeNumbers
from napari_acll.export import SavedSession


class SessionMasks:
    """The label maps of a session.

    Parameters
    ----------
    saved : SavedSession
        A session whose label maps were saved.
    """

    def __init__(self, saved: SavedSession) -> None:
        self._saved = saved

    @property
    def volumes(self) -> Sequence[int]:
        """Numbers of the volumes."""
        return range(self._saved.n_timepoints)

    def read(self, volume: int) -> NDArray[Any]:
        """Return the class number at each voxel of what was labeled, `(Z, Y, X)`.

        Raises
        ------
        SessionError
            If the map is damaged.
        """
        return self._saved.labels(volume)


_SCORED = (VolumeStatus.TRACED, VolumeStatus.BACKFILLED)


def read_names(
    path: str | Path, *, voxel_size_um: tuple[float, float, float] | None = None
) -> GivenNames:
    """Return the names that a session or a table gives.

    Parameters
    ----------
    path : str or Path
        A session folder, or a table (`.csv`): the one that `acll export` writes, or any with the
        columns `volume`, `name`, `probability` and `z_px`, `y_px`, `x_px` (or `_um`); an empty
        name is a detection without a name.
    voxel_size_um : tuple of float, optional
        `(Z, Y, X)` extent of a voxel as stored; a session knows its own.

    Raises
    ------
    SessionError
        If it is neither, is damaged, or positions in voxels come without a voxel size.
    """
    path = Path(path)
    if path.is_file() and path.suffix.lower() == ".csv":
        return _of_table(path, voxel_size_um)
    return names_of_session(SavedSession.open(path))


def names_of_session(saved: SavedSession) -> GivenNames:
    """Return the names that a session gives.

    Parameters
    ----------
    saved : SavedSession
        The session; one that still grows counts as far as it is.

    Raises
    ------
    SessionError
        If it is damaged or holds no labeled volume.
    """
    return _names(saved, "")


def names_by_model(saved: SavedSession) -> GivenNames:
    """Return the names that the model of a session gave, volume by volume.

    Identities over time and corrections have not changed them.

    Parameters
    ----------
    saved : SavedSession
        The session; one that still grows counts as far as it is.

    Raises
    ------
    SessionError
        If it is damaged or holds no labeled volume.
    """
    return _names(saved, "model_")


def _names(saved: SavedSession, prefix: str) -> GivenNames:
    volumes = _volumes(saved)
    grid = _grid(saved, "spec")
    size_um = _grid(saved, "stored_spec").stored_voxel_size_um()
    n_rows = saved.n_detections
    volume = saved.read_detections("volume_index", 0, n_rows).astype(np.int64)
    rows = np.isin(volume, volumes.scored)

    def column(name: str) -> NDArray[Any]:
        values: NDArray[Any] = saved.read_detections(name, 0, n_rows)[rows]
        return values

    neuron = column(f"{prefix}neuron").astype(np.int64)
    return GivenNames(
        animal=saved.path.stem,
        neurons=saved.neurons,
        volumes=volumes,
        volume=volume[rows],
        position_um=column("centroid_px").astype(np.float64) * np.asarray(size_um),
        neuron=neuron,
        probability=column(f"{prefix}probability").astype(np.float64),
        candidate=column(f"{prefix}candidate_neuron").astype(np.int64),
        ratio=_traced(saved.read("ratio"), volume[rows], neuron),
        grid=grid,
        voxel_size_um=size_um,
        masks=SessionMasks(saved) if saved.has_labels else None,
    )


def _volumes(saved: SavedSession) -> VolumeNumbers:
    status = saved.status
    scored = np.flatnonzero(np.isin(status, _SCORED)).astype(np.int64)
    if not len(scored):
        raise SessionError(
            f"{saved.path} holds no labeled volume; there is nothing to evaluate yet."
        )
    return VolumeNumbers(
        scored=scored,
        time_s=saved.read("time_s")[scored],
        novelty=saved.read("novelty")[scored].astype(np.float64),
        n_unlabelable=int((status == VolumeStatus.UNLABELABLE).sum()),
        n_skipped=int((status == VolumeStatus.SKIPPED).sum()),
        n_lost=int((status == VolumeStatus.LOST).sum()),
    )


def _grid(saved: SavedSession, name: str) -> VoxelGrid:
    try:
        grid: Any = saved.header[name]["grid"]  # type: ignore[index]
        return VoxelGrid(**{key: tuple(value) for key, value in grid.items()})
    except (KeyError, TypeError, AttributeError) as error:
        raise SessionError(
            f"{saved.path} does not say how large its voxels are ({name}); its session.json must"
            " come from a copy."
        ) from error


def _traced(ratio: NDArray[Any], volume: Ints, neuron: Ints) -> Floats:
    """Return what was traced under the name of each detection."""
    traced = np.full(len(volume), np.nan)
    named = neuron > 0
    traced[named] = ratio[volume[named], neuron[named] - 1]
    return traced


def _of_table(path: Path, voxel_size_um: tuple[float, float, float] | None) -> GivenNames:
    columns = read_columns(path, SessionError)
    need(columns, ["volume", "name", "probability"], path, SessionError)
    unit = position_unit(columns, path, SessionError)
    if unit == "px" and voxel_size_um is None:
        raise SessionError(
            f"{path} gives positions in voxels and cannot say how large these are; give"
            " --voxel-size-um Z,Y,X, or the session folder itself."
        )
    size_um = np.ones(3) if unit == "um" else np.asarray(voxel_size_um)
    position_um = positions(columns, unit, path, SessionError) * size_um
    volume = integers(columns, "volume", path, SessionError)
    names = [name.strip() for name in columns["name"]]
    neurons = NeuronTable.from_names(sorted(set(filter(None, names))))
    number = {"": 0, **{name: index + 1 for index, name in enumerate(neurons.names)}}
    neuron = np.array([number[name] for name in names], np.int64)
    is_there = np.isfinite(position_um).all(axis=1)  # an export has rows of absent neurons too
    return GivenNames(
        animal=path.stem,
        neurons=neurons,
        volumes=_table_volumes(columns, path, volume),
        volume=volume[is_there],
        position_um=position_um[is_there],
        neuron=neuron[is_there],
        probability=floats(columns, "probability", path, SessionError)[is_there],
        candidate=np.zeros((int(is_there.sum()), 0), np.int64),
        ratio=_table_ratios(columns, path)[is_there],
        voxel_size_um=voxel_size_um,
    )


def _table_ratios(columns: Columns, path: Path) -> Floats:
    if "ratio" not in columns:
        return np.full(len(columns["volume"]), np.nan)
    return floats(columns, "ratio", path, SessionError)


def _table_volumes(columns: Columns, path: Path, volume: Ints) -> VolumeNumbers:
    """Return the volumes of a table; without `volume_status` all count as labeled."""
    numbers, first = np.unique(volume, return_index=True)
    given = columns.get("volume_status", [VolumeStatus.TRACED.name] * len(volume))
    status = np.array([given[row].strip().lower() for row in first], np.str_)
    is_scored = np.isin(status, [kind.name.lower() for kind in _SCORED])

    def told(name: str) -> Floats:
        if name not in columns:
            return np.full(int(is_scored.sum()), np.nan)
        values: Floats = floats(columns, name, path, SessionError)[first][is_scored]
        return values

    def count(kind: VolumeStatus) -> int:
        return int((status == kind.name.lower()).sum())

    return VolumeNumbers(
        scored=numbers[is_scored],
        time_s=told("time_s"),
        novelty=told("novelty"),
        n_unlabelable=count(VolumeStatus.UNLABELABLE),
        n_skipped=count(VolumeStatus.SKIPPED),
        n_lost=count(VolumeStatus.LOST),
    )
