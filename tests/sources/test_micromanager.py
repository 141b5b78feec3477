"""Volumes from the events of an acquisition of Micro-Manager."""

import builtins
import sys

import numpy as np
import pytest
from tests.sources.mda import Microscope, sequence_of
from tests.sources.recordings import random_counts

from napari_acll.core import LiveSettings, RecordingError, SourceSettings
from napari_acll.sources import MicroManagerSource, open_source
from napari_acll.testing import LiveSourceContract

PATIENCE_S = 20.0
ADDRESS = "micromanager:"


def settings(**live):
    given = {"is_live": True, "poll_ms": 1, "start_timeout_s": PATIENCE_S, **live}
    return SourceSettings(live=LiveSettings(**{"idle_timeout_s": PATIENCE_S, **given}))


def armed(microscope, **live):
    return MicroManagerSource(ADDRESS, settings(**live), core=microscope)


def acquired(counts, *, sequence=None, without=None, **options):
    """Return the volumes of an acquisition of counts (T, C, Z, Y, X), and the source."""
    microscope = Microscope(sequence or sequence_of(len(counts), counts.shape[2]))
    with armed(microscope) as source:
        microscope.start()
        for t, channels in enumerate(counts):
            microscope.volume(t, channels, without=(without or {}).get(t, ()), **options)
        microscope.finish()
        return list(source), source


class TestMicroManagerSource(LiveSourceContract):
    tells_when_seen = True

    def make_source(self, settings):
        self.microscope = Microscope(sequence_of(1000, self.shape[0]))
        self.has_begun = False
        return MicroManagerSource(ADDRESS, settings, core=self.microscope)

    def write(self, index, activity, marker):
        if not self.has_begun:
            self.microscope.start()
            self.has_begun = True
        self.microscope.volume(index, np.stack((activity, marker)))

    def finish(self):
        self.microscope.finish()


@pytest.mark.parametrize("is_channel_first", [True, False])
def test_channels_come_one_after_the_other_or_in_turn(is_channel_first):
    counts = random_counts()
    volumes, source = acquired(counts, is_channel_first=is_channel_first)
    assert [volume.index for volume in volumes] == [0, 1, 2]
    for volume, (activity, marker) in zip(volumes, counts, strict=True):
        np.testing.assert_array_equal(volume.activity, activity)
        np.testing.assert_array_equal(volume.marker, marker)
        assert not volume.missing_z
    assert source.spec.voxel_size_um == pytest.approx((0.6, 0.54, 0.54))
    assert source.spec.period_s == 0.5
    assert (source.spec.activity_name, source.spec.marker_name) == ("GCaMP", "TagRFP")
    np.testing.assert_allclose(volumes[1].slice_times_s, 0.5 + 0.01 * np.arange(4))


def test_two_cameras_are_two_channels():
    counts = random_counts(n_volumes=2)
    microscope = Microscope(sequence_of(2, 4, ("both",)))
    with armed(microscope) as source:
        microscope.start()
        for t in range(2):
            for z in range(4):
                for cam, name in enumerate(("GCaMP camera", "mNeptune camera")):
                    frame = counts[t, cam, z]
                    microscope.frame(frame, t, z, c=0, cam=cam, camera_device=name)
        microscope.finish()
        volumes = list(source)
    assert source.spec.activity_name == "GCaMP camera"
    for volume, (activity, marker) in zip(volumes, counts, strict=True):
        np.testing.assert_array_equal(volume.activity, activity)
        np.testing.assert_array_equal(volume.marker, marker)


def test_a_slice_that_one_channel_lacks_is_missing_and_zero():
    counts = random_counts()
    volumes, _ = acquired(counts, without={1: ((0, 2),)})
    assert [volume.missing_z for volume in volumes] == [(), (2,), ()]
    assert not volumes[1].marker[2].any()
    np.testing.assert_array_equal(volumes[1].marker[3], counts[1, 1, 3])


def test_a_volume_that_was_dropped_is_a_gap_and_the_last_incomplete_one_is_left_out():
    counts = random_counts(n_volumes=4)
    dropped = tuple((c, z) for c in range(2) for z in range(4))
    volumes, _ = acquired(counts, without={1: dropped, 3: ((1, 3),)})
    assert [volume.index for volume in volumes] == [0, 2]


def test_what_nobody_takes_does_not_fill_the_memory():
    counts = random_counts(n_volumes=69)
    volumes, source = acquired(counts)
    assert [volume.index for volume in volumes] == list(range(5, 69))
    assert source.n_dropped == 5
    assert "Volumes that were not taken in time: 5." in source.notes


@pytest.mark.parametrize("takes_existing", [False, True])
def test_a_running_acquisition_is_joined_at_its_next_volume_or_ignored(takes_existing):
    counts = random_counts()
    microscope = Microscope()
    microscope.start()
    live = {"takes_existing": takes_existing, "start_timeout_s": 0.2}
    with armed(microscope, **live) as source:
        microscope.frame(counts[0, 1, 3], 0, 3, c=1)
        for t in (1, 2):
            microscope.volume(t, counts[t])
        microscope.finish()
        if takes_existing:
            assert [volume.index for volume in source] == [1, 2]
        else:
            with pytest.raises(RecordingError, match="No volume came"):
                list(source)


def test_a_second_acquisition_ends_the_first():
    counts = random_counts()
    microscope = Microscope()
    with armed(microscope) as source:
        microscope.start()
        microscope.volume(0, counts[0])
        microscope.sequence = sequence_of()
        microscope.start()
        microscope.volume(1, counts[1])
        assert [volume.index for volume in source] == [0]


def test_a_closed_source_leaves_the_microscope_alone():
    microscope = Microscope()
    source = armed(microscope)
    events = microscope.mda.events
    assert len(events.frameReady) == 1
    source.close()
    assert not len(events.frameReady) + len(events.sequenceStarted) + len(events.sequenceFinished)


@pytest.mark.parametrize(
    ("sequence", "message"),
    [
        (sequence_of(3, 0), "z stacks"),
        (sequence_of(3, 4, p=2), "several positions"),
        (sequence_of(3, 4, order="pgczt"), "put the time first"),
        (sequence_of(3, 4, ("GCaMP",)), "1 channel"),
        (sequence_of(3, 4, ("a", "b", "c")), "3 channels"),
    ],
)
def test_an_acquisition_that_cannot_be_followed_says_why_and_goes_on(sequence, message):
    microscope = Microscope(sequence)
    with armed(microscope) as source:
        microscope.start()
        microscope.frame(np.ones((6, 7), np.uint16), 0, 0, c=0)
        with pytest.raises(RecordingError, match=message):
            next(iter(source))


@pytest.mark.parametrize(
    "frame", [np.ones((6, 7), np.float32), np.ones((6, 7, 3), np.uint8)], ids=["float", "color"]
)
def test_frames_that_are_no_counts_are_refused(frame):
    microscope = Microscope()
    with armed(microscope) as source:
        microscope.start()
        microscope.frame(frame, 0, 0, c=0)
        with pytest.raises(RecordingError, match="gray values"):
            next(iter(source))


def test_without_pymmcore_plus_the_command_is_told(monkeypatch):
    monkeypatch.delitem(sys.modules, "pymmcore_plus", raising=False)
    imported = builtins.__import__

    def refuse(name, *args, **kwargs):
        if name.startswith("pymmcore_plus"):
            raise ImportError(name)
        return imported(name, *args, **kwargs)

    monkeypatch.setattr(builtins, "__import__", refuse)
    with pytest.raises(RecordingError, match=r'pip install "napari-acll\[micromanager\]"'):
        open_source(ADDRESS, SourceSettings())
