"""One region of interest per neuron, in an NWB file."""

import numpy as np
from hdmf.common import VectorData, VectorIndex
from numpy.typing import NDArray
from pynwb.base import ProcessingModule
from pynwb.ophys import ImageSegmentation, ImagingPlane, PlaneSegmentation

from napari_acll.core import VoxelGrid
from napari_acll.export._layout import TIMEPOINTS_PER_CHUNK
from napari_acll.export._saved_session import SavedSession

_VOXEL = np.dtype([("x", "<u4"), ("y", "<u4"), ("z", "<u4"), ("weight", "<f4")])
_ABOUT = (
    "One row per neuron of the model, in the order of the traces. Worms move: the mask is that of"
    " the volume in which the neuron was named most confidently; the positions of all volumes are"
    " in `positions`."
)


def neuron_rois(
    module: ProcessingModule, plane: ImagingPlane, saved: SavedSession, grid: VoxelGrid
) -> PlaneSegmentation:
    """Add the table of neurons to a module, and return it.

    Raises
    ------
    SessionError
        If the session is damaged.
    """
    best, n_named = _best_volumes(saved)
    masks = _masks(saved, grid, best)
    voxels = VectorData(
        name="voxel_mask",
        description="Voxels in volume `mask_volume`, each of weight 1.",
        data=np.concatenate([np.zeros(0, _VOXEL), *masks]),
    )
    ends = VectorIndex(
        name="voxel_mask_index",
        target=voxels,
        data=np.cumsum([len(mask) for mask in masks], dtype=np.uint64),
    )
    table = PlaneSegmentation(
        name="neurons",
        description=_ABOUT,
        imaging_plane=plane,
        id=list(range(1, len(masks) + 1)),
        columns=[
            voxels,
            ends,
            VectorData(
                name="neuron_name",
                description="Name that the model gives.",
                data=list(saved.neurons.names),
            ),
            VectorData(
                name="mask_volume",
                description="Number of the volume of the mask; -1 for a neuron never named.",
                data=best,
            ),
            VectorData(
                name="n_volumes",
                description="Number of volumes in which the neuron was named.",
                data=n_named,
            ),
        ],
        colnames=["voxel_mask", "neuron_name", "mask_volume", "n_volumes"],
    )
    module.add(ImageSegmentation(name="ImageSegmentation", plane_segmentations=[table]))
    return table


def _best_volumes(saved: SavedSession) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
    """Return for each neuron the volume that names it most confidently, and how many name it."""
    n_neurons = len(saved.neurons)
    best = np.full(n_neurons, -1, np.int32)
    highest = np.full(n_neurons, -np.inf, np.float32)
    n_named = np.zeros(n_neurons, np.int32)
    for start in range(0, saved.n_timepoints, TIMEPOINTS_PER_CHUNK):
        confidence = saved.read("confidence", start, start + TIMEPOINTS_PER_CHUNK)
        n_named += np.isfinite(confidence).sum(axis=0).astype(np.int32)
        known = np.where(np.isfinite(confidence), confidence, -np.inf)
        row, top = known.argmax(axis=0), known.max(axis=0)
        best = np.where(top > highest, start + row, best).astype(np.int32)
        highest = np.maximum(top, highest)
    return best, n_named


def _masks(
    saved: SavedSession, grid: VoxelGrid, best: NDArray[np.int32]
) -> list[NDArray[np.void]]:
    masks = [np.zeros(0, _VOXEL)] * len(best)
    for index in np.unique(best[best >= 0]).tolist():
        labels = saved.labels(index) if saved.has_labels else None
        centroid_px = saved.read("centroid_px", index, index + 1)[0]
        for row in np.flatnonzero(best == index).tolist():
            place = np.argwhere(labels == row + 1) if labels is not None else np.zeros((0, 3))
            if not len(place):  # label maps were not kept, or given up for a while
                place = _center(centroid_px[row], grid)
            masks[row] = _voxels(place)
    return masks


def _center(centroid_px: NDArray[np.float32], grid: VoxelGrid) -> NDArray[np.float64]:
    """Return the voxel of the labeled grid at a place, `(1, 3)`; none where it is not known."""
    if not np.isfinite(centroid_px).all():
        return np.zeros((0, 3))
    voxel = np.round(grid.from_stored_px(centroid_px))
    inside: NDArray[np.float64] = np.clip(voxel, 0, np.array(grid.shape) - 1)
    return inside[None]


def _voxels(place: NDArray[np.integer] | NDArray[np.floating]) -> NDArray[np.void]:
    voxels = np.zeros(len(place), _VOXEL)
    voxels["z"], voxels["y"], voxels["x"] = place.T
    voxels["weight"] = 1
    return voxels
