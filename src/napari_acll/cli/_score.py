"""How good a session on a simulated worm is; its truth is known."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from napari_acll.export import SavedSession
    from napari_acll.simulate import SimulatedSource, Truth

NEAR_UM = 2.0
"""A name is right if the neuron of that name is nearer than this: about one nuclear radius."""
MIN_SHARE = 0.5
"""A trace is compared if its neuron was found in this share of the volumes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Score:
    """How good the names and traces are.

    Parameters
    ----------
    is_right : ndarray of bool, shape (n_timepoints, n_neurons)
        Whether a neuron of the model was found where it is.
    is_in_view : ndarray of bool, shape (n_timepoints, n_neurons)
        Whether it could have been: its center lies inside of the volume.
    true_ratio : ndarray of float64, shape (n_timepoints, n_neurons)
        Its true F/F20; NaN for a neuron that the animal lacks.
    n_named : int
        Names given in all volumes together.
    correlation : ndarray of float64, shape (n_neurons,)
        Of the trace with the truth; NaN where there are too few values.
    """

    is_right: NDArray[np.bool_]
    is_in_view: NDArray[np.bool_]
    true_ratio: NDArray[np.float64]
    n_named: int
    correlation: NDArray[np.float64]

    @property
    def accuracy(self) -> float:
        """Share of the neurons in view that got the right name."""
        return float(self.is_right.sum() / max(1, self.is_in_view.sum()))

    @property
    def precision(self) -> float:
        """Share of the names given that are right."""
        return float(self.is_right.sum() / max(1, self.n_named))

    @property
    def n_right_per_volume(self) -> float:
        """Neurons with the right name in a volume, on average."""
        return float(self.is_right.sum(axis=1).mean()) if len(self.is_right) else 0.0

    @property
    def n_in_view_per_volume(self) -> float:
        """Neurons in view in a volume, on average."""
        return float(self.is_in_view.sum(axis=1).mean()) if len(self.is_in_view) else 0.0

    @property
    def median_correlation(self) -> float:
        """Median over the neurons that are found and named right most of the time."""
        known = self.correlation[np.isfinite(self.correlation)]
        return float(np.median(known)) if len(known) else float("nan")


def score_session(saved: "SavedSession", source: "SimulatedSource") -> Score:
    """Compare a session with the truth of the simulated recording that it ran on."""
    n_timepoints, n_neurons = saved.n_timepoints, len(saved.neurons)
    found_px = saved.read("centroid_px")
    voxel_um = np.asarray(source.spec.grid.stored_voxel_size_um())
    true_px = np.full((n_timepoints, n_neurons, 3), np.nan)
    true_ratio = np.full((n_timepoints, n_neurons), np.nan)
    for index in range(n_timepoints):
        truth = source.truth(index)
        row, neuron = _rows(truth, saved.neurons.names)
        true_px[index, neuron] = truth.centroid_px[row]
        true_ratio[index, neuron] = truth.ratio[row]
    distance_um = np.linalg.norm((found_px - true_px) * voxel_um, axis=2)
    is_right = distance_um < NEAR_UM  # false where either is NaN
    upper = np.asarray(source.spec.grid.stored_shape) - 1
    return Score(
        is_right=is_right,
        is_in_view=np.asarray(((true_px >= 0) & (true_px <= upper)).all(axis=2), np.bool_),
        true_ratio=true_ratio,
        n_named=int(np.isfinite(found_px[..., 0]).sum()),
        correlation=_correlations(saved.read("ratio"), true_ratio, is_right),
    )


def _rows(truth: "Truth", names: tuple[str, ...]) -> tuple[list[int], list[int]]:
    """Return the nuclei that the model has a name for, and the numbers of these names."""
    number = {name: index for index, name in enumerate(names)}
    pairs = [(row, number[name]) for row, name in enumerate(truth.names) if name in number]
    return [row for row, _ in pairs], [neuron for _, neuron in pairs]


def _correlations(
    ratio: NDArray[np.float32], true_ratio: NDArray[np.float64], is_right: NDArray[np.bool_]
) -> NDArray[np.float64]:
    result = np.full(ratio.shape[1], np.nan)
    for neuron in range(ratio.shape[1]):
        use = is_right[:, neuron] & np.isfinite(ratio[:, neuron])
        if use.sum() < max(3, MIN_SHARE * len(use)):
            continue
        values, truth = ratio[use, neuron].astype(np.float64), true_ratio[use, neuron]
        if values.std() > 0 and truth.std() > 0:
            result[neuron] = np.corrcoef(values, truth)[0, 1]
    return result
