import math
import threading
import time

import pytest
from tests.session.test_session import PATIENCE_S, make_session, run

from napari_acll.core import (
    AcllSettings,
    DropPolicy,
    Mark,
    RunSettings,
    SessionError,
    SessionState,
)
from napari_acll.session._mark_memory import MOST_OF_A_NAME
from napari_acll.testing import FakeSource, GatedLabeler, MemoryWriter


class FakeChannel:
    """Gives what is put into it; raises what is an error."""

    name = "fake"

    def __init__(self, *script):
        self._script = list(script)
        self._lock = threading.Lock()
        self.came = threading.Event()
        self.threads = set()
        self.n_opened = self.n_closed = 0

    def put(self, item):
        with self._lock:
            self._script.append(item)

    def open(self):
        self.n_opened += 1

    def read(self, timeout_s):
        self.threads.add(threading.current_thread().name)
        with self._lock:
            item = self._script.pop(0) if self._script else None
        if item is None:
            self.came.set()
            threading.Event().wait(min(timeout_s, 0.005))
            return []
        if isinstance(item, Exception):
            raise item
        return [item]

    def close(self):
        self.n_closed += 1


def mark(name, **more):
    return Mark(channel="fake", name=name, **more)


def live(labeler=None, **options):
    """Return a live session whose volumes are all read when it says so."""
    source = FakeSource(range(3), is_live=True)
    return make_session(source, labeler=labeler, drop_policy=DropPolicy.BLOCK, **options), source


def end(session):
    session.stop()
    assert session.join(PATIENCE_S)
    return session


def test_a_mark_of_a_live_session_has_wall_time_time_of_the_recording_and_the_newest_volume():
    writer = MemoryWriter()
    session, source = live(writers=[writer])
    session.start()
    assert source.exhausted.wait(PATIENCE_S)
    before_s = time.time()
    session.mark("light", 0.5, note="blue", channel="key")
    after_s = time.time()
    end(session)
    (kept,) = writer.marks
    assert (kept.channel, kept.name, kept.value, kept.note) == ("key", "light", 0.5, "blue")
    assert before_s - 0.01 <= kept.at_s <= after_s + 0.01
    assert kept.volume_index == 2
    # all volumes came at once, so the last slice of the last one is what came the soonest
    assert 1.3 <= kept.time_s <= 1.3 + (after_s - before_s) + 5.0


def test_two_marks_are_as_far_apart_on_both_clocks():
    writer = MemoryWriter()
    session, source = live(writers=[writer])
    session.start()
    assert source.exhausted.wait(PATIENCE_S)
    session.mark("a")
    threading.Event().wait(0.05)
    session.mark("b")
    end(session)
    a, b = writer.marks
    assert b.at_s - a.at_s >= 0.05
    assert b.time_s - a.time_s == pytest.approx(b.at_s - a.at_s, abs=1e-6)


def test_a_mark_before_the_first_volume_is_kept_and_the_clock_is_told_later():
    writer = MemoryWriter()
    session, source = live(writers=[writer])
    session.mark("armed")
    session.start()
    assert source.exhausted.wait(PATIENCE_S)
    session.mark("light")
    end(session)
    armed, light = writer.marks
    assert (armed.name, armed.volume_index) == ("armed", -1)
    assert armed.time_s != armed.time_s
    assert light.time_s == light.time_s
    assert "clock" in [kind for kind, _ in writer.events]


def test_in_a_replay_a_mark_has_the_newest_volume_and_no_time_of_the_recording():
    writer = MemoryWriter()
    labeler = GatedLabeler()
    session = make_session(FakeSource(range(2)), labeler=labeler, writers=[writer])
    session.start()
    labeler.wait_until_busy()
    session.mark("light")
    labeler.allow(2)
    assert session.join(PATIENCE_S)
    (kept,) = writer.marks
    assert kept.volume_index in (0, 1)
    assert kept.time_s != kept.time_s


