"""The thresholds of the detector."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from napari_acll.label import NucleusFinder, prepare
from napari_acll.simulate import Anatomy, WormSettings
from napari_acll.training._crops import MODEL_VOXEL_UM, as_painted, on_grid
from napari_acll.training._matching import match_nuclei
from napari_acll.training._painted import PaintedVolume, paint_random
from napari_acll.training._volumes import render_random, render_shape

_PEAKS = tuple(round(0.05 + 0.02 * step, 2) for step in range(25))
_FOREGROUNDS = tuple(round(0.2 + 0.05 * step, 2) for step in range(11))
_MATCH_UM = 2.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Thresholds:
    """From which probability on something counts.

    Parameters
    ----------
    peak : float
        Smoothed probability of a center.
    foreground : float
        Probability of a voxel to belong to a nucleus.
    """

    peak: float
    foreground: float


def threshold_volumes(
    anatomy: Anatomy, n: int, *, seed: tuple[int, ...]
) -> Iterator[PaintedVolume]:
    """Yield volumes of new animals: on the usual rig, on a random one and painted, by turns.

    Thresholds that are best on one rig need not be so on another; these shall do on all.

    Parameters
    ----------
    anatomy : Anatomy
        Where the animals come from.
    n : int
        Volumes.
    seed : tuple of int
        Decides them.
    """
    rng = np.random.default_rng(seed)
    for index in range(n):
        if index % 3 == 0:
            shape, number = anatomy.sample(rng), int(rng.integers(2**31))
            yield as_painted(render_shape(shape, WormSettings(n_volumes=1), seed=number))
        elif index % 3 == 1:
            yield as_painted(render_random(anatomy, rng))
        else:
            yield paint_random(anatomy, rng)


def choose_thresholds(finder: NucleusFinder, volumes: Iterable[PaintedVolume]) -> Thresholds:
    """Return the thresholds with the best F2 of the nuclei and the best overlap of the foreground.

    Every volume counts the same. F2 asks for recall first: a nucleus that was missed is lost to
    all that follows, while clutter can still be told to be none of the neurons.

    Parameters
    ----------
    finder : NucleusFinder
        With a threshold of peaks below all that are tried.
    volumes : iterable of PaintedVolume
        Volumes that the detector was not trained on.
    """
    scores = [_scores(finder, volume) for volume in volumes]
    f2, overlap = (np.mean([score[part] for score in scores], axis=0) for part in (0, 1))
    return Thresholds(
        peak=_PEAKS[int(np.argmax(f2))], foreground=_FOREGROUNDS[int(np.argmax(overlap))]
    )


def _scores(
    finder: NucleusFinder, volume: PaintedVolume
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the F2 for each threshold of peaks, the overlap for each of the foreground."""
    prepared = prepare(
        volume.marker,
        background=0.0,
        voxel_um=volume.voxel_size_um,
        model_um=MODEL_VOXEL_UM,
    )
    centroid_px, masks = on_grid(volume, prepared.image.shape)
    found = finder.find(prepared)
    true_um = centroid_px * np.asarray(prepared.voxel_size_um)
    f2 = [_f2(found.position_um[found.height >= peak], true_um) for peak in _PEAKS]
    logit = finder.logits(prepared.image)[1]
    overlap = [_overlap(logit >= np.log(p / (1 - p)), masks > 0) for p in _FOREGROUNDS]
    return np.array(f2), np.array(overlap)


def _f2(found_um: NDArray[np.float64], true_um: NDArray[np.float64]) -> float:
    matched = match_nuclei(found_um, true_um, max_distance_um=_MATCH_UM)
    return float(5 * (matched >= 0).sum() / max(len(found_um) + 4 * len(true_um), 1))


def _overlap(found: NDArray[np.bool_], true: NDArray[np.bool_]) -> float:
    """Return intersection over union."""
    return float((found & true).sum() / max((found | true).sum(), 1))
