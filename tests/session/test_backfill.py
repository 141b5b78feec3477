"""Volumes that were skipped while we were late, labeled when there is time."""

import threading
from dataclasses import replace

import numpy as np
import pytest
from tests.session.test_session import make_session, run

from napari_acll.core import (
    AcllSettings,
    AlignmentSettings,
    Backfill,
    ChannelAlignment,
    DropPolicy,
    RecordingError,
    RunSettings,
    VolumeStatus,
)
from napari_acll.testing import (
    FakeCalibrator,
    FakeLabeler,
    FakeSource,
    GatedLabeler,
    MemoryWriter,
    expected_ratio,
    fake_volume,
)

PATIENCE_S = 20.0
TRACED, SKIPPED, BACKFILLED = (
    VolumeStatus.TRACED,
    VolumeStatus.SKIPPED,
    VolumeStatus.BACKFILLED,
)


class KeptSource(FakeSource):
    """Gives its volumes while the first one is being labeled, and has them all still.

    Parameters
    ----------
    labeler : GatedLabeler
        Whoever is slow.
    gone : sequence of int
        Volumes that it lacks when they are asked for once more.
    """

    def __init__(self, n_volumes, labeler, *, gone=(), broken=(), pause_at=None):
        super().__init__(range(n_volumes))
        self._labeler, self._gone, self._broken = labeler, gone, broken
        self.paused, self.go_on, self._pause_at = threading.Event(), threading.Event(), pause_at
        self.all_given = threading.Event()
        self.reread_by = set()
        self.is_live = True

    def __iter__(self):
        for volume in super().__iter__():
            if volume.index == 1:
                self._labeler.wait_until_busy()
            if volume.index == self._pause_at:
                self.paused.set()
                assert self.go_on.wait(PATIENCE_S)
            yield volume
            if volume.index == self.indices[-1]:  # asked for more: the last one is in the queue
                self.all_given.set()
                return

    def reread(self, index):
        assert not self.closed.is_set()
        self.reread_by.add(threading.current_thread().name)
        if index in self._broken:
            raise RecordingError("that file is damaged")
        return None if index in self._gone else fake_volume(index, spec=self.spec)


def settings(backfill, **run):
    return AcllSettings(
        run=RunSettings(
            queue_capacity=2, drop_policy=DropPolicy.DROP_OLDEST, backfill=backfill, **run
        ),
        alignment=AlignmentSettings(n_volumes=0),
    )


def late_session(backfill, *, source_options=None, **options):
    """Return a session that is late: of 6 volumes it labels 0, 4 and 5 as they come."""
    labeler = GatedLabeler()
    source = KeptSource(6, labeler, **(source_options or {}))
    writer = MemoryWriter()
    session = make_session(
        source, labeler=labeler, writers=[writer], settings=settings(backfill), **options
    )
    return session, source, labeler, writer


def let_all_come(session, source, labeler):
    """Start, let all volumes come while the first one is labeled, then label on."""
    session.start()
    assert source.all_given.wait(PATIENCE_S)
    labeler.allow(100)
    assert session.join(PATIENCE_S)


def test_skipped_volumes_are_labeled_at_the_end_and_enter_the_record_as_such():
    session, source, labeler, writer = late_session(Backfill.AT_END)
    let_all_come(session, source, labeler)
    expected = [TRACED, BACKFILLED, BACKFILLED, BACKFILLED, TRACED, TRACED]
    assert session.store.status.tolist() == expected
    for index in range(6):
        np.testing.assert_allclose(session.store.ratio[:3, index], expected_ratio(index))
    assert writer.skipped == {1: SKIPPED, 2: SKIPPED, 3: SKIPPED}  # as it was decided live
    assert writer.order == [0, 1, 2, 3, 4, 5, 1, 2, 3]
    assert [one.status for one in writer.samples] == [TRACED] * 3 + [BACKFILLED] * 3
    counters = session.counters
    assert (counters.n_traced, counters.n_skipped, counters.n_backfilled) == (3, 3, 3)
    assert counters.n_read == counters.n_traced + counters.n_unlabelable + counters.n_skipped
    assert ("backfilled", "3 skipped volumes were labeled later.") in writer.events
    assert "3 skipped (3 labeled later)" in writer.events[-1][1]
    assert source.reread_by == {"acll-compute"}
    assert source.closed.is_set()
    assert session.latest().sample.index == 5  # the newest, not the last that was labeled


def test_without_backfill_skipped_volumes_stay_skipped():
    session, source, labeler, _ = late_session(Backfill.OFF)
    let_all_come(session, source, labeler)
    assert session.store.status.tolist() == [TRACED, SKIPPED, SKIPPED, SKIPPED, TRACED, TRACED]
    assert session.counters.n_backfilled == 0
    assert not source.reread_by


def test_what_the_recording_no_longer_has_stays_skipped_and_is_counted():
    session, source, labeler, writer = late_session(
        Backfill.AT_END, source_options={"gone": (1,), "broken": (3,)}
    )
    let_all_come(session, source, labeler)
    assert session.store.status.tolist()[1:4] == [SKIPPED, BACKFILLED, SKIPPED]
    assert ("backfilled", "1 skipped volume was labeled later; 2 were gone.") in writer.events


