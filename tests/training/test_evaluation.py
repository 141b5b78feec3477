from types import SimpleNamespace

import numpy as np
import pytest

from napari_acll.core import Detections, NeuronTable, VolumeSpec, VoxelGrid
from napari_acll.training import score_detections, summarize
from napari_acll.training._calibration import calibration_error, fit_calibration
from napari_acll.training._matching import match_nuclei

NEURONS = NeuronTable(("AVAL", "AVAR", "RIML"))


def rendered(centroid_px, names, is_listed):
    """Just enough of a rendered volume: nuclei on a grid of 1 um."""
    grid = VoxelGrid.as_stored((10, 40, 40), (1.0, 1.0, 1.0))
    classes = [NEURONS.class_number(name) if name else 0 for name in names]
    truth = SimpleNamespace(
        centroid_px=np.asarray(centroid_px, float),
        is_listed=np.asarray(is_listed),
        is_inside=lambda _: np.ones(len(names), bool),
        class_numbers=lambda _: np.asarray(classes),
    )
    return SimpleNamespace(
        truth=truth, volume=SimpleNamespace(spec=VolumeSpec(grid=grid, period_s=0.6))
    )


def detections(centroid_px, neuron, probability, candidates=None):
    n = len(neuron)
    listed = np.full((n, 5), -1, np.int32)
    listed[:, : (1 if candidates is None else np.shape(candidates)[1])] = (
        np.reshape(neuron, (n, 1)) if candidates is None else candidates
    )
    return Detections(
        centroid_px=np.asarray(centroid_px, np.float32),
        n_voxels=np.ones(n, np.int32),
        neuron=np.asarray(neuron, np.int32),
        probability=np.asarray(probability, np.float32),
        candidate_neuron=listed,
        candidate_probability=np.where(listed >= 0, 0.2, np.nan).astype(np.float32),
    )


PLACES = [[5, 5, 5], [5, 5, 15], [5, 5, 25], [5, 30, 30]]
TRUTH = rendered(PLACES, ["AVAL", "AVAR", "RIML", ""], [True, True, False, False])


def test_a_missed_nucleus_is_not_right():
    score = score_detections(detections([PLACES[0]], [1], [0.9]), TRUTH, NEURONS)
    assert (score.n_listed, score.n_right, score.n_true, score.n_matched) == (2, 1, 4, 1)


def test_right_wrong_and_confident_names_are_told_apart():
    found = detections(
        PLACES, [2, 1, 3, 0], [0.9, 0.5, 0.8, 0.0], [[2, 1], [1, 3], [3, 0], [0, 1]]
    )
    score = score_detections(found, TRUTH, NEURONS)
    assert score.n_right == 0
    assert score.n_right_in_3 == 1
    assert (score.n_confident, score.n_confident_right) == (1, 0)
    # the third is not listed and sure of its name, which happens to be the true one
    assert (score.n_unlisted, score.n_unlisted_confident, score.n_unlisted_wrong) == (2, 1, 0)


def test_none_of_these_is_not_one_of_the_first_three_names():
    found = detections([PLACES[0]], [0], [0.0], [[0, 2, 3, 1]])
    assert score_detections(found, TRUTH, NEURONS).n_right_in_3 == 1


def test_scores_are_shares_over_all_volumes_and_name_the_worst():
    good = score_detections(detections(PLACES[:2], [1, 2], [0.9, 0.9]), TRUTH, NEURONS)
    bad = score_detections(detections(PLACES[:2], [1, 3], [0.9, 0.9]), TRUTH, NEURONS)
    scores = summarize([good, bad])
    assert scores.right == 0.75
    assert scores.least_right == 0.5
    assert scores.right_if_confident == 0.75
    assert scores.share_confident == 1.0
    assert scores.detection_f1 == pytest.approx(2 * 4 / (8 + 4))


def test_matching_is_one_to_one_and_near():
    found = np.array([[0, 0, 0], [0, 0, 1], [0, 0, 50.0]])
    true = np.array([[0, 0, 0.4], [0, 0, 90.0]])
    matched = match_nuclei(found, true, max_distance_um=3.0)
    assert matched.tolist() == [0, -1, -1]
    assert match_nuclei(found[:0], true, max_distance_um=3.0).shape == (0,)


def test_honest_probabilities_have_no_calibration_error():
    rng = np.random.default_rng(0)
    probability = rng.uniform(0, 1, 100_000)
    is_right = rng.random(100_000) < probability
    assert calibration_error(probability, is_right) < 0.01
    assert calibration_error(np.full(1000, 0.9), np.arange(1000) < 500) == pytest.approx(0.4)


def test_the_temperature_that_made_the_names_is_found():
    rng = np.random.default_rng(1)
    logits, true = [], []
    for _ in range(40):
        part = rng.normal(0, 2, (40, 90))
        chance = np.exp(part / 1.0)
        chance /= chance.sum(1, keepdims=True)
        true.append(np.array([rng.choice(90, p=row) for row in chance]))
        logits.append(part * 2.5)
    calibration = fit_calibration(logits, true, fitted_on="made up")
    assert calibration.temperature == pytest.approx(2.5, rel=0.15)
