"""Names against truth, counted by hand."""

import math
from dataclasses import replace

import numpy as np
import pytest
from scipy.optimize import linear_sum_assignment
from scipy.spatial.distance import cdist
from tests.evaluation.made_up import GRID, HERE, PLACES, all_right, given, truth

from napari_acll.core import (
    Detections,
    ModelError,
    NeuronTable,
    RecordingError,
    SettingsError,
    SourceSettings,
)
from napari_acll.evaluation import (
    GivenNames,
    TrueNuclei,
    evaluate_session,
    evaluate_sessions,
    match_volumes,
)
from napari_acll.simulate import SimulatedSource


def shares(evaluation, *names):
    return tuple(round(evaluation.value(name), 6) for name in names)


def test_who_makes_no_mistake_has_none():
    evaluation = evaluate_session(*all_right(3))
    perfect = ("right", "right_if_confident", "share_confident", "detection_f1")
    assert shares(evaluation, *perfect) == (1, 1, 1, 1)
    assert evaluation.value("names_per_volume") == 5
    assert evaluation.value("center_error_um") == pytest.approx(0, abs=1e-6)
    assert evaluation.confusions == ()
    assert evaluation.notes == ()


def test_each_kind_of_mistake_is_counted_once_and_where_it_belongs():
    rows = [(0, name, place) for name, place in PLACES.items()]
    said = [
        ("AVAR", 0.9, PLACES["AVAL"]),  # the other side
        ("RIML", 0.9, PLACES["AVAR"]),  # 40 um from RIML: far
        ("AVAL", 0.5, PLACES["RIML"]),  # 5 um from AVAL: a neighbor
        ("", 0.0, PLACES["RIMR"]),
        # ALA is missed
    ]
    evaluation = evaluate_session(given(said), truth(rows))
    for outcome in ("side", "far", "neighbor", "unnamed", "missed"):
        assert evaluation.value(f"listed_{outcome}") == pytest.approx(0.2), outcome
    assert evaluation.value("listed_absent") == 0
    assert evaluation.value("right") == 0
    assert evaluation.value("right_either_side") == pytest.approx(0.2)
    assert evaluation.value("right_if_confident_either_side") == pytest.approx(0.5)
    kinds = {(item.true, item.given): item.kind for item in evaluation.confusions}
    assert kinds == {
        ("AVAL", "AVAR"): "left/right",
        ("AVAR", "RIML"): "far",
        ("RIML", "AVAL"): "neighbor",
    }
    distance = {item.given: item.distance_um for item in evaluation.confusions}
    assert (distance["AVAL"], distance["AVAR"]) == (5, 40)


def test_a_name_of_a_neuron_that_is_not_there_is_told_from_a_far_one():
    evaluation = evaluate_session(
        given([("ALA", 0.9, PLACES["AVAL"])]), truth([(0, "AVAL", PLACES["AVAL"])])
    )
    assert evaluation.value("listed_absent") == 1
    assert math.isnan(evaluation.confusions[0].distance_um)


def test_names_where_none_belong_are_counted_apart():
    rows = [
        (0, "AVAL", PLACES["AVAL"]),
        (0, "RIML", PLACES["RIML"], False),
        (0, "RIMR", PLACES["RIMR"], False),
        (0, "", PLACES["ALA"]),
        (0, "I9", (5, 40, 30)),  # the model has no such name
    ]
    said = [
        ("RIML", 0.8, PLACES["RIML"]),
        ("ALA", 0.8, PLACES["RIMR"]),
        ("AVAR", 0.8, PLACES["ALA"]),
        ("RIMR", 0.7, (5, 40, 30)),
        ("AVAL", 0.8, HERE),
    ]
    evaluation = evaluate_session(given(said), truth(rows))
    assert evaluation.measures["right"].n == 1
    assert evaluation.value("unlisted_confident_right") == 0.5
    assert evaluation.value("unlisted_confident_wrong") == 0.5
    assert evaluation.value("nameless_confident") == 0.5
    assert evaluation.value("false_confident") == 1
    assert evaluation.value("detection_precision") == 0.8
    assert evaluation.value("detection_recall") == 0.8
    assert evaluation.value("right_of_all_names") == 0.2
    assert "cannot give" in evaluation.notes[-1]


