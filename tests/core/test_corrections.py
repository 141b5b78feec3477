import pytest

from napari_acll.core import Correction, CorrectionError, CorrectionKind, Corrections, NeuronTable
from napari_acll.testing import fake_labeled, fake_volume

NEURONS = NeuronTable(("AVAL", "AVAR", "RIBL", "OLLR"))
SWAP = Correction(kind=CorrectionKind.SWAP, name="AVAL")
UNDO = Correction(kind=CorrectionKind.UNDO)
REDO = Correction(kind=CorrectionKind.REDO)


def one(kind, name, new_name=""):
    return Correction(kind=CorrectionKind(kind), name=name, new_name=new_name)


@pytest.fixture
def corrections():
    return Corrections(NEURONS)


def names_at(corrections, index):
    """Return the class numbers that a fake volume, which has 3, 2, 1 and 0, is given."""
    return corrections.apply(fake_labeled(fake_volume(index))).detections.neuron.tolist()


def test_a_correction_holds_from_the_next_volume_on(corrections):
    assert names_at(corrections, 4) == [3, 2, 1, 0]
    made = corrections.add(SWAP)
    assert (made.from_index, made.new_name) == (5, "AVAR")
    assert names_at(corrections, 5) == [3, 1, 2, 0]


def test_a_volume_from_before_a_correction_is_not_changed_when_it_is_labeled_later(corrections):
    names_at(corrections, 4)
    corrections.add(SWAP)
    assert names_at(corrections, 6) == [3, 1, 2, 0]
    assert names_at(corrections, 2) == [3, 2, 1, 0]
    assert names_at(corrections, 5) == [3, 1, 2, 0]


def test_undo_and_redo_hold_from_the_next_volume_on_too(corrections):
    corrections.add(SWAP)
    assert names_at(corrections, 0) == [3, 1, 2, 0]
    assert corrections.add(UNDO).from_index == 1
    assert names_at(corrections, 1) == [3, 2, 1, 0]
    assert corrections.add(REDO).from_index == 2
    assert [names_at(corrections, index) for index in (0, 1, 2)] == [
        [3, 1, 2, 0],
        [3, 2, 1, 0],
        [3, 1, 2, 0],
    ]


def test_undo_takes_back_the_last_one_and_redo_makes_the_last_undone_one_again(corrections):
    corrections.add(SWAP)
    corrections.add(one("mute", "RIBL"))
    corrections.add(UNDO)
    corrections.add(UNDO)
    assert corrections.holding == ()
    corrections.add(REDO)
    assert [made.kind for made in corrections.holding] == ["swap"]
    assert [made.kind for made in corrections.undone] == ["mute"]


def test_after_a_new_correction_nothing_can_be_redone(corrections):
    corrections.add(SWAP)
    corrections.add(UNDO)
    corrections.add(one("pin", "AVAL"))
    with pytest.raises(CorrectionError, match="no correction to redo"):
        corrections.add(REDO)


def test_everything_that_was_done_is_in_the_history_and_an_undo_says_of_what(corrections):
    corrections.add(one("rename", "RIBL", "OLLR"))
    corrections.add(UNDO)
    assert [made.kind for made in corrections.history] == ["rename", "undo"]
    assert corrections.history[1].sentence() == (
        "From volume 0 on, the last correction is taken back"
        " (what was called RIBL is called OLLR)."
    )


def test_pins_and_mutes_come_and_go(corrections):
    corrections.add(one("pin", "AVAL"))
    corrections.add(one("mute", "RIBL"))
    assert (corrections.state.pinned, corrections.state.muted) == ({"AVAL"}, {"RIBL"})
    corrections.add(one("unpin", "AVAL"))
    corrections.add(one("unmute", "RIBL"))
    assert (corrections.state.pinned, corrections.state.muted) == (set(), set())
    corrections.add(UNDO)
    assert corrections.state.muted == {"RIBL"}


def test_without_corrections_a_volume_is_left_alone(corrections):
    labeled = fake_labeled(fake_volume(0))
    assert corrections.apply(labeled) is labeled
    corrections.add(one("pin", "AVAL"))
    assert corrections.apply(labeled) is labeled


def test_what_cannot_be_kept_does_not_hold(corrections):
    with pytest.raises(CorrectionError, match="session is over"):
        corrections.add(SWAP, keep=lambda _: False)
    assert corrections.history == ()
    assert names_at(corrections, 0) == [3, 2, 1, 0]


def test_it_is_kept_with_all_that_is_known_of_it_before_it_holds(corrections):
    kept = []
    names_at(corrections, 8)
    corrections.add(SWAP, keep=lambda made: kept.append((made, corrections.holding)) or True)
    assert kept == [(corrections.history[0], ())]
    assert (kept[0][0].from_index, kept[0][0].new_name) == (9, "AVAR")


@pytest.mark.parametrize(
    ("correction", "sentence"),
    [
        (one("pin", "AVAX"), "'AVAX' is none of them"),
        (one("mute", ""), "'' is none of them"),
        (one("rename", "AVAL", "AVAX"), "'AVAX' is none of them"),
        (one("rename", "AVAL", "AVAL"), "has this name already"),
        (one("swap", "OLLR"), "OLLR has no partner"),
        (one("swap", "AVAX"), "AVAX has no partner"),
        (UNDO, "no correction to undo"),
        (REDO, "no correction to redo"),
    ],
)
def test_what_makes_no_sense_is_refused_and_changes_nothing(corrections, correction, sentence):
    with pytest.raises(CorrectionError, match=sentence):
        corrections.add(correction)
    assert corrections.history == ()


def test_restored_corrections_hold_where_they_did_and_new_ones_after_them(corrections):
    for index in range(3):
        names_at(corrections, index)
        if index == 1:
            corrections.add(SWAP)
    corrections.add(one("mute", "RIBL"))
    again = Corrections(NEURONS)
    again.restore(corrections.history, next_index=6)
    assert again.history == corrections.history
    assert [names_at(again, index) for index in (0, 2, 3)] == [
        [3, 2, 1, 0],
        [3, 1, 2, 0],
        [0, 1, 2, 0],
    ]
    assert again.add(UNDO).from_index == 6
    assert names_at(again, 6) == [3, 1, 2, 0]


def test_after_a_power_cut_that_took_volumes_corrections_stay_in_order(corrections):
    names_at(corrections, 9)
    corrections.add(SWAP)
    again = Corrections(NEURONS)
    again.restore(corrections.history, next_index=7)
    assert again.add(one("mute", "RIBL")).from_index == 10
    assert names_at(again, 8) == [3, 2, 1, 0]
    assert names_at(again, 10) == [0, 1, 2, 0]


def test_corrections_of_another_model_cannot_be_restored(corrections):
    corrections.add(one("pin", "RIBL"))
    with pytest.raises(CorrectionError, match="'RIBL' is none of them"):
        Corrections(NeuronTable(("AVAL", "AVAR"))).restore(corrections.history, next_index=0)
