import threading
import time
from dataclasses import replace

import numpy as np
import pytest
from tests.session.test_session import PATIENCE_S, make_session, run, wait_for

from napari_acll.core import (
    AcllSettings,
    ChannelAlignment,
    Correction,
    CorrectionKind,
    DropPolicy,
    PublishMode,
    PublishSettings,
    RunSettings,
    SessionState,
    SettingsError,
    VolumeStatus,
)
from napari_acll.publish import ZmqPublisher
from napari_acll.session._build_publishers import make_publishers
from napari_acll.testing import (
    FakeCalibrator,
    FakeLabeler,
    FakeSource,
    GatedLabeler,
    MemoryWriter,
    expected_ratio,
)


class MemoryPublisher:
    """Keeps everything; fails, hangs or refuses to open if it is told to."""

    address = "nowhere"

    def __init__(self, *, fails_at=None, hangs_at=None, opens=True):
        self.samples = []
        self.threads = set()
        self.is_open = False
        self.n_closed = 0
        self.hangs = threading.Event()
        self.go_on = threading.Event()
        self._fails_at = fails_at
        self._hangs_at = hangs_at
        self._opens = opens

    def open(self):
        if not self._opens:
            raise SettingsError("the address is in use")
        self.is_open = True

    def publish(self, sample):
        self.threads.add(threading.current_thread().name)
        if sample.index == self._fails_at:
            raise RuntimeError("the wire is cut")
        if sample.index == self._hangs_at:
            self.hangs.set()
            assert self.go_on.wait(PATIENCE_S)
        self.samples.append(sample)

    def close(self):
        self.is_open = False
        self.n_closed += 1

    @property
    def indices(self):
        return [sample.index for sample in self.samples]


def test_every_sample_is_published_with_its_values_and_times():
    publisher = MemoryPublisher()
    session = run(make_session(FakeSource(range(6)), publishers=[publisher]))
    assert session.state is SessionState.FINISHED
    assert publisher.indices == list(range(6))
    assert publisher.threads == {"acll-publish"}
    assert not publisher.is_open
    for sample in publisher.samples:
        assert sample.names == ("AVAL", "AVAR", "RIBL")
        np.testing.assert_allclose(sample.ratio, expected_ratio(sample.index), rtol=1e-6)
        np.testing.assert_allclose(sample.confidence, [0.9, 0.8, 0.7], rtol=1e-6)
        assert sample.time_s == 0.5 * sample.index
        assert sample.seen_at_s <= sample.traced_at_s <= sample.sent_at_s


def test_skipped_and_lost_volumes_are_published_as_such():
    publisher = MemoryPublisher()
    source = FakeSource([0, 1, 4], n_volumes=6)
    run(make_session(source, labeler=FakeLabeler(unfit=[1]), publishers=[publisher]))
    told = {sample.index: sample.status for sample in publisher.samples}
    lost = VolumeStatus.LOST
    assert told == {
        0: VolumeStatus.TRACED,
        1: VolumeStatus.UNLABELABLE,
        2: lost,
        3: lost,
        4: VolumeStatus.TRACED,
        5: lost,
    }
    assert all(not sample.names for sample in publisher.samples if sample.status != 1)


def test_names_that_a_person_pinned_are_published_as_pinned():
    publisher = MemoryPublisher()
    session = make_session(FakeSource(range(2)), publishers=[publisher])
    for kind, name in (("pin", "AVAR"), ("pin", "RIBL"), ("unpin", "RIBL")):
        session.correct(Correction(kind=CorrectionKind(kind), name=name))
    run(session)
    assert [sample.is_pinned.tolist() for sample in publisher.samples] == [
        [False, True, False]
    ] * 2


def test_a_publisher_that_hangs_slows_nothing_and_what_it_misses_is_counted():
    publisher = MemoryPublisher(hangs_at=0)
    writer = MemoryWriter()
    session = make_session(FakeSource(range(100)), publishers=[publisher], writers=[writer])
    n_written = threading.Event()
    session.sample_ready.connect(lambda sample: sample.index == 99 and n_written.set())
    session.start()
    assert publisher.hangs.wait(PATIENCE_S)
    assert n_written.wait(PATIENCE_S)
    publisher.go_on.set()
    assert session.join(PATIENCE_S)
    assert publisher.indices == [0, *range(36, 100)]
    assert session.deadlines.n_unpublished == 35
    assert [sample.index for sample in writer.samples] == list(range(100))


def test_a_publisher_that_hangs_for_good_does_not_keep_the_session_from_ending():
    publisher = MemoryPublisher(hangs_at=1)
    session = run(make_session(FakeSource(range(4)), publishers=[publisher]))
    assert session.state is SessionState.FINISHED
    publisher.go_on.set()


def test_a_publisher_that_fails_is_told_of_and_the_recording_goes_on():
    bad, good = MemoryPublisher(fails_at=2), MemoryPublisher()
    writer = MemoryWriter()
    session = run(make_session(FakeSource(range(5)), publishers=[bad, good], writers=[writer]))
    assert session.state is SessionState.FINISHED
    assert (bad.indices, good.indices) == ([0, 1], list(range(5)))
    assert (bad.n_closed, good.n_closed) == (1, 1)
    told = [message for kind, message in writer.events if kind == "publish"]
    assert any("the wire is cut" in message for message in told)


def test_an_address_in_use_does_not_keep_a_session_from_running():
    writer = MemoryWriter()
    publisher = MemoryPublisher(opens=False)
    session = run(make_session(FakeSource(range(3)), publishers=[publisher], writers=[writer]))
    assert session.counters.n_traced == 3
    assert publisher.samples == []
    (told,) = [message for kind, message in writer.events if kind == "publish"]
    assert told == "The session goes on without publishing: the address is in use"


