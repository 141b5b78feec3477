import numpy as np
import pytest

from napari_acll.core import (
    Correction,
    CorrectionKind,
    CorrectionState,
    Detections,
    NeuronTable,
    corrected,
)

NEURONS = NeuronTable(("AVAL", "AVAR", "RIBL", "OLLR"))
AVAL, AVAR, RIBL, OLLR = 1, 2, 3, 4


def detections(names, candidates):
    """Return detections with these names, each as probable as its candidates say."""
    numbers = np.full((len(names), 5), -1, np.int32)
    chances = np.full((len(names), 5), np.nan, np.float32)
    for row, given in enumerate(candidates):
        numbers[row, : len(given)] = list(given)
        chances[row, : len(given)] = list(given.values())
    chance = [
        given.get(name, 0.0) if name else 0.0
        for name, given in zip(names, candidates, strict=True)
    ]
    return Detections(
        centroid_px=np.arange(3 * len(names), dtype=np.float32).reshape(-1, 3),
        n_voxels=np.full(len(names), 18, np.int32),
        neuron=np.array(names, np.int32),
        probability=np.array(chance, np.float32),
        candidate_neuron=numbers,
        candidate_probability=chances,
    )


FOUND = detections(
    [AVAL, AVAR, RIBL, 0],
    [
        {AVAL: 0.7, AVAR: 0.2, 0: 0.1},
        {AVAR: 0.6, AVAL: 0.3, RIBL: 0.05},
        {RIBL: 0.9, OLLR: 0.1},
        {0: 0.8, AVAL: 0.2},
    ],
)


def after(found, *steps):
    made = [
        Correction(kind=kind, name=name, new_name=new_name[0] if new_name else "")
        for kind, name, *new_name in steps
    ]
    return corrected(found, CorrectionState.of(made), NEURONS)


def candidates_of(found, row):
    numbers, chances = found.candidate_neuron[row], found.candidate_probability[row]
    assert np.isnan(chances[numbers == -1]).all()
    return {
        int(number): pytest.approx(float(chance), abs=1e-6)
        for number, chance in zip(numbers, chances, strict=True)
        if number >= 0
    }


def test_a_swap_exchanges_names_and_candidates_and_each_keeps_its_probability():
    swapped = after(FOUND, ("swap", "AVAL", "AVAR"))
    assert swapped.neuron.tolist() == [AVAR, AVAL, RIBL, 0]
    np.testing.assert_array_equal(swapped.probability, FOUND.probability)
    assert candidates_of(swapped, 0) == {AVAR: 0.7, AVAL: 0.2, 0: 0.1}
    assert candidates_of(swapped, 3) == {0: 0.8, AVAR: 0.2}


def test_two_swaps_are_none():
    again = after(FOUND, ("swap", "AVAL", "AVAR"), ("swap", "AVAR", "AVAL"))
    for name in Detections.__slots__:
        np.testing.assert_array_equal(getattr(again, name), getattr(FOUND, name), err_msg=name)


def test_a_swap_keeps_how_probable_the_other_side_is():
    swapped = after(FOUND, ("swap", "AVAL", "AVAR"))
    np.testing.assert_allclose(
        swapped.side_swap_probability(NEURONS), FOUND.side_swap_probability(NEURONS)
    )


def test_a_renamed_neuron_has_the_chances_of_both_names():
    renamed = after(FOUND, ("rename", "RIBL", "OLLR"))
    assert renamed.neuron.tolist() == [AVAL, AVAR, OLLR, 0]
    assert renamed.probability[2] == pytest.approx(1.0)
    assert candidates_of(renamed, 2) == {OLLR: 1.0}
    assert candidates_of(renamed, 1) == {AVAR: 0.6, AVAL: 0.3, OLLR: 0.05}


def test_where_both_names_stand_the_renamed_neuron_gets_it_and_the_other_has_none():
    renamed = after(FOUND, ("rename", "AVAL", "AVAR"))
    assert renamed.neuron.tolist() == [AVAR, 0, RIBL, 0]
    np.testing.assert_allclose(renamed.probability, [0.9, 0.0, 0.9, 0.0], atol=1e-6)


