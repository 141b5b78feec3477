"""How good a voxel classifier is on volumes that it does not learn from."""

from collections.abc import Iterable
from dataclasses import asdict, dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from napari_acll.label import label_voxels
from napari_acll.training._unet3d_augmentation import VoxelBatch
from napari_acll.training._unet3d_network import VoxelClassifier


@dataclass(frozen=True, slots=True, kw_only=True)
class VoxelScores:
    """What was measured, as means over volumes.

    Parameters
    ----------
    loss : float
        Of all voxels.
    iou : float
        Intersection over union of a neuron's voxels, over the neurons that are there.
    right : float
        Share of named nuclei in which the right neuron has the most voxels of all neurons.
    """

    loss: float
    iou: float
    right: float

    def as_dict(self) -> dict[str, float]:
        """Return the scores by name."""
        return asdict(self)


def validate(classifier: VoxelClassifier, batches: Iterable[VoxelBatch]) -> VoxelScores:
    """Return the scores on some volumes; the network is left in the mode it was in.

    Parameters
    ----------
    classifier : VoxelClassifier
        Network on the device of the volumes.
    batches : iterable of VoxelBatch
        Volumes.
    """
    was_training = classifier.training
    classifier.eval()
    rows: list[tuple[float, float, float]] = []
    with torch.no_grad():
        for batch in batches:
            loss = float(classifier(batch.image, batch.target, batch.weight, batch.used))
            predicted = predicted_classes(classifier, batch)
            rows.append((loss, *_overlap(predicted, batch.target.cpu().numpy(), len(batch.used))))
    classifier.train(was_training)
    loss, iou, right = np.mean(rows, axis=0)
    return VoxelScores(loss=float(loss), iou=float(iou), right=float(right))


def predicted_classes(classifier: VoxelClassifier, batch: VoxelBatch) -> NDArray[np.uint16]:
    """Return the most probable class of every voxel, `(Z, Y, X)`."""
    return label_voxels(classifier.network, batch.image, min_probability=0.0).class_map


def _overlap(
    predicted: NDArray[np.integer], target: NDArray[np.integer], n_classes: int
) -> tuple[float, float]:
    """Return mean IoU and the share of nuclei that are named right, of the neurons in `target`."""
    is_known = target < n_classes
    pairs = target[is_known].astype(np.int64) * n_classes + predicted[is_known]
    table = np.bincount(pairs, minlength=n_classes**2).reshape(n_classes, n_classes)
    inside = table.diagonal()
    union = table.sum(0) + table.sum(1) - inside
    there = np.flatnonzero(table.sum(1)[1:]) + 1
    if not len(there):
        return 0.0, 0.0
    votes = table[there, 1:]
    is_right = (votes.argmax(1) + 1 == there) & (votes.max(1) > 0)
    return float((inside[there] / union[there]).mean()), float(is_right.mean())
