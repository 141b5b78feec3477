"""Measures of labels that might tell which names are right, for `measure_forecast_limit.py`."""

from collections.abc import Sequence

import numpy as np
from forecast_recordings import Labels, filter_of
from numpy.typing import NDArray

from napari_acll.core import Detections, LabeledVolume, NeuronTable

Floats = NDArray[np.float64]

_LEAST = 0.005
_N_NEIGHBORS = 5
_SHRINK = 4.0
"""Animals that a name's record must outweigh."""


def measures_of(
    labels: Labels, identity: str, neurons: NeuronTable, n_labeled: int
) -> dict[str, Floats]:
    """Return what the first labeled volumes say of each name beside its probability.

    Parameters
    ----------
    labels : Labels
        Of the recording.
    identity : str
        Name of the identity filter, `none` for each volume by itself.
    neurons : NeuronTable
        The neurons of the model.
    n_labeled : int
        How many labeled volumes count.

    Returns
    -------
    dict of str to ndarray of float64, shape (n_neurons,)
        Logits of mean chances, logarithms of what is positive; NaN where it is not known.
    """
    identity_filter = filter_of(identity, neurons)
    columns: dict[str, list[Floats]] = {}
    index = n_seen = 0
    while n_seen < n_labeled:
        single = labels.labeled(index)
        index += 1
        shown = single if identity_filter is None else identity_filter.update(single)
        if not shown.is_labelable or not len(shown.detections):
            continue
        n_seen += 1
        for key, values in _of_volume(shown, single.detections, neurons).items():
            columns.setdefault(key, []).append(values)
    means = {key: mean_of(values) for key, values in columns.items()}
    return _on_their_scales(means, np.asarray(neurons.homologues()))


def mean_of(values: Sequence[Floats]) -> Floats:
    """Return the mean over volumes of what is known, NaN where nothing is."""
    table = np.array(values)
    n = np.isfinite(table).sum(axis=0)
    return np.where(n > 0, np.nansum(table, axis=0) / np.maximum(n, 1), np.nan)


def record_of_names(
    error: Floats, name: NDArray[np.int64], animal: NDArray[np.int64], n_names: int
) -> tuple[Floats, Floats]:
    """Return how much more often than expected each name was right in other animals.

    Parameters
    ----------
    error : ndarray of float64, shape (n,)
        Accuracy of each neuron minus what was expected of it.
    name, animal : ndarray of int64, shape (n,)
        Row of its name, and number of its animal.
    n_names : int
        How many names there are.

    Returns
    -------
    of_names : ndarray of float64, shape (n_names,)
        The mean over all animals, drawn to 0; 0 for a name that was never seen.
    of_rows : ndarray of float64, shape (n,)
        The same over the animals other than its own.
    """
    total, count = np.zeros(n_names), np.zeros(n_names)
    np.add.at(total, name, error)
    np.add.at(count, name, 1.0)
    of_rows = np.zeros(len(error))
    for number in np.unique(animal):
        own = animal == number
        rest, n = total.copy(), count.copy()
        np.subtract.at(rest, name[own], error[own])
        np.subtract.at(n, name[own], 1.0)
        of_rows[own] = (rest / (n + _SHRINK))[name[own]]
    return total / (count + _SHRINK), of_rows


def _of_volume(
    labeled: LabeledVolume, single: Detections, neurons: NeuronTable
) -> dict[str, Floats]:
    found = labeled.detections
    neuron = np.where(found.candidate_neuron >= 0, found.candidate_neuron, 0)
    chance = np.nan_to_num(found.candidate_probability)
    is_own = neuron == found.neuron[:, None]
    is_name = neuron > 0
    of_name = np.zeros(len(neurons) + 1)
    np.add.at(of_name, neuron[is_name], chance[is_name])
    own_single = single.candidate_neuron == found.neuron[:, None]
    values = {
        "confidence": found.probability,
        "second": np.where(is_name & ~is_own, chance, 0.0).max(axis=1),
        "no name": np.where(~is_name, chance, 0.0).sum(axis=1),
        "other side": found.side_swap_probability(neurons),
        "agreement": (single.neuron == found.neuron).astype(np.float64),
        "single volumes": np.where(
            own_single, np.nan_to_num(single.candidate_probability), 0.0
        ).sum(axis=1),
        "rivals": of_name[found.neuron] - np.where(is_own, chance, 0.0).sum(axis=1),
        "size": np.log(np.maximum(found.n_voxels, 1)),
        **{axis: found.centroid_px[:, number] for number, axis in enumerate("zyx")},
    }
    by_name = {key: _by_name(found, column, len(neurons)) for key, column in values.items()}
    of_all = {"novelty": labeled.novelty, "n nuclei": float(len(found))}
    return by_name | {key: np.full(len(neurons), value) for key, value in of_all.items()}


def _by_name(found: Detections, values: NDArray[np.floating], n_names: int) -> Floats:
    result = np.full(n_names, np.nan)
    is_named = found.neuron > 0
    result[found.neuron[is_named] - 1] = values[is_named]
    return result


def _on_their_scales(means: dict[str, Floats], homologue: NDArray[np.int64]) -> dict[str, Floats]:
    own, has_partner = logit(means["confidence"]), homologue > 0
    distance_px = _distances_px(np.column_stack([means[axis] for axis in "zyx"]))
    nearest = np.argsort(distance_px, axis=1)[:, :_N_NEIGHBORS]
    return {
        "margin to the second name": own - logit(means["second"]),
        "chance of no name": logit(means["no name"]),
        "chance of the other side": logit(means["other side"]),
        "single volumes that agree": logit(means["agreement"]),
        "chance in single volumes": logit(means["single volumes"]),
        "other nuclei that claim the name": np.log(np.maximum(means["rivals"], _LEAST)),
        "confidence of the partner": np.where(has_partner, own[homologue - 1], np.nan),
        "confidence of five neighbors": own[nearest].mean(axis=1),
        "distance of the next one": np.log(np.maximum(distance_px.min(axis=1), 1e-3)),
        "size": means["size"] - np.nanmedian(means["size"]),
        "novelty of the animal": means["novelty"],
        "nuclei of the animal": means["n nuclei"],
    }


def _distances_px(position_px: Floats) -> Floats:
    distance_px = np.linalg.norm(position_px[:, None] - position_px[None], axis=2)
    np.fill_diagonal(distance_px, np.inf)
    return np.where(np.isfinite(distance_px), distance_px, 1e6)


def logit(share: Floats) -> Floats:
    """Return the logit of shares, of which none counts as nearer to 0 or 1 than 0.005."""
    clipped = np.clip(share, _LEAST, 1 - _LEAST)
    result: Floats = np.log(clipped) - np.log1p(-clipped)
    return result
