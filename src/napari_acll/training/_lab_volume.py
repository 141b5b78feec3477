"""One labeled volume of a lab, whatever file it came from."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from napari_acll.core import BACKGROUND, NeuronTable

UNKNOWN = -1
"""Class number of a nucleus whose name nobody gave."""

_TOUCHING = np.ones((3, 3, 3), np.bool_)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class LabVolume:
    """A volume, the classes of its voxels and the nuclei in it.

    Parameters
    ----------
    marker : ndarray of float32, shape (Z, Y, X)
        Counts, background not subtracted.
    classes : ndarray of uint16, shape (Z, Y, X)
        0 background, 1 .. n the neurons, n + 1 in nuclei whose name nobody knows.
    weight : ndarray of float32, shape (Z, Y, X)
        What a voxel counts in the loss of a voxel classifier.
    instances : ndarray of uint16, shape (Z, Y, X)
        Number of the nucleus, from 1, 0 outside.
    neurons : NeuronTable
        The n neurons.
    voxel_size_um : tuple of float
        `(Z, Y, X)`, um.
    source : str
        Where it came from, for messages.
    """

    marker: NDArray[np.float32]
    classes: NDArray[np.uint16]
    weight: NDArray[np.float32]
    instances: NDArray[np.uint16]
    neurons: NeuronTable
    voxel_size_um: tuple[float, float, float]
    source: str

    @property
    def unlabeled(self) -> int:
        """Class number in `classes` of nuclei without a known name."""
        return len(self.neurons) + 1

    def nuclei(self) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
        """Return centers and class numbers of the nuclei.

        Returns
        -------
        center_px : ndarray of float64, shape (n, 3)
            `(z, y, x)`.
        neuron : ndarray of int64, shape (n,)
            Class number; `UNKNOWN` where nobody gave a name.
        """
        n = int(self.instances.max(initial=0))
        voxels = np.flatnonzero(self.instances)
        of = self.instances.ravel()[voxels]
        count = np.maximum(np.bincount(of, minlength=n + 1), 1)
        axes = np.unravel_index(voxels, self.instances.shape)
        center = np.stack([np.bincount(of, axis, n + 1) / count for axis in axes], axis=1)
        neuron = np.zeros(n + 1, np.int64)
        neuron[of] = self.classes.ravel()[voxels]
        neuron[neuron == self.unlabeled] = UNKNOWN
        present = np.unique(of)
        return center[present], neuron[present]

    def used_classes(self, repeatable: frozenset[str]) -> NDArray[np.bool_]:
        """Return which classes no unlabeled voxel can be, as `(n + 1,)` bool.

        These are the classes that stand in this volume, the background included, but not those
        that may stand more than once.
        """
        used = np.zeros(len(self.neurons) + 2, np.bool_)
        used[np.unique(self.classes)] = True
        for index, name in enumerate(self.neurons.names):
            if name in repeatable:
                used[index + 1] = False
        return used[: self.unlabeled]


def instances_of(
    classes: NDArray[np.integer], neurons: NeuronTable, repeatable: frozenset[str]
) -> NDArray[np.uint16]:
    """Return nuclei from classes alone, as `(Z, Y, X)`.

    A neuron's voxels are one nucleus; those of a repeatable class and those without a name are
    one nucleus per connected piece, so that two of them that touch are taken for one.
    """
    several = [n + 1 for n, name in enumerate(neurons.names) if name in repeatable]
    result = np.zeros(classes.shape, np.uint16)
    n = 0
    for number in np.unique(classes):
        inside = classes == number
        if number == BACKGROUND:
            continue
        if number in (*several, len(neurons) + 1):
            pieces, n_pieces = ndimage.label(inside, _TOUCHING)
            result[inside] = pieces[inside] + n
        else:
            result[inside] = n + 1
            n_pieces = 1
        n += n_pieces
    return result