def test_a_session_that_is_stopped_before_it_starts_closes_its_publishers():
    publisher = MemoryPublisher()
    make_session(publishers=[publisher]).stop()
    assert publisher.n_closed == 1


def test_volumes_held_for_the_calibration_are_published_once_they_are_traced():
    publisher = MemoryPublisher()
    calibrator = FakeCalibrator(3, ChannelAlignment.identity())
    session = run(
        make_session(FakeSource(range(5)), calibrator=calibrator, publishers=[publisher])
    )
    assert publisher.indices == list(range(5))
    assert session.deadlines.stages["label"].n == 5
    assert session.deadlines.stages["end_to_end"].n == 2


def test_a_live_session_has_the_period_as_deadline_and_is_late_if_its_model_is():
    labeler = GatedLabeler()
    source = FakeSource(range(3), is_live=True)
    session = make_session(source, labeler=labeler, drop_policy=DropPolicy.BLOCK)
    session.start()
    labeler.wait_until_busy()
    waited = threading.Event()
    waited.wait(source.spec.period_s + 0.05)  # nothing to wait on: lateness is time itself
    labeler.allow(3)
    assert source.exhausted.wait(PATIENCE_S)
    seen = threading.Event()
    session.sample_ready.connect(lambda sample: sample.index == 2 and seen.set())
    if session.counters.n_traced < 3:
        assert seen.wait(PATIENCE_S)
    session.stop()
    assert session.join(PATIENCE_S)
    report = session.deadlines
    assert report.deadline_s == source.spec.period_s
    assert report.n_missed >= 1
    assert report.stages["end_to_end"].max_s > source.spec.period_s


class SlowReadSource(FakeSource):
    """A live source whose volumes were complete some time before they are given."""

    ago_s = 0.4

    def __iter__(self):
        for volume in super().__iter__():
            yield replace(volume, seen_s=time.perf_counter() - self.ago_s)


def test_lateness_counts_from_the_last_slice_to_the_packet():
    publisher, writer = MemoryPublisher(), MemoryWriter()
    source = SlowReadSource(range(3), is_live=True)
    session = make_session(source, publishers=[publisher], writers=[writer])
    session.start()
    assert source.exhausted.wait(PATIENCE_S)
    wait_for(lambda: session.counters.n_traced == 3, session.sample_ready)
    session.stop()
    assert session.join(PATIENCE_S)
    stages = session.deadlines.stages
    assert stages["end_to_end"].n == stages["publish"].n == 3
    assert stages["end_to_end"].p50_s >= 0.99 * source.ago_s
    for sample, timings in zip(publisher.samples, writer.timings, strict=True):
        assert sample.sent_at_s - sample.seen_at_s >= source.ago_s
        assert source.ago_s <= timings.read_s <= timings.total_s


def test_a_live_source_that_does_not_know_when_its_last_slice_came_has_no_time_of_reading():
    writer = MemoryWriter()
    source = FakeSource(range(2), is_live=True)
    session = make_session(source, writers=[writer])
    session.start()
    assert source.exhausted.wait(PATIENCE_S)
    wait_for(lambda: session.counters.n_traced == 2, session.sample_ready)
    session.stop()
    assert session.join(PATIENCE_S)
    assert all(timings.read_s != timings.read_s for timings in writer.timings)
    assert all(timings.total_s < PATIENCE_S for timings in writer.timings)


def test_a_replay_at_full_speed_has_no_deadline_and_one_at_the_recorded_pace_has():
    assert make_session().deadlines.deadline_s is None
    settings = AcllSettings(run=RunSettings(pace="recorded"))
    assert make_session(settings=settings).deadlines.deadline_s == 0.5


def test_how_long_the_stages_took_is_the_last_but_one_event():
    writer = MemoryWriter()
    session = run(make_session(FakeSource(range(4)), writers=[writer]))
    assert [kind for kind, _ in writer.events[-2:]] == ["deadlines", "finished"]
    assert writer.events[-2][1] == session.deadlines.sentence()
    assert session.deadlines.stages["trace"].n == 4


def test_publishing_is_off_where_it_is_not_wanted():
    assert make_publishers(PublishSettings(mode=PublishMode.OFF)) == []


def test_publishing_that_was_asked_for_must_be_possible_before_the_session_begins():
    pytest.importorskip("zmq", reason="the extra `zmq` is not installed")
    other = ZmqPublisher("tcp://127.0.0.1:*")
    other.open()
    settings = PublishSettings(mode=PublishMode.ON, address=other.address)
    with pytest.raises(SettingsError, match="cannot be published"):
        make_publishers(settings)
    assert len(make_publishers(settings.model_copy(update={"mode": PublishMode.AUTO}))) == 1
    other.close()
    (publisher,) = make_publishers(settings)
    assert publisher.address == other.address


def test_a_replay_at_the_recorded_pace_is_late_against_its_own_times():
    labeler = GatedLabeler()
    settings = AcllSettings(run=RunSettings(pace="recorded", queue_capacity=1))
    session = make_session(FakeSource(range(4)), labeler=labeler, settings=settings)
    session.start()
    labeler.wait_until_busy()
    threading.Event().wait(2.1)  # nothing to wait on: the reader stands still meanwhile
    labeler.allow(4)
    assert session.join(PATIENCE_S)
    assert session.deadlines.n_missed == 4  # the last one was due at 1.5 s, and came after 2.1 s
