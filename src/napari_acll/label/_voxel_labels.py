"""Classes of voxels, block by block, so that the class map is never written out."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from napari_acll.core import BACKGROUND, N_CANDIDATES, Detections
from napari_acll.label._unet3d import UNet3D
from napari_acll.label._unet3d_boxes import Triple, as_slices, boxes
from napari_acll.label._unet3d_layerwise import BlockPlan, LayerwiseNetwork

# Small enough for the cache, large enough that threads seldom wait for each other.
_BLOCK_BYTES_CPU = 8 * 2**20
_BLOCK_BYTES_GPU = 256 * 2**20


@dataclass(frozen=True, slots=True, kw_only=True)
class VoxelLabels:
    """Which voxels are which class, and how sure the network is of it.

    Parameters
    ----------
    class_map : ndarray of uint16, shape (Z, Y, X)
        Class number of every voxel, 0 for none.
    probability_sum : ndarray of float64, shape (classes, classes)
        Row: a class; columns: probabilities of all classes, summed over the voxels of that class.
    """

    class_map: NDArray[np.uint16]
    probability_sum: NDArray[np.float64]


def label_voxels(
    network: UNet3D, x: Tensor, *, min_probability: float, plan: BlockPlan | None = None
) -> VoxelLabels:
    """Return the class of every voxel whose most probable class is probable enough.

    This is the "naive ROI" rule of AutoCellLabel Live: the most probable class where its
    probability is above the threshold, else none. The original also blurs each class's
    probabilities before it takes the maximum; above 0.5 only one class can pass the threshold, so
    the blur cannot change the result and is left out.

    Parameters
    ----------
    network : UNet3D
        In evaluation mode.
    x : Tensor of float, shape (1, C, Z, Y, X)
        Input of the network.
    min_probability : float
        Threshold; a voxel must be above it.
    plan : BlockPlan, optional
        How the network is run in blocks; None: on the whole volume.

    Returns
    -------
    VoxelLabels

    Raises
    ------
    ValueError
        If the volume has no voxels.
    """
    # A GPU may otherwise choose algorithms whose rounding changes from run to run.
    deterministic = torch.backends.cudnn.flags(enabled=True, benchmark=False, deterministic=True)
    device = network.final_conv.weight.device
    n_classes = network.config.out_channels
    with torch.inference_mode(), deterministic:
        sums = torch.zeros((n_classes, n_classes), dtype=torch.float64, device=device)
        class_map: Tensor | None = None
        for shape, box, features in _feature_boxes(network, x, plan):
            if class_map is None:
                class_map = torch.zeros(shape, dtype=torch.int32, device=device)
            found = _label_features(network, features.flatten(1), sums, min_probability)
            class_map[box] = found.reshape(features.shape[1:])
        if class_map is None:
            raise ValueError(f"Expected a volume with voxels, got shape {tuple(x.shape)}.")
        return VoxelLabels(
            class_map=class_map.cpu().numpy().astype(np.uint16),
            probability_sum=sums.cpu().numpy(),
        )


_Slices = tuple[slice, slice, slice]


def _feature_boxes(
    network: UNet3D, x: Tensor, plan: BlockPlan | None
) -> Iterator[tuple[Triple, _Slices, Tensor]]:
    """Yield the shape of the result, where a box of it lies, and its features."""
    if plan is None:
        features = network.features(network.in_layer_numbers(x))[0]
        z, y, x_ = features.shape[1:]
        yield (z, y, x_), (slice(None), slice(None), slice(None)), features
        return
    layerwise = LayerwiseNetwork(network, plan)
    last = layerwise.features(x)
    for box in boxes(last.shape, layerwise.block_of(last)):
        yield last.shape, as_slices(box), last.read(box)


def _label_features(
    network: UNet3D, features: Tensor, sums: Tensor, min_probability: float
) -> Tensor:
    """Return the classes of voxels, `(n,)`, from features `(F, n)`, and add to the sums."""
    n_classes = network.config.out_channels
    n_voxels = features.shape[1]
    weight = network.final_conv.weight.flatten(1)
    step = _block_voxels(n_classes, weight)
    logits = weight.new_empty((n_classes, min(step, n_voxels)))
    class_map = torch.zeros(n_voxels, dtype=torch.int32, device=weight.device)
    for start in range(0, n_voxels, step):
        block = features[:, start : start + step].to(weight.dtype)
        out = logits[:, : block.shape[1]]
        torch.mm(weight, block, out=out)
        if network.final_conv.bias is not None:
            out += network.final_conv.bias[:, None]
        _label_block(network, out, class_map[start : start + step], sums, min_probability)
    return class_map


def _block_voxels(n_classes: int, features: Tensor) -> int:
    n_bytes = _BLOCK_BYTES_CPU if features.device.type == "cpu" else _BLOCK_BYTES_GPU
    return max(1, n_bytes // (n_classes * features.element_size()))


def _label_block(
    network: UNet3D, logits: Tensor, class_map: Tensor, sums: Tensor, min_probability: float
) -> None:
    """Write the classes of one block and add to the sums.

    A class can only pass where its logit beats the background's, which few voxels do: only for
    them are probabilities computed.
    """
    candidates = torch.nonzero(logits[1:].amax(0) > logits[BACKGROUND]).flatten()
    probabilities = network.activation(logits[:, candidates], dim=0)
    highest, classes = probabilities.max(0)
    passes = highest > min_probability
    classes, probabilities = classes[passes], probabilities[:, passes]
    class_map[candidates[passes]] = classes.to(class_map.dtype)
    # A product instead of index_add_, whose order of summation on a GPU changes from run to run.
    members = torch.zeros_like(probabilities).scatter_(0, classes[None], 1.0)
    sums += members @ probabilities.T


def find_detections(labels: VoxelLabels) -> tuple[NDArray[np.uint16], Detections]:
    """Return one detection for every class that is present.

    Parameters
    ----------
    labels : VoxelLabels
        Classes of the voxels.

    Returns
    -------
    instances : ndarray of uint16, shape (Z, Y, X)
        0 outside; `row + 1` where detection `row` is.
    detections : Detections
        In ascending order of their class numbers.
    """
    voxels = np.flatnonzero(labels.class_map)
    n_classes = len(labels.probability_sum)
    classes = labels.class_map.ravel()[voxels]
    count_of_class = np.bincount(classes, minlength=n_classes)
    present = np.flatnonzero(count_of_class)
    n_voxels = count_of_class[present]
    centroid_px = np.stack(
        [
            np.bincount(classes, axis_px, n_classes)[present] / n_voxels
            for axis_px in np.unravel_index(voxels, labels.class_map.shape)
        ],
        axis=1,
    )
    mean = labels.probability_sum[present] / n_voxels[:, None]
    row_of_class = np.zeros(n_classes, np.uint16)
    row_of_class[present] = np.arange(1, len(present) + 1)
    candidate_neuron, candidate_probability = _candidates(mean)
    detections = Detections(
        centroid_px=centroid_px.astype(np.float32),
        n_voxels=n_voxels.astype(np.int32),
        neuron=present.astype(np.int32),
        probability=np.clip(mean[np.arange(len(present)), present], 0, 1).astype(np.float32),
        candidate_neuron=candidate_neuron,
        candidate_probability=candidate_probability,
    )
    return row_of_class[labels.class_map], detections


def _candidates(mean: NDArray[np.float64]) -> tuple[NDArray[np.int32], NDArray[np.float32]]:
    n_rows, n_classes = mean.shape
    n_given = min(N_CANDIDATES, n_classes)
    neuron = np.full((n_rows, N_CANDIDATES), -1, np.int32)
    probability = np.full((n_rows, N_CANDIDATES), np.nan, np.float32)
    order = np.argsort(-mean, axis=1, kind="stable")[:, :n_given]
    neuron[:, :n_given] = order
    probability[:, :n_given] = np.clip(np.take_along_axis(mean, order, axis=1), 0, 1)
    return neuron, probability
