"""Labeled volumes from our own sessions, with the names that a user corrected or confirmed."""

import csv
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_acll.core import NeuronTable, RecordingError, Volume, VoxelGrid
from napari_acll.training._lab_nrrd import roi_tables
from napari_acll.training._lab_settings import N_CONFIDENCES, LabDataSettings
from napari_acll.training._lab_table import RoiName
from napari_acll.training._lab_volume import LabVolume

_COLUMNS = ("volume", "name", "z_px", "y_px", "x_px")
_SAME_NUCLEUS_UM = 3.0
"""A name given farther from every detection than this is a nucleus that was missed."""
_USUAL_RADIUS_UM = 1.6


@dataclass(frozen=True, slots=True, kw_only=True)
class GivenName:
    """A name that a user gave to a place.

    Parameters
    ----------
    volume : int
        Number of the volume in the recording.
    name : str
        Neuron; empty for a nucleus that is none of the model's neurons.
    position_px : tuple of float
        `(z, y, x)` in voxels of the recording as stored.
    """

    volume: int
    name: str
    position_px: tuple[float, float, float]


def read_given_names(path: Path) -> list[GivenName]:
    """Return the rows of a table `volume,name,z_px,y_px,x_px`; other columns are ignored.

    Raises
    ------
    RecordingError
        If the file is missing, lacks a column, or a number is none.
    """
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            return [_given_name(row) for row in csv.DictReader(file)]
    except (OSError, UnicodeDecodeError, KeyError, TypeError, ValueError) as error:
        raise RecordingError(
            f"Expected a table with the columns {', '.join(_COLUMNS)}, {path} is none ({error!r});"
            " correct the file."
        ) from error


def _given_name(row: Mapping[str, str]) -> GivenName:
    z, y, x = (float(row[column]) for column in _COLUMNS[2:])
    return GivenName(volume=int(row["volume"]), name=row["name"].strip(), position_px=(z, y, x))


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionItem:
    """One volume of a session, read when it is needed.

    Parameters
    ----------
    session : Path
        Folder that `acll run --out` made; its recording must still be where it was.
    index : int
        Number of the volume.
    given : tuple of GivenName
        The names that a user gave in this volume.
    settings : LabDataSettings
        What the labels mean; voxel size and crop are those of the session.
    """

    session: Path
    index: int
    given: tuple[GivenName, ...]
    settings: LabDataSettings

    @property
    def source(self) -> str:
        """Where it comes from."""
        return f"volume {self.index} of {self.session}"

    def names(self) -> set[str]:
        """Return the names that were given."""
        return {row.name for row in self.given if row.name}

    def load(self, neurons: NeuronTable, balance: Mapping[str, float]) -> LabVolume:
        """Return the volume with its labels.

        Nuclei that the session detected and nobody named count as without a known name.

        Parameters
        ----------
        neurons : NeuronTable
            Classes; nuclei with other names count as without a name.
        balance : mapping of str to float
            Factor of the weight of a neuron's voxels.

        Raises
        ------
        SessionError
            If the session cannot be read.
        RecordingError
            If its recording is gone or damaged, or lacks the volume.
        """
        from napari_acll.export import SavedSession

        saved = SavedSession.open(self.session)
        volume = _read_volume(saved, self.index, self.source)
        instances, rows = self._nuclei(saved, volume.spec.grid)
        classes, weight = roi_tables([None, *rows], neurons, balance, self.settings)
        return LabVolume(
            marker=volume.marker.astype(np.float32),
            classes=classes[instances],
            weight=weight[instances],
            instances=instances,
            neurons=neurons,
            voxel_size_um=volume.spec.voxel_size_um,
            source=self.source,
        )

    def _nuclei(
        self, saved: Any, grid: VoxelGrid
    ) -> tuple[NDArray[np.uint16], list[RoiName | None]]:
        """Return instances, and the name of each that has one."""
        found = saved.detections(self.index)
        place = grid.from_stored_px(np.asarray(found.centroid_px, np.float64))
        given = grid.from_stored_px(np.array([row.position_px for row in self.given]))
        owner = _nearest_free(given, place, np.asarray(grid.voxel_size_um))
        size = np.r_[np.cbrt(found.n_voxels * 3 / (4 * np.pi)), np.zeros(len(given))]
        usual = _USUAL_RADIUS_UM / float(np.prod(grid.voxel_size_um)) ** (1 / 3)
        places = np.concatenate([place, given])
        instances = _balls(places, np.where(size > 0, size, usual), grid.shape, owner, len(place))
        if saved.has_labels:
            _draw_saved(instances, saved.labels(self.index), found.neuron)
        rows: list[RoiName | None] = [None] * len(places)
        for row, at in zip(self.given, owner, strict=True):
            if row.name:
                rows[at] = RoiName(roi=at + 1, name=row.name, confidence=N_CONFIDENCES)
        return instances, rows


