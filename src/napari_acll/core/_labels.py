"""What a labeler says about one volume."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from napari_acll.core._neurons import BACKGROUND, NeuronTable
from napari_acll.core._volume import VolumeSpec

N_CANDIDATES = 5
"""Number of most probable names that are kept for every detection."""
SIDE_DOUBT = 0.1
"""Probability of the other side from which on a name is shown with a question mark."""
NOVELTY_LIMIT = 0.5
"""One volume in a hundred of those that a model was tried on is as unlike the rest as this."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Detections:
    """Everything that was detected in one volume, one row per detection.

    Parameters
    ----------
    centroid_px : ndarray of float32, shape (n, 3)
        `(z, y, x)` centers in voxels of the volume's grid.
    n_voxels : ndarray of int32, shape (n,)
        Size of each detection's mask.
    neuron : ndarray of int32, shape (n,)
        Class number of the name that the detection got; 0 where it got none. A class number
        other than 0 stands at most once.
    probability : ndarray of float32, shape (n,)
        Probability that the assigned name is right; 0 where there is none.
    candidate_neuron : ndarray of int32, shape (n, 5)
        The five most probable class numbers, most probable first. 0 stands for "none of these";
        -1 fills up where a model gives fewer.
    candidate_probability : ndarray of float32, shape (n, 5)
        Their probabilities; NaN where `candidate_neuron` is -1.
    """

    centroid_px: NDArray[np.float32]
    n_voxels: NDArray[np.int32]
    neuron: NDArray[np.int32]
    probability: NDArray[np.float32]
    candidate_neuron: NDArray[np.int32]
    candidate_probability: NDArray[np.float32]

    def __len__(self) -> int:
        return len(self.neuron)

    def side_swap_probability(self, neurons: NeuronTable) -> NDArray[np.float32]:
        """Return how probable it is that a name should be that of the other body side.

        Parameters
        ----------
        neurons : NeuronTable
            The neurons of the model that gave the names.

        Returns
        -------
        ndarray of float32, shape (n,)
            Probability of the homologue (`AVAR` for `AVAL`) among the five candidates; 0 where it
            is not among them, where the neuron has none, and where there is no name.
        """
        other = np.array([0, *neurons.homologues()], np.int32)[self.neuron]
        is_other = (self.candidate_neuron == other[:, None]) & (other[:, None] > 0)
        chance = np.where(is_other, self.candidate_probability, 0.0).sum(axis=1)
        return np.asarray(chance, np.float32)

    def side_doubt(self, neurons: NeuronTable) -> NDArray[np.bool_]:
        """Return which names may well be those of the other body side.

        Parameters
        ----------
        neurons : NeuronTable
            The neurons of the model that gave the names.

        Returns
        -------
        ndarray of bool, shape (n_neurons,)
            Where the name was given and the other side has at least `SIDE_DOUBT`.
        """
        has_doubt = np.zeros(len(neurons), np.bool_)
        is_doubtful = self.side_swap_probability(neurons) >= SIDE_DOUBT
        has_doubt[self.neuron[is_doubtful & (self.neuron > 0)] - 1] = True
        return has_doubt

    @classmethod
    def none(cls) -> "Detections":
        """Return the table of a volume in which nothing was detected."""
        return cls(
            centroid_px=np.zeros((0, 3), np.float32),
            n_voxels=np.zeros(0, np.int32),
            neuron=np.zeros(0, np.int32),
            probability=np.zeros(0, np.float32),
            candidate_neuron=np.zeros((0, N_CANDIDATES), np.int32),
            candidate_probability=np.zeros((0, N_CANDIDATES), np.float32),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class LabeledVolume:
    """The instances of one volume and the names that they got.

    Parameters
    ----------
    index : int
        Number of the volume in the recording.
    spec : VolumeSpec
        Geometry of the volume that was labeled.
    instances : ndarray of uint16, shape (Z, Y, X)
        0 outside; `row + 1` where detection `row` is.
    detections : Detections
        One row per instance.
    is_labelable : bool
        False where the labeler found the volume unfit (empty, out of focus); there are then no
        names, and `why_not` says why.
    why_not : str
        The reason, empty if labelable.
    novelty : float
        How unlike everything that the model knows the volume looks, 0 (usual) to 1; from 0.5 on
        hardly any volume that the model was tried on was as odd. NaN if the labeler does not say.
    why_novel : str
        What is odd about it, as part of a sentence; empty below 0.5.
    handedness : float
        How many more names agree with each other than would in the volume's mirror image; below 0
        the mirror image fits better. Single volumes often err. NaN if the labeler does not say;
        the bundled one says it of every fourth.
    said : Detections, optional
        What the model said of this volume alone, where identities over time or corrections have
        changed it: the same rows with other names. None where nothing was changed.
    """

    index: int
    spec: VolumeSpec
    instances: NDArray[np.uint16]
    detections: Detections
    is_labelable: bool = True
    why_not: str = ""
    novelty: float = float("nan")
    why_novel: str = ""
    handedness: float = float("nan")
    said: Detections | None = None

    @property
    def by_model(self) -> Detections:
        """What the model said of this volume alone."""
        return self.detections if self.said is None else self.said

    def labels(self, n_neurons: int) -> NDArray[np.uint8] | NDArray[np.uint16]:
        """Return the class number at each voxel, background where there is no named neuron.

        Parameters
        ----------
        n_neurons : int
            Neurons of the model, which decides the dtype: uint8 up to 255, uint16 above.

        Returns
        -------
        ndarray of uint8 or uint16, shape (Z, Y, X)
        """
        dtype = np.dtype(np.uint8 if n_neurons <= np.iinfo(np.uint8).max else np.uint16)
        class_of_instance = np.full(len(self.detections) + 1, BACKGROUND, dtype)
        class_of_instance[1:] = self.detections.neuron
        labels = np.empty(self.instances.shape, dtype)
        # by planes, which stay in the cache; "clip" alone writes into `out` without a copy
        for plane, out in zip(self.instances, labels, strict=True):
            np.take(class_of_instance, plane, out=out, mode="clip")
        return labels
