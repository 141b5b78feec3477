"""What the demo leaves and says."""

import re

import numpy as np
import pytest
from tests.cli.oracle import run_oracle

from napari_acll.cli import run
from napari_acll.cli._figures import save_traces_figure, save_volume_picture
from napari_acll.cli._score import score_session
from napari_acll.core import SessionError

SWAPPED = {"M1": "MI", "MI": "M1"}
PNG = b"\x89PNG\r\n\x1a\n"


@pytest.fixture(scope="module")
def outcome(tmp_path_factory):
    out = tmp_path_factory.mktemp("demo") / "session.acll"
    return run_oracle("simulated:seed=4,volumes=5,motion=still", out, renamed=SWAPPED)


@pytest.fixture(scope="module")
def score(outcome):
    return score_session(*outcome)


def test_only_the_names_that_were_swapped_are_wrong(outcome, score):
    saved, _ = outcome
    found = np.isfinite(saved.read("confidence"))
    wrong = {
        name
        for neuron, name in enumerate(saved.neurons.names)
        if (found[:, neuron] & ~score.is_right[:, neuron]).any()
    }
    assert wrong == set(SWAPPED)


def test_accuracy_counts_what_is_in_view_and_precision_what_was_named(outcome, score):
    saved, source = outcome
    truths = [source.truth(index) for index in range(5)]
    in_view = sum(
        int((truth.is_inside(source.spec.shape) & (np.array(truth.names) != "")).sum())
        for truth in truths
    )
    named = int(np.isfinite(saved.read("confidence")).sum())
    right = named - 2 * 5
    assert score.accuracy == pytest.approx(right / in_view)
    assert score.precision == pytest.approx(right / named)


def test_traces_at_the_true_places_follow_the_truth(score):
    assert score.median_correlation > 0.3


def test_both_pictures_are_drawn(outcome, score, tmp_path):
    from matplotlib.image import imread

    saved, source = outcome
    save_traces_figure(saved, score, tmp_path / "traces.png")
    save_volume_picture(saved, source, score, tmp_path / "volume.png")
    for name in ("traces.png", "volume.png"):
        assert (tmp_path / name).read_bytes().startswith(PNG)
        picture = imread(tmp_path / name)[..., :3]
        assert min(picture.shape[:2]) > 500
        assert picture.std() > 0.05


def test_a_picture_that_cannot_be_written_is_told(outcome, score, tmp_path):
    with pytest.raises(SessionError, match="cannot be written"):
        save_traces_figure(outcome[0], score, tmp_path / "nowhere" / "traces.png")


def test_the_demo_leaves_a_session_and_two_pictures_and_names_half_of_the_neurons(
    tmp_path, capsys
):
    assert run(["demo", "--volumes", "3", "--out", str(tmp_path)]) == 0
    shown = capsys.readouterr().out
    assert int(re.search(r"right name \((\d+) %\)", shown)[1]) >= 50
    first = tmp_path / "run_001"
    assert {entry.name for entry in first.iterdir()} == {
        "session.acll",
        "traces.png",
        "labeled_volume.png",
    }
    for entry in first.iterdir():
        assert str(entry.resolve()) in shown


def test_a_second_demo_leaves_the_first_alone(tmp_path, capsys):
    (tmp_path / "run_001").mkdir()
    assert run(["demo", "--volumes", "2", "--out", str(tmp_path)]) == 0
    assert not list((tmp_path / "run_001").iterdir())
    assert "run_002" in capsys.readouterr().out


def test_a_demo_that_cannot_write_says_so(tmp_path, capsys):
    (tmp_path / "file").write_text("")
    assert run(["demo", "--out", str(tmp_path / "file")]) == 6
    assert "--out" in capsys.readouterr().err