def session_items(session: Path, names: Path, settings: LabDataSettings) -> list[SessionItem]:
    """Return one item per volume in which a user gave names.

    Raises
    ------
    RecordingError
        If the table of names cannot be read or is empty.
    """
    given = read_given_names(names)
    if not given:
        raise RecordingError(f"{names} has no rows; name some nuclei of {session} in it.")
    return [
        SessionItem(
            session=session,
            index=index,
            given=tuple(row for row in given if row.volume == index),
            settings=settings,
        )
        for index in sorted({row.volume for row in given})
    ]


def _nearest_free(
    given_px: NDArray[np.float64], found_px: NDArray[np.float64], voxel_um: NDArray[np.float64]
) -> list[int]:
    """Return the detection of each given place, or its own row after all detections."""
    from scipy.spatial import cKDTree

    owner = [len(found_px) + row for row in range(len(given_px))]
    if not len(found_px):
        return owner
    distance, nearest = cKDTree(found_px * voxel_um).query(given_px * voxel_um)
    taken: set[int] = set()
    for row in np.argsort(distance):
        at = int(nearest[row])
        if distance[row] <= _SAME_NUCLEUS_UM and at not in taken:
            owner[row] = at
            taken.add(at)
    return owner


def _balls(
    place_px: NDArray[np.float64],
    radius_px: NDArray[np.float64],
    shape: tuple[int, int, int],
    owner: Sequence[int],
    n_found: int,
) -> NDArray[np.uint16]:
    """Return `row + 1` in a ball around each place; voxels go to the nearest."""
    instances = np.zeros(shape, np.uint16)
    nearest = np.full(shape, np.inf, np.float32)
    for row in [*range(n_found), *(at for at in owner if at >= n_found)]:
        center, radius = place_px[row], float(radius_px[row])
        low = np.maximum(np.floor(center - radius).astype(int), 0)
        high = np.minimum(np.ceil(center + radius).astype(int) + 1, shape)
        if (high <= low).any():
            continue
        box = tuple(slice(a, b) for a, b in zip(low, high, strict=True))
        axes = np.ogrid[box]
        apart = sum((axis - at) ** 2 for axis, at in zip(axes, center, strict=True)) / radius**2
        closer = (apart <= 1) & (apart < nearest[box])
        instances[box][closer] = row + 1
        nearest[box][closer] = apart[closer]
    return instances


def _draw_saved(
    instances: NDArray[np.uint16],
    labels: NDArray[np.integer],
    neuron: NDArray[np.integer],
) -> None:
    """Replace the balls of detections that got a name by the masks that were saved."""
    if labels.shape != instances.shape:
        return
    row_of = np.zeros(int(max(labels.max(initial=0), neuron.max(initial=0))) + 1, np.uint16)
    named = np.flatnonzero(neuron > 0)
    row_of[neuron[named]] = named + 1
    instances[np.isin(instances, named + 1)] = 0
    drawn = row_of[labels]
    instances[drawn > 0] = drawn[drawn > 0]


def _read_volume(saved: Any, index: int, source: str) -> Volume:
    """Return a volume of the session's recording, preprocessed as it was."""
    from napari_acll.preprocess import Preprocessor
    from napari_acll.sources import open_source

    recording = open_source(_recording_of(saved.header), saved.settings.source)
    try:
        preprocessor = Preprocessor(recording.spec, saved.settings.preprocess)
        if not hasattr(recording, "read"):
            raise RecordingError(f"The recording of {source} is not finished; use another one.")
        return preprocessor.apply(recording.read(index))
    except IndexError as error:
        raise RecordingError(f"There is no {source}: {error}") from error
    finally:
        recording.close()


def _recording_of(header: Mapping[str, Any]) -> str:
    source = header.get("source", {})
    if source.get("kind") == "simulated":
        options = {"seed": source.get("seed"), "volumes": source.get("n_volumes")}
        options |= source.get("options", {})
        return "simulated:" + ",".join(f"{key}={value}" for key, value in options.items())
    return str(source.get("path", ""))