def test_none_of_these_is_not_one_of_the_first_three_names():
    said = [
        ("RIML", 0.4, PLACES["AVAL"], ["RIML", "", "RIMR", "AVAL"]),
        ("RIMR", 0.4, PLACES["AVAR"], ["RIMR", "ALA", "RIML", "AVAR"]),
    ]
    rows = [(0, name, PLACES[name]) for name in ("AVAL", "AVAR")]
    assert evaluate_session(given(said), truth(rows)).value("right_in_3") == 0.5


@pytest.mark.parametrize(("name", "is_right"), [("AVAL", 1), ("AVAR", 1), ("RIML", 0)])
def test_a_truth_that_does_not_know_the_side_takes_either(name, is_right):
    said = given([(name, 0.9, PLACES["AVAL"])])
    evaluation = evaluate_session(said, truth([(0, "AVA?", PLACES["AVAL"])]))
    assert evaluation.value("right") == is_right


def test_a_nucleus_outside_of_what_was_labeled_is_not_missed():
    said, known = all_right()
    beyond = np.where(known.name[:, None] == "ALA", [[5, 30, 61]], known.position)
    evaluation = evaluate_session(said, replace(known, position=beyond))
    assert evaluation.measures["right"].n == 4
    assert evaluation.value("right") == 1


def test_a_truth_of_named_nuclei_says_nothing_about_other_detections():
    said = given([("AVAL", 0.9, PLACES["AVAL"]), ("ALA", 0.9, HERE)])
    known = truth([(0, "AVAL", PLACES["AVAL"])], is_complete=False)
    evaluation = evaluate_session(said, known)
    assert evaluation.value("right_if_confident") == 1
    for name in ("detection_precision", "false_confident", "right_of_all_names"):
        assert math.isnan(evaluation.value(name)), name
    assert "named nuclei only" in evaluation.notes[0]


def test_a_name_that_stands_twice_is_a_duplicate():
    said, known = all_right(2)
    neuron = said.neuron.copy()
    neuron[1] = neuron[0]
    evaluation = evaluate_session(replace(said, neuron=neuron), known)
    assert evaluation.value("duplicates_per_volume") == 0.5


def test_switches_follow_neurons_and_jumps_follow_names():
    def volume(aval, rimr, probability=0.9):
        return [(aval, probability, PLACES["AVAL"]), (rimr, 0.9, PLACES["RIMR"])]

    said = given(
        volume("AVAL", "RIMR"),
        volume("ALA", "RIMR", 0.5),  # a switch, but not of a confident name
        volume("AVAL", "RIMR"),  # and back
        volume("RIMR", "AVAL"),  # two switches; both names jump
    )
    rows = [(index, name, PLACES[name]) for index in range(4) for name in ("AVAL", "RIMR")]
    evaluation = evaluate_session(said, truth(rows))
    assert evaluation.measures["switches"].n == 6
    assert evaluation.value("switches") == pytest.approx(4 / 6)
    # sure of AVAL's in volumes 0, 2, 3 and of RIMR's in all
    assert evaluation.measures["confident_switches"].n == 5
    assert evaluation.value("confident_switches") == pytest.approx(2 / 5)
    # RIMR in 0, 1, 2, 3; AVAL in 0, 2, 3; ALA once
    assert evaluation.measures["jumps"].n == 5
    assert evaluation.value("jumps") == pytest.approx(2 / 5)


def test_wrong_volumes_spoil_a_trace_but_not_what_is_left_without_them():
    n = 40
    said, known = all_right(n)
    true_ratio = np.repeat(np.sin(np.arange(n) / 3) + 2, 5)
    is_wrong = (known.volume < 4) & (known.name != "RIML")
    turned = {"AVAL": "AVAR", "AVAR": "RIMR", "RIMR": "ALA", "ALA": "AVAL", "RIML": "RIML"}
    wrong = np.array([said.neurons.class_number(turned[name]) for name in known.name])
    neuron = np.where(is_wrong, wrong, said.neuron)
    traced = np.where(is_wrong, 50.0, true_ratio)
    evaluation = evaluate_session(
        replace(said, ratio=traced, neuron=neuron), replace(known, ratio=true_ratio)
    )
    by_name = {neuron.name: neuron.trace_correlation for neuron in evaluation.neurons}
    assert by_name["RIML"] == pytest.approx(1)
    assert by_name["AVAL"] < 0.5
    assert evaluation.trace_correlation < 0.5
    assert evaluation.trace_correlation_if_right == pytest.approx(1)


