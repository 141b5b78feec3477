"""Labeled volumes from the HDF5 files of AutoCellLabeler."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_acll.core import NeuronTable, RecordingError
from napari_acll.training._lab_nrrd import cropped
from napari_acll.training._lab_settings import LabDataSettings
from napari_acll.training._lab_volume import LabVolume, instances_of


@dataclass(frozen=True, slots=True, kw_only=True)
class Hdf5Item:
    """One file that is read when it is needed.

    `raw` is `(Z, Y, X)` or `(C, Z, Y, X)`. `label` is one class number per voxel, the number of
    classes (185 of 0 .. 184) meaning "no known name", or one-hot `(classes, Z, Y, X)`. `weight`
    is optional, `(Z, Y, X)` or one-hot as `label`; `roi` is optional and parts nuclei that touch.

    Parameters
    ----------
    path : Path
        The file.
    settings : LabDataSettings
        What the labels mean.
    """

    path: Path
    settings: LabDataSettings

    @property
    def source(self) -> str:
        """Where it comes from."""
        return str(self.path)

    def names(self) -> set[str]:
        """Return no names: such a file knows numbers only."""
        return set()

    def load(self, neurons: NeuronTable, balance: Mapping[str, float]) -> LabVolume:  # noqa: ARG002
        """Return the volume with its labels.

        Parameters
        ----------
        neurons : NeuronTable
            Names of its classes.
        balance : mapping of str to float
            Not used: the file has weights of its own.

        Raises
        ------
        RecordingError
            If the file is missing or damaged, lacks a dataset, or has labels that are no classes.
        """
        import h5py

        if not self.path.is_file():
            raise RecordingError(f"There is no file {self.path}; check the path.")
        try:
            with h5py.File(self.path, "r") as file:
                return self._read(file, neurons)
        except OSError as error:
            raise RecordingError(f"{self.path} is damaged or no HDF5 file ({error}).") from error

    def _read(self, file: Any, neurons: NeuronTable) -> LabVolume:
        marker = cropped(self._marker(self._dataset(file, "raw")), self.settings, self.source)
        label = self._dataset(file, "label")
        classes = self._cropped_classes(label, neurons, marker.shape)
        instances = self._instances(file, classes, neurons)
        return LabVolume(
            marker=marker.astype(np.float32),
            classes=classes,
            weight=self._weight(file, classes, neurons),
            instances=instances,
            neurons=neurons,
            voxel_size_um=self.settings.voxel_size_um,
            source=self.source,
        )

    def _dataset(self, file: Any, name: str) -> Any:
        if name not in file:
            raise RecordingError(
                f"{self.path} has no dataset {name!r}, it has {', '.join(file) or 'none'};"
                " expected `raw`, `label` and `weight`."
            )
        return file[name]

    def _marker(self, raw: Any) -> NDArray[Any]:
        if raw.ndim == 3:
            return np.asarray(raw)
        if raw.ndim != 4:
            raise RecordingError(
                f"`raw` in {self.path} must be (Z, Y, X) or (C, Z, Y, X), it has {raw.ndim} axes."
            )
        chosen = self.settings.channel if len(raw) > 1 else 0
        if chosen is None or chosen >= len(raw):
            raise RecordingError(
                f"`raw` in {self.path} has channels 0 to {len(raw) - 1}; say in `channel` which is"
                " the marker."
            )
        return np.asarray(raw[chosen])

    def _cropped_classes(
        self, label: Any, neurons: NeuronTable, shape: tuple[int, ...]
    ) -> NDArray[np.uint16]:
        n_classes = len(neurons) + 1
        if label.ndim == 4 and len(label) != n_classes:
            raise RecordingError(
                f"`label` in {self.path} has {len(label)} classes, the name table has"
                f" {len(neurons)} names and the background; give the table of these labels."
            )
        whole = _from_one_hot(label) if label.ndim == 4 else np.asarray(label)
        classes = cropped(whole, self.settings, self.source)
        if classes.shape != shape:
            raise RecordingError(
                f"`label` in {self.path} has {classes.shape} voxels, `raw` has {shape}."
            )
        highest = int(classes.max(initial=0))
        if int(classes.min(initial=0)) < 0 or highest > n_classes:
            raise RecordingError(
                f"`label` in {self.path} goes up to {highest}; expected 0 (background),"
                f" 1 to {len(neurons)} (names) and {n_classes} (no known name)."
            )
        return classes.astype(np.uint16)

    def _instances(
        self, file: Any, classes: NDArray[np.uint16], neurons: NeuronTable
    ) -> NDArray[np.uint16]:
        if "roi" not in file:
            return instances_of(classes, neurons, frozenset(self.settings.repeatable_names))
        rois = cropped(np.asarray(file["roi"]), self.settings, self.source)
        if rois.shape != classes.shape:
            raise RecordingError(
                f"`roi` in {self.path} has {rois.shape} voxels, `label` has {classes.shape}."
            )
        return np.where(classes > 0, rois, 0).astype(np.uint16)

    def _weight(
        self, file: Any, classes: NDArray[np.uint16], neurons: NeuronTable
    ) -> NDArray[np.float32]:
        settings = self.settings
        if "weight" not in file:
            table = np.full(len(neurons) + 2, settings.confidence_weights[-1], np.float32)
            table[0], table[-1] = settings.background_weight, settings.unlabeled_weight
            return np.asarray(table[classes], np.float32)
        stored = file["weight"]
        if stored.ndim == 4:
            whole = _of_own_class(stored, classes, settings, self.source)
        else:
            whole = cropped(np.asarray(stored), settings, self.source)
        if whole.shape != classes.shape:
            raise RecordingError(
                f"`weight` in {self.path} has {whole.shape} voxels, `label` has {classes.shape}."
            )
        return whole.astype(np.float32)


def _from_one_hot(label: Any) -> NDArray[np.uint16]:
    """Return class numbers, reading one class at a time; no class at all is the background."""
    classes = np.zeros(label.shape[1:], np.uint16)
    for number in range(1, len(label)):
        classes[np.asarray(label[number]) > 0] = number
    return classes


def _of_own_class(
    stored: Any, classes: NDArray[np.uint16], settings: LabDataSettings, source: str
) -> NDArray[np.float32]:
    """Return the weight of each voxel for its own class, reading one class at a time."""
    if len(stored) == 1:
        return cropped(np.asarray(stored[0], np.float32), settings, source)
    weight = np.full(classes.shape, settings.unlabeled_weight, np.float32)
    for number in range(len(stored)):
        inside = classes == number
        if inside.any():
            weight[inside] = cropped(np.asarray(stored[number]), settings, source)[inside]
    return weight