def test_where_only_the_new_name_stands_it_stays_as_probable_as_both():
    alone = detections([AVAR, 0], [{AVAR: 0.6, AVAL: 0.3}, {0: 0.9}])
    renamed = after(alone, ("rename", "AVAL", "AVAR"))
    assert renamed.neuron.tolist() == [AVAR, 0]
    assert renamed.probability[0] == pytest.approx(0.9)


def test_merged_candidates_are_the_most_probable_first_again():
    found = detections([RIBL], [{RIBL: 0.4, AVAL: 0.3, AVAR: 0.25}])
    renamed = after(found, ("rename", "AVAL", "AVAR"))
    assert renamed.candidate_neuron[0].tolist() == [AVAR, RIBL, -1, -1, -1]
    assert renamed.candidate_probability[0, :2] == pytest.approx([0.55, 0.4])


def test_a_muted_name_is_not_given_and_its_candidates_stay():
    muted = after(FOUND, ("mute", "AVAL"))
    assert muted.neuron.tolist() == [0, AVAR, RIBL, 0]
    assert muted.probability[0] == 0
    assert candidates_of(muted, 0) == candidates_of(FOUND, 0)


def test_a_muted_name_stays_muted_whoever_gets_it_by_a_later_swap():
    muted = after(FOUND, ("mute", "AVAL"), ("swap", "AVAL", "AVAR"))
    assert muted.neuron.tolist() == [AVAR, 0, RIBL, 0]


def test_later_corrections_are_about_the_names_that_earlier_ones_give():
    chain = after(FOUND, ("rename", "AVAL", "OLLR"), ("swap", "OLLR", "RIBL"))
    assert chain.neuron.tolist() == [RIBL, AVAR, OLLR, 0]


def test_a_pin_changes_no_name():
    assert after(FOUND, ("pin", "AVAL")) is FOUND


def test_each_name_stands_at_most_once_after_any_corrections():
    rng = np.random.default_rng(0)
    for _ in range(200):
        steps = [
            (CorrectionKind(kind), *rng.choice(NEURONS.names, 2, replace=False))
            for kind in rng.choice(["rename", "swap", "mute"], rng.integers(1, 6))
        ]
        found = after(FOUND, *steps)
        given = found.neuron[found.neuron > 0].tolist()
        assert len(given) == len(set(given))
        assert (found.probability[found.neuron == 0] == 0).all()
        assert (found.probability <= 1).all()
        assert found.neuron.dtype == np.int32
        assert found.probability.dtype == np.float32
        for row in range(len(found)):
            numbers = found.candidate_neuron[row]
            numbers = numbers[numbers >= 0].tolist()
            assert len(numbers) == len(set(numbers))


def test_what_was_found_is_not_changed():
    before = {name: getattr(FOUND, name).copy() for name in Detections.__slots__}
    after(FOUND, ("rename", "AVAL", "AVAR"), ("mute", "RIBL"), ("swap", "OLLR", "RIBL"))
    for name, values in before.items():
        np.testing.assert_array_equal(getattr(FOUND, name), values, err_msg=name)


def test_a_volume_without_detections_stays_without():
    assert len(after(Detections.none(), ("rename", "AVAL", "AVAR"), ("mute", "RIBL"))) == 0


def test_a_person_vouches_for_names_that_are_pinned_renamed_or_swapped():
    state = CorrectionState.of(
        [
            Correction(kind=CorrectionKind.SWAP, name="AVAL", new_name="AVAR"),
            Correction(kind=CorrectionKind.PIN, name="RIBL"),
            Correction(kind=CorrectionKind.MUTE, name="OLLR"),
        ]
    )
    assert state.vouched == {"AVAL", "AVAR", "RIBL"}
    assert CorrectionState.of([]).vouched == frozenset()