def test_skipped_volumes_are_labeled_while_nothing_comes():
    session, source, labeler, writer = late_session(Backfill.IDLE, source_options={"pause_at": 5})
    session.start()
    assert source.paused.wait(PATIENCE_S)  # 1 and 2 were dropped, 3 and 4 wait
    done = threading.Event()
    session.sample_ready.connect(lambda sample: sample.index == 2 and done.set())
    labeler.allow(100)
    assert done.wait(PATIENCE_S)
    source.go_on.set()
    assert session.join(PATIENCE_S)
    assert writer.order == [0, 1, 2, 3, 4, 1, 2, 5]
    assert session.store.status.tolist() == [
        TRACED, BACKFILLED, BACKFILLED, TRACED, TRACED, TRACED,
    ]  # fmt: skip


def test_a_stop_ends_the_labeling_of_skipped_volumes():
    session, source, labeler, _ = late_session(Backfill.AT_END)
    stopped = threading.Event()

    def stop(sample):
        if sample.status is BACKFILLED and not stopped.is_set():
            session.stop()
            stopped.set()

    session.sample_ready.connect(stop)
    session.start()
    assert source.all_given.wait(PATIENCE_S)
    labeler.allow(4)  # the three that come in time, and one that was skipped
    assert stopped.wait(PATIENCE_S)
    labeler.allow(1)  # one may have begun
    assert session.join(PATIENCE_S)
    statuses = session.store.status.tolist()
    assert statuses[1] == BACKFILLED
    assert statuses[3] == SKIPPED


def test_skipped_volumes_are_traced_with_the_alignment_of_the_others():
    labeler = GatedLabeler()
    source = KeptSource(6, labeler)
    calibrator = FakeCalibrator(50, ChannelAlignment(dy_um=0.0, is_trusted=True))
    session = make_session(
        source, labeler=labeler, calibrator=calibrator, settings=settings(Backfill.AT_END)
    )
    let_all_come(session, source, labeler)
    assert session.store.status.tolist()[1:4] == [BACKFILLED] * 3
    assert calibrator.seen == [0, 4, 5]  # what was skipped does not decide the alignment


def test_identities_over_time_do_not_hear_of_volumes_that_come_late():
    seen = []

    class Listening:
        def update(self, labeled):
            seen.append(labeled.index)
            return labeled

    session, source, labeler, _ = late_session(Backfill.AT_END, identity_filter=Listening())
    let_all_come(session, source, labeler)
    assert seen == [0, 4, 5]


def test_an_unlabelable_volume_that_was_skipped_is_unlabelable():
    labeler = GatedLabeler(unfit=(2,))
    source = KeptSource(6, labeler)
    session = make_session(source, labeler=labeler, settings=settings(Backfill.AT_END))
    let_all_come(session, source, labeler)
    assert session.store.status.tolist()[2] == VolumeStatus.UNLABELABLE


def test_a_model_that_fails_on_a_skipped_volume_leaves_it_skipped_and_says_so():
    labeler = GatedLabeler(fails_at=2)
    source = KeptSource(6, labeler)
    writer = MemoryWriter()
    session = make_session(
        source, labeler=labeler, writers=[writer], settings=settings(Backfill.AT_END)
    )
    session.start()
    assert source.all_given.wait(PATIENCE_S)
    labeler.allow(100)
    assert session.join(PATIENCE_S)
    expected = [TRACED, BACKFILLED, SKIPPED, BACKFILLED, TRACED, TRACED]
    assert session.store.status.tolist() == expected
    told = [message for kind, message in writer.events if kind == "failure"]
    assert len(told) == 1
    assert "Volume 2 stays skipped" in told[0]
    assert "out of memory" in told[0]
    assert ("backfilled", "2 skipped volumes were labeled later; 1 failed.") in writer.events


def test_a_model_that_fails_too_often_on_skipped_volumes_ends_the_session_with_what_it_has():
    labeler = GatedLabeler(fails_at=2)
    source = KeptSource(6, labeler)
    chosen = settings(Backfill.AT_END)
    run_settings = chosen.run.model_copy(update={"max_failures": 0})
    chosen = chosen.model_copy(update={"run": run_settings})
    session = make_session(source, labeler=labeler, settings=chosen)
    session.start()
    assert source.all_given.wait(PATIENCE_S)
    labeler.allow(100)
    with pytest.raises(Exception, match="out of memory"):
        session.join(PATIENCE_S)
    assert session.store.status.tolist() == [TRACED, BACKFILLED, SKIPPED, SKIPPED, TRACED, TRACED]
    assert source.closed.is_set()


def test_a_source_without_a_second_look_is_closed_when_it_is_read():
    source = FakeSource(range(4))
    session = run(make_session(source, labeler=FakeLabeler(), settings=settings(Backfill.AT_END)))
    assert session.counters.n_traced + session.counters.n_skipped == 4
    assert replace(session.counters).n_backfilled == 0


def test_a_recording_that_breaks_ends_in_its_error_although_it_could_be_read_once_more():
    class Breaking(KeptSource):
        def __iter__(self):
            for volume in super().__iter__():
                if volume.index == 3:
                    raise RecordingError("the disk is gone")
                yield volume

    labeler = GatedLabeler()
    labeler.allow(100)
    writer = MemoryWriter()
    session = make_session(
        Breaking(6, labeler), labeler=labeler, writers=[writer], settings=settings(Backfill.AT_END)
    )
    session.start()
    with pytest.raises(RecordingError, match="the disk is gone"):
        session.join(PATIENCE_S)
    assert writer.state == "failed"