def test_the_worst_animal_stands_first_and_the_spread_is_that_of_animals():
    rng = np.random.default_rng(3)
    sessions, shares_right = [], []
    for number in range(12):
        said, known = all_right(10, animal=f"worm {number}")
        is_wrong = rng.random(len(said)) < rng.uniform(0, 0.5)
        neuron = np.where(is_wrong, said.neuron % 5 + 1, said.neuron)
        sessions.append((replace(said, neuron=neuron), known))
        shares_right.append(1 - is_wrong.mean())
    evaluation = evaluate_sessions(*zip(*sessions, strict=True))
    right = evaluation.measures["right"]
    assert right.value == pytest.approx(np.mean(shares_right))
    # animals have as many nuclei each, so the textbook's standard error of a mean holds
    assert right.standard_error == pytest.approx(np.std(shares_right) / np.sqrt(12), rel=0.05)
    assert right.low < right.value < right.high
    assert evaluation.animals[0].name == f"worm {int(np.argmin(shares_right))}"
    assert math.isnan(evaluate_session(*sessions[0]).measures["right"].standard_error)


def test_recordings_of_one_name_are_told_apart():
    said, known = all_right()
    evaluation = evaluate_sessions([said, said], [known, known])
    assert [series.animal for series in evaluation.volumes] == ["worm (1)", "worm (2)"]


def test_the_table_of_neurons_says_what_a_neuron_is_taken_for():
    said = given(
        [("RIML", 0.9, PLACES["AVAL"])], [("RIML", 0.5, PLACES["AVAL"])], [("AVAL", 0.7, HERE)]
    )
    evaluation = evaluate_session(said, truth([(v, "AVAL", PLACES["AVAL"]) for v in range(3)]))
    (neuron,) = evaluation.neurons
    assert (neuron.n_listed, neuron.n_found, neuron.n_named, neuron.n_right) == (3, 2, 2, 0)
    assert (neuron.taken_for, neuron.n_taken_for, neuron.n_confident) == ("RIML", 2, 1)
    assert neuron.mean_probability == pytest.approx(0.7)


def test_other_recordings_other_models_and_half_the_truth_are_refused():
    said, known = all_right()
    with pytest.raises(RecordingError, match="none in common"):
        evaluate_session(said, replace(known, volume=known.volume + 7))
    with pytest.raises(RecordingError, match="lies within"):
        evaluate_session(said, replace(known, position=known.position + 500))
    with pytest.raises(ModelError, match="none of the names"):
        evaluate_session(said, replace(known, name=np.full(5, "M1")))
    with pytest.raises(SettingsError, match="2 sessions and 1"):
        evaluate_sessions([said, said], [known])
    with pytest.raises(SettingsError, match="confident"):
        evaluate_session(said, known, confident=75)


def test_a_truth_that_lies_elsewhere_is_doubted():
    said, known = all_right()
    evaluation = evaluate_session(said, replace(known, position=known.position - [0, 6, 0]))
    assert "Check that" in evaluation.notes[0]


def test_positions_in_um_and_in_voxels_are_the_same():
    said, known = all_right()
    size = (2.0, 0.5, 0.25)
    stretched = replace(said, position_um=said.position_um * size, voxel_size_um=size, grid=GRID)
    in_um = replace(known, position=known.position * size, is_in_um=True)
    for nuclei in (known, in_um):
        assert evaluate_session(stretched, nuclei).value("right") == 1


def test_volumes_are_matched_as_if_each_were_alone():
    rng = np.random.default_rng(0)
    true = rng.uniform(0, 20, (400, 3))
    found = true[rng.permutation(400)[:350]] + rng.normal(0, 1.0, (350, 3))
    true_volume, found_volume = rng.integers(0, 4, 400), rng.integers(0, 4, 350)
    matched = match_volumes(found, found_volume, true, true_volume, max_distance_um=3.0)
    for volume in range(4):
        rows, columns = (
            np.flatnonzero(found_volume == volume),
            np.flatnonzero(true_volume == volume),
        )
        cost = np.minimum(cdist(found[rows], true[columns]), 3.0)
        best = cost[linear_sum_assignment(cost)].sum() + 3.0 * max(0, len(rows) - len(columns))
        is_match = matched[rows] >= 0
        partner = matched[rows[is_match]]
        assert len(set(partner)) == len(partner)
        assert (true_volume[partner] == volume).all()
        distance = np.linalg.norm(found[rows[is_match]] - true[partner], axis=1)
        assert distance.max() < 3.0
        assert distance.sum() + 3.0 * (~is_match).sum() == pytest.approx(best)