def test_in_a_replay_at_the_recorded_pace_a_mark_has_a_time_of_the_recording():
    writer = MemoryWriter()
    settings = AcllSettings(run=RunSettings(pace="recorded", drop_policy="block"))
    session = make_session(FakeSource(range(2)), settings=settings, writers=[writer])
    seen = threading.Event()
    session.sample_ready.connect(lambda sample: sample.index == 0 and seen.set())
    session.start()
    assert seen.wait(PATIENCE_S)
    session.mark("light")
    assert session.join(PATIENCE_S)
    (kept,) = writer.marks
    assert 0.0 <= kept.time_s < PATIENCE_S


def test_marks_that_bring_their_time_keep_it():
    writer = MemoryWriter()
    channel = FakeChannel(mark("a", time_s=12.5), mark("b", at_s=1.5e9))
    session, source = live(writers=[writer], mark_channels=[channel])
    session.start()
    assert channel.came.wait(PATIENCE_S)
    assert source.exhausted.wait(PATIENCE_S)
    end(session)
    a, b = writer.marks
    assert (a.time_s, a.volume_index) == (12.5, -1)
    assert a.at_s != a.at_s
    assert (b.at_s, b.volume_index) == (1.5e9, -1)


def test_a_channel_has_its_own_thread_and_is_closed_at_the_end():
    writer = MemoryWriter()
    channels = [FakeChannel(mark("a")), FakeChannel(mark("b"))]
    session, _ = live(writers=[writer], mark_channels=channels)
    session.start()
    assert all(channel.came.wait(PATIENCE_S) for channel in channels)
    end(session)
    assert sorted(kept.name for kept in writer.marks) == ["a", "b"]
    assert [channel.threads for channel in channels] == [{"acll-marks-0"}, {"acll-marks-1"}]
    assert [channel.n_closed for channel in channels] == [1, 1]


def test_an_error_of_a_channel_is_told_once_and_it_is_tried_again(monkeypatch):
    monkeypatch.setattr("napari_acll.session._marking._AGAIN_S", 0.01)
    writer = MemoryWriter()
    gone = OSError("the device is gone")
    channel = FakeChannel(mark("a"), gone, gone, gone, mark("b"))
    session, _ = live(writers=[writer], mark_channels=[channel])
    session.start()
    assert channel.came.wait(PATIENCE_S)
    end(session)
    assert session.state is SessionState.FINISHED
    assert [kept.name for kept in writer.marks] == ["a", "b"]
    assert channel.n_opened == channel.n_closed == 4
    told = [message for kind, message in writer.events if kind == "marks"]
    assert ["the device is gone" in message for message in told] == [True, False]
    assert "can be read again" in told[1]


def test_a_mark_after_the_end_is_refused():
    session = run(make_session(FakeSource(range(2))))
    with pytest.raises(SessionError, match="the session is over"):
        session.mark("late")


def test_far_too_many_marks_are_refused_and_wait_for_nothing(monkeypatch):
    monkeypatch.setattr("napari_acll.session._outbox._MOST_MARKS", 5)
    writer = MemoryWriter()
    session = make_session(FakeSource(range(2)), writers=[writer])
    for number in range(5):
        session.mark("many", number)
    with pytest.raises(SessionError, match="far too slow"):
        session.mark("many", 5)
    run(session)
    assert [kept.value for kept in writer.marks] == [0.0, 1.0, 2.0, 3.0, 4.0]
    assert any("1 marks came faster" in message for _, message in writer.events)


def test_a_screen_can_ask_for_the_moments_that_were_marked():
    session, source = live()
    session.start()
    assert source.exhausted.wait(PATIENCE_S)
    session.mark("light", 0.5)
    for _ in range(MOST_OF_A_NAME + 1):
        session.mark("speed", 1.0)
    (moment,) = session.marks
    assert (moment.name, moment.value) == ("light", 0.5)
    assert math.isfinite(moment.time_s)
    end(session)
    assert session.marks == (moment,)
