import threading

import numpy as np
import pytest
from tests.session.test_session import PATIENCE_S, listen, make_session, run, wait_for

from napari_acll.core import (
    AcllSettings,
    DropPolicy,
    Pace,
    RunSettings,
    SessionState,
    SettingsError,
    VolumeStatus,
)
from napari_acll.session import build_session
from napari_acll.testing import FakeSource, GatedLabeler, MemoryWriter, fake_volume

QUIET_S = 0.4
"""How long it is listened whether something happens that must not."""


class HandFedSource(FakeSource):
    """A live source that gives as many volumes as it is allowed to, then ends."""

    def __init__(self, n_volumes: int) -> None:
        super().__init__(range(n_volumes), is_live=True)
        self._allowed = threading.Semaphore(0)
        self._asked = threading.Semaphore(0)

    def give(self, n_volumes: int) -> None:
        """Give some, and wait until each of them was dealt with."""
        for _ in range(n_volumes):
            self._allowed.release()
            assert self._asked.acquire(timeout=PATIENCE_S), "nobody asks for the next volume"

    def __iter__(self):
        for number, index in enumerate(self.indices):
            if number:
                self._asked.release()
            if not self._allowed.acquire(timeout=PATIENCE_S):
                raise TimeoutError("nobody allowed this volume")
            yield fake_volume(index, spec=self.spec)
        self._asked.release()


def _kinds(writer):
    return [kind for kind, _ in writer.events]


def test_a_paused_replay_reads_and_labels_nothing():
    labeler, writer, source = GatedLabeler(), MemoryWriter(), FakeSource(range(10))
    session = make_session(source, labeler=labeler, writers=[writer])
    session.pause()
    labeler.allow(100)
    session.start()
    assert not labeler.began.acquire(timeout=QUIET_S)
    assert session.is_paused
    assert session.counters.n_read == 0
    session.unpause()
    assert session.join(PATIENCE_S)
    assert not session.is_paused
    assert writer.order == list(range(10))
    assert writer.skipped == {}


def test_a_replay_that_is_paused_in_between_finishes_what_is_being_labeled_only():
    labeler, writer = GatedLabeler(), MemoryWriter()
    session = make_session(FakeSource(range(10)), labeler=labeler, writers=[writer])
    session.start()
    labeler.allow(1)
    labeler.wait_until_busy()
    labeler.wait_until_busy()  # with the second volume
    session.pause()
    labeler.allow(100)
    assert not labeler.began.acquire(timeout=QUIET_S)
    assert session.store.n_timepoints == 2
    session.unpause()
    assert session.join(PATIENCE_S)
    assert writer.order == list(range(10))
    assert _kinds(writer).count("paused") == _kinds(writer).count("unpaused") == 1


def test_volumes_that_come_while_a_live_session_is_paused_are_skipped_and_told():
    source, writer = HandFedSource(7), MemoryWriter()
    session = make_session(source, writers=[writer], drop_policy=DropPolicy.DROP_OLDEST)
    heard = listen(session)
    session.start()
    source.give(2)
    wait_for(lambda: session.counters.n_traced == 2, session.sample_ready)
    session.pause()
    source.give(3)
    assert session.counters.n_read == 5  # the microscope is not kept waiting
    session.unpause()
    source.give(2)
    wait_for(lambda: session.counters.n_traced == 4, session.sample_ready)
    session.stop()
    assert session.join(PATIENCE_S)
    assert writer.order == list(range(7))
    assert writer.skipped == dict.fromkeys((2, 3, 4), VolumeStatus.SKIPPED)
    assert session.counters.n_skipped == 3
    sentence = "The session goes on; volumes 2 to 4 came while it was paused, and are skipped."
    assert ("unpaused", sentence) in heard["event"]


def test_skipped_volumes_of_a_pause_miss_no_deadline():
    source = HandFedSource(4)
    session = make_session(source, drop_policy=DropPolicy.DROP_OLDEST)
    session.start()
    session.pause()
    source.give(3)
    session.unpause()
    source.give(1)
    wait_for(lambda: session.counters.n_traced == 1, session.sample_ready)
    session.stop()
    assert session.join(PATIENCE_S)
    assert session.deadlines.n_judged == 1


def test_a_live_recording_that_ends_during_a_pause_tells_what_was_skipped():
    source, writer = HandFedSource(3), MemoryWriter()
    session = make_session(source, writers=[writer], drop_policy=DropPolicy.DROP_OLDEST)
    session.start()
    session.pause()
    source.give(3)
    assert session.join(PATIENCE_S)
    assert session.state is SessionState.FINISHED
    assert not session.is_paused
    assert writer.order == [0, 1, 2]
    messages = [message for kind, message in writer.events if kind == "unpaused"]
    assert messages == [
        "The session ends; volumes 0 to 2 came while it was paused, and are skipped."
    ]


def test_a_pause_makes_no_sample_of_a_paced_replay_late():
    labeler, writer = GatedLabeler(), MemoryWriter()
    labeler.allow(100)
    settings = AcllSettings(run=RunSettings(pace=Pace.RECORDED))
    session = make_session(
        FakeSource(range(4)), labeler=labeler, writers=[writer], settings=settings
    )
    session.start()
    labeler.wait_until_busy()
    session.pause()
    assert not labeler.began.acquire(timeout=3.5 * session.spec.period_s)
    session.unpause()
    assert session.join(PATIENCE_S)
    assert writer.order == [0, 1, 2, 3]
    assert session.deadlines.n_judged == 4
    assert session.deadlines.n_missed == 0


def test_a_paused_session_can_be_stopped():
    session = make_session(FakeSource(range(10)))
    session.pause()
    session.start()
    session.stop()
    assert session.join(PATIENCE_S)
    assert session.state is SessionState.FINISHED
    assert not session.is_paused


def test_pausing_twice_or_too_late_changes_nothing():
    writer = MemoryWriter()
    session = make_session(FakeSource(range(3)), writers=[writer])
    session.pause()
    session.pause()
    session.unpause()
    session.unpause()
    run(session)
    session.pause()
    assert not session.is_paused
    assert _kinds(writer).count("paused") == _kinds(writer).count("unpaused") == 1


class TestFirstVolume:
    def test_a_replay_may_begin_at_any_volume_and_does_not_reach_those_before(self):
        writer = MemoryWriter()
        settings = AcllSettings(run=RunSettings(first_volume=4))
        session = run(make_session(FakeSource(range(10)), writers=[writer], settings=settings))
        assert writer.order == list(range(4, 10))
        assert session.counters.n_read == session.counters.n_traced == 6
        assert session.counters.n_lost == session.counters.n_skipped == 0
        assert session.store.status[:4].tolist() == [VolumeStatus.PENDING] * 4
        assert np.isnan(session.store.ratio[:, :4]).all()

    @pytest.mark.parametrize(
        ("source", "message"),
        [
            (FakeSource(range(3), is_live=True), "set run.first_volume to 0"),
            (FakeSource(range(3), n_volumes=3), "the last volume of the recording is 2"),
        ],
    )
    def test_a_first_volume_that_cannot_be_is_refused(self, source, message):
        settings = AcllSettings(run=RunSettings(first_volume=5))
        with pytest.raises(SettingsError, match=message):
            build_session(source, settings=settings, out=None)
        assert source.closed.is_set()
