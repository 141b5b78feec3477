"""How unlike everything that a model knows a volume looks.

A dozen statistics of the nuclei, of their names and of the image are compared with those of the
volumes that the model was calibrated on. None of them needs the truth, so this works on any
recording; that a model is confident is only one of them, for a network can be sure and wrong.

References
----------
Lee et al., A simple unified framework for detecting out-of-distribution samples, NeurIPS 2018:
Mahalanobis distance to what is known, here of statistics that mean something to a user.
"""

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field

Floats = NDArray[np.float64]

_FLOORS = {
    "n_nuclei": 0.10,
    "sharpness": 0.04,
    "spacing": 0.06,
    "radius": 0.10,
    "length": 0.07,
    "width": 0.10,
    "depth": 0.10,
    "agreement": 0.35,
    "named": 0.04,
    "residual": 0.15,
    "scale": 0.07,
    "handedness": 0.02,
}
"""SD of each statistic that is forgiven beside the one that the known volumes have: another
microscope makes another image, and that alone is no reason to warn."""
STATISTICS = tuple(_FLOORS)
_TOLD_FROM = 2.5
"""SDs from which on a statistic is named as a reason."""
_HANDEDNESS = STATISTICS.index("handedness")
_AGREEMENT = STATISTICS.index("agreement")
_N_SD_MIRRORED = 2.6
"""Alone, a handedness so many SDs too low is odd: nothing else tells of a mirrored stack."""
_SURE = 0.3
_LEAST_NAMES = 12
_N_AGREEING = 60

_TOO_LITTLE = {
    "n_nuclei": "few nuclei were found",
    "sharpness": "the image is blurred",
    "spacing": "nuclei lie close together",
    "radius": "nuclei are small",
    "length": "the head is short",
    "width": "the head is narrow",
    "depth": "the head is flat",
    "agreement": "names contradict each other",
    "named": "many nuclei fit no name",
    "residual": "names fit the average animal unusually well",
    "scale": "the head is large, check the voxel size",
    "handedness": "it may be mirrored, check the orientation of the axes",
}
_TOO_MUCH = {
    "n_nuclei": "many nuclei were found",
    "sharpness": "the image is unusually sharp or coarse",
    "spacing": "nuclei lie far apart",
    "radius": "nuclei are large",
    "length": "the head is long",
    "width": "the head is wide",
    "depth": "the head is thick",
    "agreement": "names are unusually sure",
    "named": "hardly a nucleus is without a name",
    "residual": "names lie far from their places in the average animal",
    "scale": "the head is small, check the voxel size",
}


