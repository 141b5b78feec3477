"""Two image layers of the viewer, read like a recording."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_acll.core import RecordingError, Volume, VolumeArray, VolumeSpec, VoxelGrid

_PERIOD_S = 1.0
"""Time means nothing here: an alignment is looked for in each volume by itself."""


class LayerPairSource:
    """Marker and activity channel from two image layers; the layers are only read.

    Parameters
    ----------
    marker, activity : napari.layers.Image
        Of the same shape, `(Z, Y, X)` or `(T, Z, Y, X)`, scaled in um, in counts.

    Raises
    ------
    RecordingError
        If they are no such layers; the message says which one is not and why.
    """

    is_live = False
    notes: Sequence[str] = ()

    def __init__(self, marker: Any, activity: Any) -> None:
        if marker.name == activity.name:
            raise RecordingError(
                f"Marker and activity are both the layer {marker.name!r}; choose two layers."
            )
        for layer in (marker, activity):
            _check(layer)
        shapes = tuple(marker.data.shape), tuple(activity.data.shape)
        if shapes[0] != shapes[1]:
            raise RecordingError(
                f"The layers {marker.name!r} and {activity.name!r} differ in shape ({shapes[0]}"
                f" and {shapes[1]}); choose the two channels of one recording."
            )
        self._marker, self._activity = marker.data, activity.data
        self._names = marker.name, activity.name
        depth, height, width = (int(n) for n in shapes[0][-3:])
        z, y, x = (abs(float(size)) for size in marker.scale[-3:])
        grid = VoxelGrid.as_stored((depth, height, width), (z, y, x))
        self.spec = VolumeSpec(
            grid=grid, period_s=_PERIOD_S, marker_name=marker.name, activity_name=activity.name
        )

    @property
    def indices(self) -> Sequence[int]:
        """All timepoints of the layers."""
        return range(len(self._marker) if self._marker.ndim == 4 else 1)

    def describe(self) -> Mapping[str, object]:
        """Return the names of the layers."""
        return {"kind": "layers", "path": " and ".join(self._names)}

    def read(self, index: int) -> Volume:
        """Return one volume.

        Raises
        ------
        IndexError
            If the layers have no such timepoint.
        RecordingError
            If a layer holds negative numbers.
        """
        if index not in self.indices:
            raise IndexError(f"The layers have {len(self.indices)} timepoints, got {index}.")
        return Volume(
            index=index,
            timestamp_s=index * _PERIOD_S,
            marker=_counts(self._marker, index, self._names[0]),
            activity=_counts(self._activity, index, self._names[1]),
            spec=self.spec,
            slice_times_s=np.full(self.spec.shape[0], index * _PERIOD_S),
        )

    def __iter__(self) -> Iterator[Volume]:
        """Yield all volumes."""
        for index in self.indices:
            yield self.read(index)

    def close(self) -> None:
        """Let the layers be."""


def _check(layer: Any) -> None:
    name, data = layer.name, layer.data
    if getattr(layer, "rgb", False) or getattr(layer, "multiscale", False):
        raise RecordingError(
            f"The layer {name!r} is a picture in color or in several sizes; "
            "choose a layer of plain counts."
        )
    if data.ndim not in (3, 4):
        raise RecordingError(
            f"The layer {name!r} has {data.ndim} axes, volumes have three (z, y, x) or four"
            " (t, z, y, x); choose another layer."
        )
    if np.dtype(data.dtype).kind not in "ui":
        raise RecordingError(
            f"The layer {name!r} holds {np.dtype(data.dtype)}, counts are whole numbers; choose"
            " the layer as the camera recorded it."
        )
    units = {str(unit) for unit in layer.units[-3:]}
    if units == {"pixel"} and bool((np.asarray(layer.scale)[-3:] == 1).all()):
        raise RecordingError(
            f"The layer {name!r} does not say how large its pixels are; set layer.scale in um, or"
            " open the recording by its path."
        )


def _counts(data: Any, index: int, name: str) -> VolumeArray:
    volume: NDArray[Any] = np.asarray(data[index] if data.ndim == 4 else data)
    if volume.dtype.kind == "u" and volume.dtype.itemsize <= 4:
        return volume
    lowest, highest = (int(volume.min()), int(volume.max())) if volume.size else (0, 0)
    if lowest < 0:
        raise RecordingError(
            f"The layer {name!r} holds negative numbers, counts have none; choose the layer as"
            " the camera recorded it."
        )
    if highest > np.iinfo(np.uint32).max:
        raise RecordingError(
            f"The layer {name!r} holds {highest}, which is too large for counts; choose the layer"
            " as the camera recorded it."
        )
    if highest <= np.iinfo(np.uint16).max:
        return volume.astype(np.uint16)
    return volume.astype(np.uint32)