def test_nothing_found_is_nothing_matched():
    nothing = np.zeros((0, 3)), np.zeros(0, int)
    something = np.zeros((2, 3)), np.zeros(2, int)
    assert match_volumes(*nothing, *something, max_distance_um=3.0).shape == (0,)
    assert match_volumes(*something, *nothing, max_distance_um=3.0).tolist() == [-1, -1]


@pytest.mark.parametrize("swapped", [False, True])
def test_the_truth_of_a_virtual_worm_scores_as_told(swapped):
    recording = "simulated:seed=5,volumes=3,geometry=small"
    source = SimulatedSource.from_recording(recording, SourceSettings())
    truths = [source.truth(index) for index in source.indices]
    names = sorted({name for name in truths[0].names if name})
    neurons = NeuronTable(tuple(names))
    label = {name: name for name in names}
    if swapped:
        label["AVAL"], label["AVAR"] = "AVAR", "AVAL"

    def said(one):
        number = [neurons.class_number(label[name]) if name else 0 for name in one.names]
        n = len(number)
        return Detections(
            centroid_px=one.centroid_px.astype(np.float32),
            n_voxels=np.ones(n, np.int32),
            neuron=np.array(number, np.int32),
            probability=np.full(n, 0.9, np.float32),
            candidate_neuron=np.full((n, 5), -1, np.int32),
            candidate_probability=np.full((n, 5), np.nan, np.float32),
        )

    parts = [(one.index, said(one)) for one in truths]
    session = GivenNames.from_detections(parts, neurons, source.spec)
    evaluation = evaluate_session(session, TrueNuclei.from_simulated(truths))
    assert evaluation.value("listed_missed") == 0
    n_wrong = round(evaluation.value("listed_side") * evaluation.measures["right"].n)
    assert n_wrong == (_n_listed(truths, source.spec.shape, "AVAL", "AVAR") if swapped else 0)
    assert n_wrong > 0 or not swapped
    assert evaluation.value("right_either_side") == 1


def _n_listed(truths, shape, *names):
    rows = [(one, row) for one in truths for row, name in enumerate(one.names) if name in names]
    return sum(bool(one.is_listed[row] and one.is_inside(shape)[row]) for one, row in rows)


def test_volumes_that_the_model_warned_of_are_counted_of_those_that_it_judged():
    said, known = all_right(4)
    novelty = np.array([0.1, 0.5, 0.9, np.nan])
    volumes = replace(said.volumes, novelty=novelty)
    evaluation = evaluate_session(replace(said, volumes=volumes), known)
    assert (evaluation.value("warned"), evaluation.measures["warned"].n) == (2 / 3, 3)
    assert math.isnan(evaluate_session(said, known).value("warned"))


def test_an_incomplete_truth_does_not_count_where_a_complete_one_does():
    complete = given([("AVAL", 0.9, PLACES["AVAL"]), ("ALA", 0.9, HERE)], animal="a")
    partly = given([("AVAL", 0.9, PLACES["AVAL"]), ("ALA", 0.9, HERE)], animal="b")
    row = (0, "AVAL", PLACES["AVAL"])
    truths = [truth([row]), truth([row], is_complete=False)]
    evaluation = evaluate_sessions([complete, partly], truths)
    names = ("detection_precision", "detection_recall", "detection_f1", "false_confident")
    assert shares(evaluation, *names) == (0.5, 1, round(2 / 3, 6), 1)
    assert evaluation.measures["right"].n == 2


def test_the_calibration_error_is_that_of_its_bins():
    rng = np.random.default_rng(5)
    said, known = all_right(200)
    probability = rng.uniform(0, 1, len(said))
    # too sure where it is unsure, too modest where it is sure: signed gaps would cancel
    is_wrong = rng.random(len(said)) < np.where(probability < 0.5, 0.9, 0.1)
    neuron = np.where(is_wrong, said.neuron % 5 + 1, said.neuron)
    evaluation = evaluate_session(replace(said, probability=probability, neuron=neuron), known)
    assert evaluation.value("calibration_error") == pytest.approx(evaluation.reliability.error)
    assert evaluation.reliability.error > 0.1
    everything = evaluation.value("calibration_error_of_all_names")
    assert everything == pytest.approx(evaluation.reliability_of_all_names.error)