class NoveltyReference(BaseModel):
    """What the volumes that a model knows look like: one number per statistic and pair of them."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    statistics: tuple[str, ...] = Field(STATISTICS, description="Their names, in order.")
    center: tuple[float, ...] = Field(description="Median of each.")
    precision: tuple[tuple[float, ...], ...] = Field(
        description="Inverse of their covariance, forgiven SDs included."
    )
    spread: tuple[float, ...] = Field(description="SD of each, the forgiven one included.")
    limit: float = Field(gt=0, description="Squared distance of the oddest volume in 100.")
    handedness_limit: float = Field(
        gt=0, description="Fall of the handedness of the oddest volume in 100."
    )
    lowest_agreement: float = Field(
        0.0, ge=0, le=1, description="Agreement of names of the volume that agreed least in 100."
    )
    n_volumes: int = Field(ge=0, description="Volumes that it was fitted on.")

    @classmethod
    def fitted(cls, statistics: Floats) -> "NoveltyReference":
        """Return the reference of known volumes.

        Parameters
        ----------
        statistics : ndarray of float64, shape (n, s)
            Of volumes, in the order of `STATISTICS`; NaN where one could not be told.

        Raises
        ------
        ValueError
            If there are fewer than five volumes.
        """
        n = len(statistics)
        if n < 5:
            raise ValueError(f"Expected statistics of at least 5 volumes, got {n}.")
        fold = np.arange(n) % 5
        left_out = np.empty(n)
        for number in range(5):
            center, covariance = _moments(statistics[fold != number])
            z = _filled(statistics[fold == number], center)
            left_out[fold == number] = np.einsum("ij,ij->i", z @ np.linalg.inv(covariance), z)
        center, covariance = _moments(statistics)
        # so few volumes tell little of the last one in a hundred; of the last twenty, more
        most, last = (float(np.quantile(left_out, share)) for share in (0.95, 0.99))
        limit = min(max(last, 1.3 * most), 1.8 * most)
        precision = np.linalg.inv(covariance)
        return cls(
            center=tuple(center.tolist()),
            precision=tuple(tuple(row) for row in precision.tolist()),
            spread=tuple(np.sqrt(np.diag(covariance)).tolist()),
            limit=limit,
            handedness_limit=_N_SD_MIRRORED * _robust_sd(statistics[:, _HANDEDNESS]),
            lowest_agreement=_share_of(float(np.nanquantile(statistics[:, _AGREEMENT], 0.01))),
            n_volumes=n,
        )

    def novelty(self, statistics: Floats) -> float:
        """Return how odd a volume is, 0 to 1; 0.5 at the limit.

        Parameters
        ----------
        statistics : ndarray of float64, shape (s,)
            Of one volume; NaN where one could not be told.
        """
        z = _filled(statistics[None], np.asarray(self.center))[0]
        square = float((z * (np.asarray(self.precision) @ z)).sum())
        fall = max(-float(z[_HANDEDNESS]), 0.0) ** 2
        mirrored = fall / (fall + self.handedness_limit**2)
        return max(square / (square + self.limit), mirrored)

    def reasons(self, statistics: Floats, *, n_most: int = 3) -> str:
        """Return what is odd about a volume, as part of a sentence.

        Parameters
        ----------
        statistics : ndarray of float64, shape (s,)
            Of one volume.
        n_most : int
            Reasons to give at most, the strongest first.
        """
        difference = _filled(statistics[None], np.asarray(self.center))[0]
        z = difference / np.asarray(self.spread)
        z[_HANDEDNESS] = min(_TOLD_FROM * difference[_HANDEDNESS] / self.handedness_limit, 0.0)
        order = [int(i) for i in np.argsort(-np.abs(z)) if abs(z[i]) >= _TOLD_FROM]
        told = [
            (_TOO_LITTLE if z[i] < 0 else _TOO_MUCH)[self.statistics[i]] for i in order[:n_most]
        ]
        return "; ".join(told) or "many things are a little unusual"

    def least_agreement(self) -> float:
        """Return the agreement of names below which they are guesses, 0 to 1.

        No known volume is refused: where names disagree no more than there, they are shown with
        the low probabilities that they deserve.
        """
        usual = _share_of(self.center[_AGREEMENT])
        return min(_LEAST_SHARE_OF_AGREEMENT * usual, _BELOW_ALL_KNOWN * self.lowest_agreement)


_LEAST_SHARE_OF_AGREEMENT = 0.82
"""Names of nuclei placed at random agree by 0.77 of the usual, those of dim volumes by 0.93."""
_BELOW_ALL_KNOWN = 0.95


def _share_of(logit: float) -> float:
    return 1 / (1 + math.exp(-logit))


def _moments(statistics: Floats) -> tuple[Floats, Floats]:
    center = np.nanmedian(statistics, axis=0)
    z = _filled(statistics, center)
    covariance: Floats = z.T @ z / len(z) + np.diag(np.square(list(_FLOORS.values())))
    return center, covariance


def _robust_sd(values: Floats) -> float:
    """Return the SD of the lower half, which is what a fall is measured by."""
    known = values[np.isfinite(values)]
    if not len(known):
        return 1.0
    middle = float(np.median(known))
    return max(float(np.sqrt(np.mean((known[known <= middle] - middle) ** 2))), 1e-3)


def _filled(statistics: Floats, center: Floats) -> Floats:
    """Return differences from the center, none where a statistic could not be told."""
    z: Floats = np.nan_to_num(statistics - center, nan=0.0, posinf=0.0, neginf=0.0)
    return z


def agreement_of(chance: Floats) -> float:
    """Return how sure the surest 60 names are, 0 to 1.

    Parameters
    ----------
    chance : ndarray of float64, shape (n, k + 1)
        One-to-one probabilities before the last step of the calibration.
    """
    if not len(chance):
        return 0.0
    surest = np.sort(chance[:, 1:].max(axis=0))[-_N_AGREEING:]
    return float(surest.sum() / min(_N_AGREEING, chance.shape[1] - 1))


def volume_statistics(
    position_um: Floats,
    radius_um: NDArray[np.floating],
    *,
    chance: Floats,
    neuron: NDArray[np.integer],
    atlas_um: Floats,
    homologues: Sequence[int],
    sharpness: float,
) -> Floats:
    """Return the statistics of one volume, in the order of `STATISTICS`.

    Parameters
    ----------
    position_um : ndarray of float64, shape (n, 3)
        Nuclei, `(z, y, x)`.
    radius_um : ndarray of float, shape (n,)
        Their radii.
    chance : ndarray of float64, shape (n, k + 1)
        One-to-one probabilities before the last step of the calibration.
    neuron : ndarray of int, shape (n,)
        Class numbers of the names that were given, 0 for none.
    atlas_um : ndarray of float64, shape (k, 3)
        Where the neurons lie in the average animal.
    homologues : sequence of int
        `NeuronTable.homologues()`.
    sharpness : float
        Of the image.
    """
    result = np.full(len(STATISTICS), np.nan)
    values = {"sharpness": sharpness}
    if len(position_um) > 3:
        trust = chance[np.arange(len(neuron)), neuron]
        values |= _arrangement(position_um, radius_um)
        values |= {"named": float((neuron > 0).mean()), "agreement": _logit(agreement_of(chance))}
        is_sure = (neuron > 0) & (trust > _SURE)
        if is_sure.sum() >= _LEAST_NAMES:
            values |= _fit_of_names(
                position_um[is_sure],
                neuron[is_sure],
                trust[is_sure],
                atlas_um=atlas_um,
                homologues=np.asarray(homologues),
            )
    for name, value in values.items():
        result[STATISTICS.index(name)] = value
    return result


def _logit(share: float) -> float:
    inside = min(max(share, 1e-3), 1 - 1e-3)
    return float(np.log(inside / (1 - inside)))


def _arrangement(position_um: Floats, radius_um: NDArray[np.floating]) -> dict[str, float]:
    from scipy.spatial import cKDTree

    nearest = cKDTree(position_um).query(position_um, 2)[0][:, 1]
    variance = np.linalg.eigvalsh(np.cov(position_um.T))
    depth, width, length = 0.5 * np.log(np.maximum(variance, 1e-6))
    return {
        "n_nuclei": float(np.log(len(position_um))),
        "spacing": float(np.log(np.median(nearest) + 1e-3)),
        "radius": float(np.log(np.median(radius_um) + 1e-3)),
        "length": float(length),
        "width": float(width),
        "depth": float(depth),
    }


def _fit_of_names(
    position_um: Floats,
    neuron: NDArray[np.integer],
    trust: Floats,
    *,
    atlas_um: Floats,
    homologues: NDArray[np.int64],
) -> dict[str, float]:
    """Return how well names fit the average animal, and how much worse with sides swapped.

    A posture is never mirrored, so in a mirrored volume all names change sides; how far left and
    right differ in the animal then tells for the other side.
    """
    other = np.where(homologues[neuron - 1] > 0, homologues[neuron - 1], neuron)
    error, matrix = _affine_errors(position_um, atlas_um[neuron - 1], trust)
    swapped, _ = _affine_errors(position_um, atlas_um[other - 1], trust)
    return {
        "residual": float(np.log(np.average(error, weights=trust) + 1e-3)),
        "scale": float(np.log(abs(np.linalg.det(matrix)) + 1e-9) / 3),
        "handedness": _closeness(error, trust) - _closeness(swapped, trust),
    }


def _affine_errors(source: Floats, target: Floats, trust: Floats) -> tuple[Floats, Floats]:
    design = np.c_[source - source.mean(0), np.ones(len(source))]
    weight = trust
    for _ in range(3):
        root = np.sqrt(weight)[:, None]
        found = np.linalg.lstsq(design * root, target * root, rcond=None)[0]
        error = np.linalg.norm(design @ found - target, axis=1)
        weight = trust / (1 + (error / 5.0) ** 2)
    return error, found[:3]


def _closeness(error: Floats, trust: Floats) -> float:
    return float(np.average(-np.log1p((error / 4.0) ** 2), weights=trust))
