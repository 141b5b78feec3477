import numpy as np
import pytest

from napari_acll.core import Detections, NeuronTable, calibration_label, calibration_notice

TABLE = NeuronTable(("AVAL", "AVAR", "ALA", "AVL", "RMDDL", "RMDDR"))


def test_partners_differ_in_the_last_letter_and_are_both_known():
    assert TABLE.homologues() == (2, 1, 0, 0, 6, 5)


def detections(neuron, candidates, chances):
    n = len(neuron)
    pad = [(0, 0), (0, 5 - len(candidates[0]))]
    return Detections(
        centroid_px=np.zeros((n, 3), np.float32),
        n_voxels=np.ones(n, np.int32),
        neuron=np.array(neuron, np.int32),
        probability=np.array([row[0] for row in chances], np.float32),
        candidate_neuron=np.pad(np.array(candidates, np.int32), pad, constant_values=-1),
        candidate_probability=np.pad(np.array(chances, np.float32), pad, constant_values=np.nan),
    )


def test_the_other_side_is_as_likely_as_its_candidate():
    found = detections(
        [1, 3, 0, 6],
        [[1, 2, 0], [3, 1, 2], [0, 1, 2], [6, 1, 2]],
        [[0.7, 0.2, 0.1], [0.9, 0.05, 0.05], [0.5, 0.3, 0.2], [0.6, 0.3, 0.1]],
    )
    np.testing.assert_allclose(found.side_swap_probability(TABLE), [0.2, 0, 0, 0], atol=1e-6)
    assert Detections.none().side_swap_probability(TABLE).shape == (0,)


@pytest.mark.parametrize(
    ("model", "label", "words"),
    [
        ({"calibration": {"domain": "simulation"}}, "simulation only", "simulation only"),
        ({"calibration": {"temperature": 1.0}}, "simulation only", "acll calibrate-names"),
        ({"calibration": {"domain": "rig", "rig": "two"}}, "rig two", "calibrated on rig two"),
        ({"calibration": None}, "", "never calibrated"),
        ({}, "", "never calibrated"),
    ],
)
def test_a_model_says_what_its_probabilities_are_worth(model, label, words):
    assert calibration_label(model) == label
    assert words in calibration_notice(model)
