"""The threshold of the detector."""

from collections.abc import Iterable

import numpy as np

from napari_acll.label import NucleusFinder, prepare
from napari_acll.training._crops import MODEL_VOXEL_UM
from napari_acll.training._matching import match_nuclei
from napari_acll.training._volumes import RenderedVolume

_THRESHOLDS = tuple(round(0.05 + 0.02 * step, 2) for step in range(25))
_MATCH_UM = 2.0


def choose_peak_threshold(finder: NucleusFinder, volumes: Iterable[RenderedVolume]) -> float:
    """Return the threshold with the best F1 of the nuclei found.

    Parameters
    ----------
    finder : NucleusFinder
        With a threshold below all that are tried.
    volumes : iterable of RenderedVolume
        Volumes that the detector was not trained on.
    """
    counts = np.zeros((len(_THRESHOLDS), 2))
    for rendered in volumes:
        counts += _counts(finder, rendered)
    right, all_ = counts.T
    return float(_THRESHOLDS[int(np.argmax(right / np.maximum(all_, 1)))])


def _counts(finder: NucleusFinder, rendered: RenderedVolume) -> np.typing.NDArray[np.float64]:
    """Return twice the matches, and detections plus nuclei, for each threshold."""
    spec = rendered.volume.spec
    prepared = prepare(
        rendered.volume.marker,
        background=0.0,
        voxel_um=spec.voxel_size_um,
        model_um=MODEL_VOXEL_UM,
    )
    found = finder.find(prepared)
    inside = rendered.truth.is_inside(spec.shape)
    true_um = rendered.truth.centroid_px[inside] * np.asarray(spec.voxel_size_um)
    result = np.zeros((len(_THRESHOLDS), 2))
    for row, threshold in enumerate(_THRESHOLDS):
        kept = found.position_um[found.height >= threshold]
        matched = match_nuclei(kept, true_um, max_distance_um=_MATCH_UM)
        result[row] = 2 * (matched >= 0).sum(), len(kept) + len(true_um)
    return result
