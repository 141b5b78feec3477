import numpy as np
import pytest
from tests.session.saved_sessions import make_saved

from napari_acll.cli._main import run
from napari_acll.core import SessionError
from napari_acll.evaluation import measure_session, write_session_report
from napari_acll.evaluation._artifacts import artifacts_of, shared_variance
from napari_acll.export import SavedSession
from napari_acll.testing import FakeLabeler

N_VOLUMES = 60


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    return SavedSession.open(make_saved(tmp_path_factory.mktemp("report"), N_VOLUMES))


def walk(rng, shape):
    """Return values that change slowly and come back, as the place of a tracked head does."""
    noise, kernel = rng.standard_normal((shape[0] + 9, *shape[1:])), np.ones(10)
    return np.apply_along_axis(np.convolve, 0, noise, kernel, mode="valid")


def test_ratios_that_follow_the_depth_or_the_marker_are_found_and_others_are_not():
    rng = np.random.default_rng(0)
    n_timepoints, n_neurons = 400, 12
    centroid_um = walk(rng, (n_timepoints, n_neurons, 3))
    marker = walk(rng, (n_timepoints, n_neurons))
    for name, ratio in (
        ("depth of the neuron", centroid_um[..., 0]),
        ("its own marker", -marker),
        ("nothing", walk(rng, (n_timepoints, n_neurons))),
    ):
        found = {one.name: one for one in artifacts_of(ratio, marker, centroid_um)}
        for other in ("depth of the neuron", "its own marker"):
            artifact = found[other]
            assert artifact.n_neurons == n_neurons
            if other == name:
                assert artifact.correlation == pytest.approx(1.0)
                assert artifact.n_beyond == n_neurons
            else:
                assert artifact.n_beyond <= n_neurons // 3
                assert artifact.correlation < 2 * artifact.by_chance


def test_ratios_that_follow_the_speed_of_the_head_are_found():
    rng = np.random.default_rng(1)
    steps_um = rng.normal(0, 1, (300, 1, 3)) * rng.uniform(0, 3, (300, 1, 1))
    centroid_um = np.cumsum(steps_um, axis=0) + rng.uniform(0, 50, (1, 9, 3))
    speed = np.linalg.norm(steps_um, axis=2)
    ratio = speed + 0.1 * rng.standard_normal((300, 9))
    found = {one.name: one for one in artifacts_of(ratio, np.ones_like(ratio), centroid_um)}
    assert found["speed of the head"].correlation > 0.9
    assert found["speed of the head"].n_beyond == 9


def test_the_mean_of_the_others_explains_what_all_share():
    rng = np.random.default_rng(2)
    n_timepoints, n_neurons, share = 4000, 30, 0.4
    common = rng.standard_normal((n_timepoints, 1))
    own = rng.standard_normal((n_timepoints, n_neurons))
    ratio = np.sqrt(share) * common + np.sqrt(1 - share) * own
    # the mean of n others has the common part and an n-th of the variance of the rest
    expected = share**2 / (share + (1 - share) / (n_neurons - 1))
    assert shared_variance(ratio) == pytest.approx(expected, abs=0.02)
    assert shared_variance(own) < 0.01
    assert np.isnan(shared_variance(ratio[:, :2]))


def test_a_session_is_measured_without_its_recording(saved):
    found = measure_session(saved)
    assert found.n_by_status["traced"] == N_VOLUMES
    np.testing.assert_array_equal(found.n_names, np.full(N_VOLUMES, 3))
    assert found.forecast.n_labeled == 30
    # the fake neurons are always there, so their coverage is the 1 that was nearly expected
    assert set(found.checks) == {"coverage", "noise"}
    np.testing.assert_array_equal(found.checks["coverage"].actual, [1, 1, 1, 0])
    (pair,) = found.pairs()
    assert pair[:2] == ("AVAL", "AVAR")


def test_the_page_says_what_was_measured_and_asks_nothing_of_other_places(saved, tmp_path):
    page = tmp_path / "page.html"
    write_session_report(saved, page)
    text = page.read_text("utf-8")
    for word in ("Forecast, and what came", "Artifacts", "Left and right", "AVAL", "RIBL"):
        assert word in text
    assert "src=" not in text
    with pytest.raises(SessionError, match="exists already"):
        write_session_report(saved, page)


def test_the_command_writes_the_page_beside_the_session(saved, capsys):
    assert run(["report", str(saved.path)]) == 0
    page = saved.path.with_name("worm.acll.report.html")
    assert page.exists()
    assert f"Report: {page}" in capsys.readouterr().out
    assert run(["report", str(saved.path)]) != 0
    assert run(["report", str(saved.path), "--overwrite"]) == 0


def test_a_session_without_values_says_so(tmp_path):
    path = make_saved(tmp_path, 2, labeler=FakeLabeler(unfit=[0, 1]))
    with pytest.raises(SessionError, match="no volume with values"):
        measure_session(SavedSession.open(path))
