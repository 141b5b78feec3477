"""What a forecast looks at, and what then happened, for `fit_forecast.py`."""

from dataclasses import dataclass

import numpy as np
from forecast_recordings import VOXEL_UM, Traces
from numpy.typing import NDArray

from napari_acll.core import NeuronTable, VolumeStatus
from napari_acll.quality import (
    SURE,
    TraceQuality,
    features_of,
    relative_noise,
    why_hardly_labeled,
)

FEWEST = 5
"""Samples in the rest of a recording from which on a share of them is told."""
FEWEST_LEFT = 10
"""Labeled volumes that the rest must have."""


@dataclass(frozen=True, slots=True, eq=False)
class Outcome:
    """One recording, cut in two.

    Parameters
    ----------
    name : str
        Which.
    quality : TraceQuality
        What was measured until the cut.
    features : dict of str to ndarray of float64, shape (n_neurons,)
        The same as a model sees it.
    accuracy, coverage, noise : ndarray of float64, shape (n_neurons,)
        What happened after it; NaN where it cannot be told.
    sure_accuracy, names_right : float
        Share that is right after the cut: of all sure names, of all names.
    """

    name: str
    quality: TraceQuality
    features: dict[str, NDArray[np.float64]]
    accuracy: NDArray[np.float64]
    coverage: NDArray[np.float64]
    noise: NDArray[np.float64]
    sure_accuracy: float
    names_right: float


def outcome(traces: Traces, neurons: NeuronTable, cut: int) -> Outcome | None:
    """Return what was known of a recording after so many labeled volumes, and what came then.

    Volumes that could not be labeled do not count, as in a session: it forecasts later then.

    Returns
    -------
    Outcome or None
        None where fewer volumes than that were labeled, or hardly any after it.
    """
    labeled = [sample for sample in traces.samples if sample.status is VolumeStatus.TRACED]
    if len(labeled) < cut + FEWEST_LEFT:
        return None
    quality = TraceQuality(neurons, (VOXEL_UM,) * 3)
    for sample in traces.samples[: labeled[cut - 1].index + 1]:
        quality.add(sample, novelty=float(traces.novelty[sample.index]))
    rest = labeled[cut:]
    confidence = np.array([sample.confidence for sample in rest])
    is_right = traces.is_right[[sample.index for sample in rest]]
    is_known = (is_right >= 0) & np.isfinite(confidence)
    is_sure = is_known & (confidence >= SURE)
    return Outcome(
        name=traces.name,
        quality=quality,
        features=features_of(quality.measures(), quality.animal()),
        accuracy=_share(is_right == 1, is_known, FEWEST),
        coverage=np.isfinite(confidence).mean(axis=0),
        noise=relative_noise(np.array([sample.ratio for sample in rest])),
        sure_accuracy=float((is_right[is_sure] == 1).mean()) if is_sure.any() else np.nan,
        names_right=float((is_right[is_known] == 1).mean()) if is_known.any() else np.nan,
    )


def is_hardly_labeled(traces: Traces, neurons: NeuronTable) -> bool:
    """Return whether a session warns of the recording before it has any forecast."""
    quality = TraceQuality(neurons, (VOXEL_UM,) * 3)
    for sample in traces.samples:
        quality.add(sample)
        if why_hardly_labeled(quality.animal()):
            return True
    return False


def _share(
    is_right: NDArray[np.bool_], is_known: NDArray[np.bool_], fewest: int
) -> NDArray[np.float64]:
    n = is_known.sum(axis=0)
    share = (is_right & is_known).sum(axis=0) / np.maximum(n, 1)
    return np.where(n >= fewest, share, np.nan)
