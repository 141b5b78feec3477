"""Labeled volumes from NRRD files: a volume, its ROIs, and a table of their names."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_acll.core import NeuronTable, RecordingError
from napari_acll.training._lab_settings import LabDataSettings, LabEntry
from napari_acll.training._lab_table import RoiName, read_roi_names, settled_names
from napari_acll.training._lab_volume import LabVolume

_MATCH = "roi_match"


@dataclass(frozen=True, slots=True, kw_only=True)
class NrrdItem:
    """One volume that is read when it is needed.

    Parameters
    ----------
    entry : LabEntry
        With `volume`, `rois` and `ids`.
    settings : LabDataSettings
        What the labels mean.
    """

    entry: LabEntry
    settings: LabDataSettings

    @property
    def source(self) -> str:
        """Where it comes from."""
        return str(self.entry.volume)

    def names(self) -> set[str]:
        """Return the names that this volume can use.

        Raises
        ------
        RecordingError
            If its ID table cannot be read.
        """
        return {row.name for row in self._settled().values()}

    def load(self, neurons: NeuronTable, balance: Mapping[str, float]) -> LabVolume:
        """Return the volume with its labels.

        Parameters
        ----------
        neurons : NeuronTable
            Classes; nuclei with other names count as without a name.
        balance : mapping of str to float
            Factor of the weight of a neuron's voxels.

        Raises
        ------
        RecordingError
            If a file cannot be read, or they do not fit together.
        """
        entry, settings = self.entry, self.settings
        marker = cropped(read_nrrd(Path(str(entry.volume))), settings, self.source)
        rois = cropped(read_nrrd(Path(str(entry.rois))), settings, str(entry.rois))
        if rois.shape != marker.shape:
            raise RecordingError(
                f"{entry.rois} has {rois.shape} voxels (z, y, x) and {entry.volume} has"
                f" {marker.shape}; give the ROIs of this volume."
            )
        numbers = self._instances(rois)
        classes, weight = roi_tables(
            self._name_of_roi(int(numbers.max(initial=0))), neurons, balance, settings
        )
        return LabVolume(
            marker=marker.astype(np.float32),
            classes=classes[numbers],
            weight=weight[numbers],
            instances=numbers,
            neurons=neurons,
            voxel_size_um=settings.voxel_size_um,
            source=self.source,
        )

    def _instances(self, rois: NDArray[Any]) -> NDArray[np.uint16]:
        numbers = rois.astype(np.int64)
        if (numbers != rois).any() or numbers.min() < 0 or numbers.max() > np.iinfo(np.uint16).max:
            raise RecordingError(
                f"{self.entry.rois} must hold ROI numbers from 0 to 65535, it holds others; give"
                " the file of ROIs, not an image."
            )
        return numbers.astype(np.uint16)

    def _settled(self) -> dict[int, RoiName]:
        return settled_names(
            read_roi_names(Path(str(self.entry.ids))),
            min_confidence=self.settings.min_confidence,
            repeatable=frozenset(self.settings.repeatable_names),
        )

    def _name_of_roi(self, n_rois: int) -> list[RoiName | None]:
        """Return the row of every ROI of this volume, ROI 0 being the background."""
        settled = self._settled()
        same = range(n_rois + 1) if self.entry.roi_match is None else self._matched(n_rois)
        return [settled.get(number) for number in same]

    def _matched(self, n_rois: int) -> Any:
        path, timepoint = Path(str(self.entry.roi_match)), int(self.entry.timepoint or 1)
        table = _read_match(path)
        if timepoint > len(table) or n_rois > table.shape[1]:
            raise RecordingError(
                f"{path} matches {table.shape[1]} ROIs in {len(table)} timepoints, asked for ROI"
                f" {n_rois} of timepoint {timepoint}; give the table of this recording."
            )
        return [0, *(int(number) for number in table[timepoint - 1, :n_rois])]


def roi_tables(
    rows: list[RoiName | None],
    neurons: NeuronTable,
    balance: Mapping[str, float],
    settings: LabDataSettings,
) -> tuple[NDArray[np.uint16], NDArray[np.float32]]:
    """Return class and weight of each ROI, ROI 0 being the background."""
    number_of = {name: index + 1 for index, name in enumerate(neurons.names)}
    classes = np.full(len(rows), len(neurons) + 1, np.uint16)
    weight = np.full(len(rows), settings.unlabeled_weight, np.float32)
    for roi, row in enumerate(rows):
        if row is None or row.name not in number_of:
            continue
        classes[roi] = number_of[row.name]
        base = settings.confidence_weights[row.confidence - 1]
        weight[roi] = base * balance.get(row.name, 1.0)
    classes[0], weight[0] = 0, settings.background_weight
    return classes, weight


def read_nrrd(path: Path) -> NDArray[Any]:
    """Return a volume, `(Z, Y, X)`; NRRD files list their axes as X, Y, Z.

    Raises
    ------
    RecordingError
        If the file is missing, damaged, or holds no volume.
    """
    import nrrd

    if not path.is_file():
        raise RecordingError(f"There is no file {path}; check the path.")
    try:
        data, _ = nrrd.read(str(path), index_order="C")
    except Exception as error:  # pynrrd raises whatever its parsers raise
        raise RecordingError(f"{path} is damaged or no NRRD file ({error}).") from error
    if data.ndim != 3:
        raise RecordingError(
            f"{path} must hold one volume with the axes X, Y and Z, it has {data.ndim} axes."
        )
    return np.asarray(data)


def cropped(volume: NDArray[Any], settings: LabDataSettings, source: str) -> NDArray[Any]:
    """Return the part of a volume that the settings ask for; leading axes stay.

    Raises
    ------
    RecordingError
        If the crop reaches outside.
    """
    if settings.crop_px is None:
        return volume
    shape = volume.shape[-3:]
    if any(stop > n for (_, stop), n in zip(settings.crop_px, shape, strict=True)):
        raise RecordingError(
            f"crop_px {settings.crop_px} reaches outside of {source}, which has {shape} voxels"
            " (z, y, x)."
        )
    z, y, x = (slice(start, stop) for start, stop in settings.crop_px)
    return np.asarray(volume[..., z, y, x])


def _read_match(path: Path) -> NDArray[Any]:
    import h5py

    try:
        with h5py.File(path, "r") as file:
            table = np.asarray(file[_MATCH])
    except (OSError, KeyError) as error:
        raise RecordingError(
            f"Expected an HDF5 file with a dataset {_MATCH}, {path} is none ({error})."
        ) from error
    if table.ndim != 2:
        raise RecordingError(
            f"{_MATCH} in {path} must have the axes timepoint and ROI, it has {table.ndim} axes."
        )
    return table
