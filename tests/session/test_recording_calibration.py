import numpy as np
import pytest
from tests.preprocess.alignment_pairs import (
    ORIGINAL,
    Animal,
    Scene,
    as_volume,
    errors_of,
    make_pair,
)

from napari_acll.core import (
    AcllSettings,
    AlignmentSettings,
    ChannelAlignment,
    RecordingError,
    VolumeSpec,
)
from napari_acll.session import calibrate_recording
from napari_acll.session._recording_calibration import spread_out
from napari_acll.testing import FakeSource

PX = 0.54
TRUTH = ChannelAlignment(dy_um=3.3 * PX, dx_um=-4.6 * PX, theta_deg=0.8)
SPEC = VolumeSpec(grid=ORIGINAL, period_s=0.6)


def settings_for(n_volumes, **more):
    return AcllSettings(alignment=AlignmentSettings(n_volumes=n_volumes, **more))


class PairSource:
    """Volumes of known alignment; those that are asked for are noted."""

    is_live = False
    notes = ()
    spec = SPEC

    def __init__(self, pairs):
        self._pairs = pairs
        self.indices = range(len(pairs))
        self.read_indices = []
        self.is_closed = False

    def describe(self):
        return {"kind": "pairs", "path": "nowhere"}

    def read(self, index):
        self.read_indices.append(index)
        return as_volume(*self._pairs[index], SPEC, index)

    def __iter__(self):
        return (self.read(index) for index in self.indices)

    def close(self):
        self.is_closed = True


@pytest.fixture(scope="module")
def pairs():
    rng = np.random.default_rng(5)
    animal = Animal.random(rng, Scene())
    return [make_pair(rng, animal.posed(rng), TRUTH, Scene()) for _ in range(3)]


def test_the_first_volumes_give_the_truth_and_no_more_are_read(pairs):
    source, seen = PairSource([*pairs, *pairs]), []
    report = calibrate_recording(
        source, settings_for(2), progress=lambda *numbers: seen.append(numbers)
    )
    center, _, angle = errors_of(report.alignment, TRUTH, ORIGINAL)
    assert center <= 0.15
    assert angle <= 0.1
    assert report.alignment.is_trusted
    assert source.read_indices == [0, 1]
    assert seen == [(1, 1), (2, 2)]
    assert source.is_closed
    assert report.volume.index == 1


def test_each_volume_has_its_own_estimate_near_the_joint_one(pairs):
    report = calibrate_recording(PairSource(pairs), settings_for(3))
    assert [one.index for one in report.estimates] == [0, 1, 2]
    for one in report.estimates:
        assert errors_of(one.alignment, TRUTH, ORIGINAL)[0] <= 0.25


def test_the_score_is_highest_at_the_estimate(pairs):
    report = calibrate_recording(PairSource(pairs), settings_for(2))
    profile = report.profile
    middle = len(profile.offset_um) // 2
    assert profile.offset_um[middle] == pytest.approx(0)
    assert abs(profile.along_y.argmax() - middle) <= 1
    assert abs(profile.along_x.argmax() - middle) <= 1
    assert profile.along_y[middle] == pytest.approx(report.alignment.score, abs=1e-6)
    away = report.alignment.nudged(y_um=1.0, x_um=0.0, turn_deg=0.0, grid=report.spec.grid)
    assert report.calibrator.score_of(away) < 0.8 * report.alignment.score


def test_volumes_can_be_spread_over_the_recording(pairs):
    source = PairSource(pairs * 3)
    report = calibrate_recording(source, settings_for(3), is_spread=True)
    assert source.read_indices == [0, 4, 8]
    assert report.alignment.is_trusted


def test_a_volume_of_no_use_is_replaced_by_another_one(pairs):
    rng = np.random.default_rng(0)
    empty = tuple(rng.poisson(130, ORIGINAL.shape).astype(np.uint16) for _ in "ab")
    source = PairSource([empty, pairs[0], pairs[1]])
    report = calibrate_recording(source, settings_for(2), is_spread=True)
    assert sorted(source.read_indices) == [0, 1, 2]
    assert [one.index for one in report.unused] == [0]
    assert "0 nuclei" in report.unused[0].reason
    assert report.volume.index != 0


def test_the_others_of_a_spread_lie_between_the_first_ones():
    wanted = spread_out(range(100), 3, 6)
    assert wanted[:3] == [0, 50, 99]
    assert len(wanted) == len(set(wanted)) == 6
    assert spread_out(range(2), 5, 20) == [0, 1]
    assert spread_out([3, 9, 11], 2, 2) == [3, 11]


def test_a_recording_that_is_followed_cannot_be_spread():
    class Followed:
        is_live, notes, spec = True, (), SPEC

        def __iter__(self):
            return iter(())

        def close(self):
            pass

    with pytest.raises(RecordingError, match="finished recording only"):
        calibrate_recording(Followed(), settings_for(2), is_spread=True)


def test_a_canceled_calibration_gives_nothing_and_closes_the_recording(pairs):
    source = PairSource(pairs)
    assert calibrate_recording(source, settings_for(3), is_canceled=lambda: True) is None
    assert source.is_closed


def test_volumes_that_show_nothing_give_an_untrusted_report_that_says_why():
    report = calibrate_recording(FakeSource(range(3)), settings_for(2))
    assert not report.alignment.is_trusted
    assert "0 of 3 volumes" in report.alignment.note
    assert report.profile is None
    assert report.estimates == ()
    assert report.volume is not None


def test_a_missing_recording_is_told_in_one_sentence(tmp_path):
    with pytest.raises(RecordingError, match="no recording at"):
        calibrate_recording(str(tmp_path / "none.nd2"), settings_for(2))
