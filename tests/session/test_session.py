import threading

import numpy as np
import pytest

from napari_acll.core import (
    AcllSettings,
    AlignmentOrigin,
    AlignmentSettings,
    ChannelAlignment,
    DropPolicy,
    LabelSettings,
    ModelError,
    PluginError,
    RecordingError,
    RunSettings,
    SessionError,
    SessionState,
    TraceSettings,
    VolumeStatus,
    live_session_runs,
)
from napari_acll.session import Session
from napari_acll.testing import (
    FakeCalibrator,
    FakeLabeler,
    FakePreprocessor,
    FakeSource,
    GatedLabeler,
    MemoryWriter,
    expected_ratio,
)
from napari_acll.trace import RatioTraceEstimator

PATIENCE_S = 20.0
NAMES = ("AVAL", "AVAR", "RIBL")


def make_session(source=None, *, labeler=None, calibrator=None, writers=(), **options) -> Session:
    source = source or FakeSource(range(10))
    labeler = labeler or FakeLabeler()
    settings = options.pop("settings", None) or AcllSettings(
        run=RunSettings(
            queue_capacity=options.pop("queue_capacity", 4),
            drop_policy=options.pop("drop_policy", DropPolicy.BLOCK),
        ),
        label=LabelSettings(batch_size=options.pop("batch_size", 1)),
        alignment=AlignmentSettings(max_wait_volumes=options.pop("max_wait_volumes", 20)),
    )
    return Session(
        source=source,
        preprocessor=options.pop("preprocessor", None) or FakePreprocessor(source.spec),
        labeler=labeler,
        calibrator=calibrator,
        trace_estimator=options.pop("trace_estimator", None)
        or RatioTraceEstimator(labeler.neurons, TraceSettings()),
        writers=writers,
        settings=settings,
        **options,
    )


def run(session: Session) -> Session:
    session.start()
    assert session.join(PATIENCE_S)
    return session


class LateSource(FakeSource):
    """A live source that gives its second volume when the first is being labeled."""

    def __init__(self, n_volumes: int, labeler: GatedLabeler) -> None:
        super().__init__(range(n_volumes), is_live=True)
        self._labeler = labeler

    def __iter__(self):
        for volume in super().__iter__():
            if volume.index == 1:
                self._labeler.wait_until_busy()
            yield volume


def listen(session: Session) -> dict[str, list]:
    heard: dict[str, list] = {
        "state": [],
        "sample": [],
        "event": [],
        "alignment": [],
        "failed": [],
    }
    session.state_changed.connect(heard["state"].append)
    session.sample_ready.connect(lambda sample: heard["sample"].append(sample.index))
    session.event.connect(lambda kind, message: heard["event"].append((kind, message)))
    session.alignment_ready.connect(heard["alignment"].append)
    session.failed.connect(heard["failed"].append)
    return heard


def wait_for(condition, *signals) -> None:
    """Wait until a condition holds, looking again whenever one of the signals is emitted."""
    changed = threading.Event()

    def look(*_):
        changed.set()

    for signal in signals:
        signal.connect(look)
    for _ in range(1000):
        if condition():
            return
        changed.clear()
        if condition():
            return
        assert changed.wait(PATIENCE_S), "nothing happened"
    pytest.fail("never came true")


def test_a_recording_goes_in_and_its_traces_come_out():
    writer = MemoryWriter()
    session = run(make_session(FakeSource(range(10)), writers=[writer]))
    assert session.state is SessionState.FINISHED
    for index in range(10):
        np.testing.assert_allclose(session.store.ratio[:3, index], expected_ratio(index), 1e-6)
        np.testing.assert_allclose(writer.samples[index].ratio[:3], expected_ratio(index), 1e-6)
    assert np.isnan(session.store.ratio[3]).all()
    assert session.counters.n_read == session.counters.n_traced == 10
    assert writer.state == "finished"


def test_the_states_come_in_order():
    calibrator = FakeCalibrator(2, ChannelAlignment(is_trusted=True))
    session = make_session(calibrator=calibrator)
    heard = listen(session)
    assert session.state is SessionState.IDLE
    run(session)
    assert heard["state"] == [
        SessionState.WARMING_UP,
        SessionState.CALIBRATING,
        SessionState.RUNNING,
        SessionState.STOPPING,
        SessionState.FINISHED,
    ]


def test_without_a_calibration_there_is_no_calibrating():
    session = make_session(alignment=ChannelAlignment(dx_um=0.5, origin=AlignmentOrigin.LOADED))
    heard = listen(session)
    run(session)
    assert SessionState.CALIBRATING not in heard["state"]
    assert heard["alignment"] == [session.alignment]


def test_only_one_thread_calls_the_model_and_only_one_the_writers():
    labeler, writer = FakeLabeler(), MemoryWriter()
    run(make_session(labeler=labeler, writers=[writer]))
    assert labeler.threads == {"acll-compute"}
    assert writer.threads == {"acll-write"}


def test_the_model_is_warm_before_the_first_volume_is_read():
    labeler = FakeLabeler()

    class Source(FakeSource):
        def __iter__(self):
            assert labeler.is_warm
            return super().__iter__()

    run(make_session(Source(range(3)), labeler=labeler))


class TestCalibration:
    SHIFT = ChannelAlignment(dx_um=0.5, origin=AlignmentOrigin.CALIBRATED, is_trusted=True)

    def test_the_calibration_volumes_get_traces_too_with_the_alignment_found(self):
        writer = MemoryWriter()
        calibrator = FakeCalibrator(5, self.SHIFT)
        session = run(make_session(calibrator=calibrator, writers=[writer]))
        assert calibrator.seen == [0, 1, 2, 3, 4]
        assert writer.order == list(range(10))
        assert session.alignment == self.SHIFT.model_copy(update={"n_volumes": 5})
        assert writer.alignments == [session.alignment]
        # One pixel to the right, a third of each neuron is background.
        for sample in writer.samples:
            background_third = np.array(expected_ratio(sample.index)) * 2 / 3
            np.testing.assert_allclose(sample.ratio[:3], background_third, 1e-6)

    def test_a_recording_shorter_than_the_calibration_settles_with_what_it_has(self):
        session = run(make_session(FakeSource(range(3)), calibrator=FakeCalibrator(5, self.SHIFT)))
        assert session.alignment is not None
        assert session.alignment.n_volumes == 3
        assert session.counters.n_traced == 3

    def test_the_wait_is_bounded(self):
        calibrator = FakeCalibrator(100, self.SHIFT)
        session = run(make_session(calibrator=calibrator, max_wait_volumes=4))
        assert calibrator.seen == [0, 1, 2, 3]
        assert session.counters.n_traced == 10

    def test_a_rule_may_replace_an_estimate_that_cannot_be_trusted(self):
        last = ChannelAlignment(dy_um=2.0, origin=AlignmentOrigin.LAST_OF_RIG)
        writer = MemoryWriter()
        run(
            make_session(
                calibrator=FakeCalibrator(2, ChannelAlignment(is_trusted=False)),
                alignment_rule=lambda calibrated: calibrated if calibrated.is_trusted else last,
                writers=[writer],
            )
        )
        assert writer.alignments == [last]
        assert any(kind == "alignment" and "NOT trusted" in text for kind, text in writer.events)

    def test_stopping_while_calibrating_keeps_what_was_labeled(self):
        labeler, writer = GatedLabeler(), MemoryWriter()
        session = make_session(
            labeler=labeler, calibrator=FakeCalibrator(5, self.SHIFT), writers=[writer]
        )
        session.start()
        labeler.allow(2)
        for _ in range(3):
            labeler.wait_until_busy()
        assert session.state is SessionState.CALIBRATING
        session.stop()
        labeler.allow(100)
        assert session.join(PATIENCE_S)
        assert [sample.index for sample in writer.samples] == [0, 1, 2]
        assert session.alignment is not None
        assert session.alignment.n_volumes == 3

    def test_a_labeler_that_fails_while_calibrating_loses_no_labeled_volume(self):
        writer = MemoryWriter()
        session = make_session(
            labeler=FakeLabeler(fails_at=3),
            calibrator=FakeCalibrator(5, self.SHIFT),
            writers=[writer],
        )
        session.start()
        with pytest.raises(SessionError, match="Labeling volume 3 failed"):
            session.join(PATIENCE_S)
        assert [sample.index for sample in writer.samples] == [0, 1, 2]


class TestLosses:
    def test_a_gap_in_the_indices_is_lost_and_never_renumbered(self):
        writer = MemoryWriter()
        session = run(make_session(FakeSource([0, 1, 4, 5]), writers=[writer]))
        assert writer.order == [0, 1, 2, 3, 4, 5]
        assert writer.skipped == {2: VolumeStatus.LOST, 3: VolumeStatus.LOST}
        assert session.counters.n_lost == 2
        assert session.counters.n_skipped == 0
        assert session.store.status.tolist() == [1, 1, 3, 3, 1, 1]
        assert np.isnan(session.store.ratio[:, 2:4]).all()
        assert (
            "lost",
            "Volumes 2 to 3 were lost: the recording has a gap there.",
        ) in writer.events

    def test_a_recording_that_ends_too_early_lost_its_end(self):
        session = run(make_session(FakeSource([0, 1, 2], n_volumes=5)))
        assert session.store.status.tolist() == [1, 1, 1, 3, 3]

    def test_the_gaps_while_calibrating_stay_in_their_place(self):
        writer = MemoryWriter()
        calibrator = FakeCalibrator(3, ChannelAlignment())
        run(make_session(FakeSource([0, 2, 4, 5]), calibrator=calibrator, writers=[writer]))
        assert writer.order == [0, 1, 2, 3, 4, 5]

    def test_a_slow_labeler_drops_and_every_drop_is_a_nan(self):
        labeler, writer = GatedLabeler(), MemoryWriter()
        source = LateSource(10, labeler)
        session = make_session(
            source,
            labeler=labeler,
            writers=[writer],
            drop_policy=DropPolicy.DROP_OLDEST,
            queue_capacity=3,
        )
        session.start()
        assert source.exhausted.wait(PATIENCE_S)
        assert session.counters.n_waiting == 3
        labeler.allow(100)
        wait_for(lambda: session.counters.n_traced == 4, session.sample_ready)
        session.stop()
        assert session.join(PATIENCE_S)
        traced = [sample.index for sample in writer.samples]
        assert traced == [0, 7, 8, 9]
        assert set(writer.skipped.values()) == {VolumeStatus.SKIPPED}
        assert sorted(traced + list(writer.skipped)) == list(range(10)) == writer.order
        counters = session.counters
        assert (counters.n_read, counters.n_traced, counters.n_skipped) == (10, 4, 6)
        for index in writer.skipped:
            assert np.isnan(session.store.ratio[:, index]).all()

    def test_a_replay_waits_and_skips_nothing(self):
        labeler = GatedLabeler()
        source = FakeSource(range(10))
        session = make_session(source, labeler=labeler, queue_capacity=2)
        session.start()
        labeler.wait_until_busy()
        assert not source.exhausted.is_set()
        labeler.allow(100)
        assert session.join(PATIENCE_S)
        assert session.counters.n_traced == 10
        assert session.counters.n_skipped == 0

    def test_unlabelable_volumes_are_counted_apart_and_say_why_once(self):
        writer = MemoryWriter()
        session = run(make_session(labeler=FakeLabeler(unfit=[3, 4, 8]), writers=[writer]))
        assert session.counters.n_unlabelable == 3
        assert session.counters.n_traced == 7
        told = [message for kind, message in writer.events if kind == "unlabelable"]
        assert [message.split(":")[0] for message in told] == [
            "Volume 3 cannot be labeled",
            "Volume 8 cannot be labeled",
        ]

    def test_an_index_that_goes_back_is_an_error(self):
        session = make_session(FakeSource([0, 1, 1, 2]))
        session.start()
        with pytest.raises(RecordingError, match="Volume 1 came after volume 1"):
            session.join(PATIENCE_S)
        assert session.counters.n_traced == 2

    def test_a_jump_that_cannot_be_a_loss_is_an_error(self):
        session = make_session(FakeSource([0, 20230101]))
        session.start()
        with pytest.raises(RecordingError, match="cannot all be lost"):
            session.join(PATIENCE_S)


class TestBatches:
    def test_alone_is_a_batch_of_one_and_behind_is_more(self):
        labeler = GatedLabeler()
        source = LateSource(8, labeler)
        session = make_session(source, labeler=labeler, batch_size=3, queue_capacity=8)
        session.start()
        assert source.exhausted.wait(PATIENCE_S)
        labeler.allow(100)
        wait_for(lambda: session.counters.n_traced == 8, session.sample_ready)
        session.stop()
        session.join(PATIENCE_S)
        assert labeler.batch_sizes == [1, 3, 3, 1]

    def test_batches_change_no_trace(self):
        one, three = (run(make_session(batch_size=n)).store.ratio for n in (1, 3))
        np.testing.assert_array_equal(one, three)


class TestErrors:
    def test_a_broken_recording_keeps_all_volumes_before_it(self):
        error = RecordingError("Frame 12 of x.nd2 is cut short.")
        writer = MemoryWriter()
        session = make_session(
            FakeSource(range(10), fails_at=6, error=error),
            calibrator=FakeCalibrator(3, ChannelAlignment()),
            writers=[writer],
        )
        heard = listen(session)
        session.start()
        with pytest.raises(RecordingError) as raised:
            session.join(PATIENCE_S)
        assert raised.value is error is session.error
        assert [sample.index for sample in writer.samples] == list(range(6))
        assert session.state is SessionState.FAILED
        assert heard["failed"] == [error]
        assert heard["state"][-2:] == [SessionState.STOPPING, SessionState.FAILED]
        assert writer.state == "failed"
        assert ("failed", "Frame 12 of x.nd2 is cut short.") in writer.events

    def test_an_error_that_is_not_ours_is_wrapped_with_what_happened(self):
        session = make_session(FakeSource(range(5), fails_at=2, error=OSError("the cable")))
        session.start()
        with pytest.raises(SessionError, match="Reading the volume after 1") as raised:
            session.join(PATIENCE_S)
        assert isinstance(raised.value.__cause__, OSError)

    def test_a_labeler_that_fails_ends_the_session_and_every_volume_is_accounted_for(self):
        writer = MemoryWriter()
        session = make_session(labeler=FakeLabeler(fails_at=4), writers=[writer])
        session.start()
        with pytest.raises(SessionError, match="Labeling volume 4 failed"):
            session.join(PATIENCE_S)
        assert [sample.index for sample in writer.samples] == [0, 1, 2, 3]
        counters = session.counters
        assert counters.n_read == counters.n_traced + counters.n_skipped
        assert writer.skipped[4] is VolumeStatus.SKIPPED
        assert writer.order == list(range(len(writer.order)))

    def test_a_model_that_cannot_warm_up_ends_the_session_before_anything_is_read(self):
        class Cold(FakeLabeler):
            def warm_up(self, *_):
                raise ModelError("The model needs 64 slices, the recording has 4.")

        source = FakeSource(range(5))
        session = make_session(source, labeler=Cold())
        session.start()
        with pytest.raises(ModelError, match="64 slices"):
            session.join(PATIENCE_S)
        assert session.counters.n_read == 0
        assert source.closed.is_set()

    def test_a_preprocessor_that_fails_is_an_error(self):
        class Broken(FakePreprocessor):
            def apply(self, volume):
                if volume.index == 2:
                    raise ValueError("no")
                return super().apply(volume)

        source = FakeSource(range(5))
        session = make_session(source, preprocessor=Broken(source.spec))
        session.start()
        with pytest.raises(SessionError, match="Preprocessing volume 2 failed"):
            session.join(PATIENCE_S)
        assert session.counters.n_read == 3
        assert session.store.status.tolist() == [1, 1, 2]

    def test_a_labeler_that_returns_too_few_breaks_its_contract(self):
        class Forgetful(FakeLabeler):
            def label(self, *_):
                return []

        session = make_session(labeler=Forgetful())
        session.start()
        with pytest.raises(PluginError, match="returned 0 labeled volumes for 1"):
            session.join(PATIENCE_S)

    def test_a_writer_that_dies_while_the_reader_waits_ends_all(self):
        labeler, dying, healthy = GatedLabeler(), MemoryWriter(fails_at=1), MemoryWriter()
        session = make_session(
            FakeSource(range(100)), labeler=labeler, writers=[dying, healthy], queue_capacity=1
        )
        heard = listen(session)
        session.start()
        labeler.allow(1000)
        with pytest.raises(SessionError, match="the disk is full"):
            session.join(PATIENCE_S)
        assert [sample.index for sample in dying.samples] == [0] == heard["sample"]
        assert healthy.samples[1].index == 1
        assert (dying.state, healthy.state) == ("failed", "failed")

    def test_the_first_error_is_kept(self):
        class Grumpy(MemoryWriter):
            def close(self, **_):
                raise OSError("and now this")

        session = make_session(labeler=FakeLabeler(fails_at=1), writers=[Grumpy()])
        session.start()
        with pytest.raises(SessionError, match="Labeling volume 1"):
            session.join(PATIENCE_S)

    def test_a_writer_that_cannot_close_fails_the_session(self):
        class Grumpy(MemoryWriter):
            def close(self, **_):
                raise OSError("no room for the last line")

        session = make_session(writers=[Grumpy()])
        session.start()
        with pytest.raises(SessionError, match="no room for the last line"):
            session.join(PATIENCE_S)
        assert session.state is SessionState.FAILED

    def test_every_sample_that_was_announced_was_kept_before(self):
        writer = MemoryWriter()
        session = make_session(writers=[writer])
        kept_when_announced = []
        session.sample_ready.connect(
            lambda sample: kept_when_announced.append(writer.order[-1] == sample.index)
        )
        run(session)
        assert kept_when_announced == [True] * 10


class TestListeners:
    def test_a_listener_that_raises_is_logged_once_and_the_session_goes_on(self, caplog):
        session = make_session()
        calls = []

        def clumsy(sample):
            calls.append(sample.index)
            raise ValueError("I fell")

        session.sample_ready.connect(clumsy)
        run(session)
        assert calls == list(range(10))
        assert [r.message for r in caplog.records if "listener" in r.message].__len__() == 1

    def test_a_listener_may_stop_the_session(self):
        session = make_session(FakeSource(range(1000)))
        session.sample_ready.connect(lambda _: session.stop())
        run(session)
        assert session.state is SessionState.FINISHED
        assert session.counters.n_traced < 1000

    def test_the_mailbox_holds_the_newest_only(self):
        session = make_session()
        assert session.latest() is None
        run(session)
        latest = session.latest()
        assert latest is not None
        assert latest.volume.index == latest.labeled.index == latest.sample.index == 9


class TestStop:
    def test_stopping_counts_what_waited_as_skipped(self):
        labeler, writer = GatedLabeler(), MemoryWriter()
        source = LateSource(6, labeler)
        session = make_session(source, labeler=labeler, writers=[writer], queue_capacity=8)
        session.start()
        assert source.exhausted.wait(PATIENCE_S)
        session.stop()
        session.stop()
        labeler.allow(100)
        assert session.join(PATIENCE_S)
        assert session.state is SessionState.FINISHED
        counters = session.counters
        assert (counters.n_read, counters.n_traced, counters.n_skipped) == (6, 1, 5)
        assert writer.order == list(range(6))

    def test_stopping_ends_a_reader_that_waits_for_room(self):
        labeler = GatedLabeler()
        session = make_session(FakeSource(range(100)), labeler=labeler, queue_capacity=1)
        session.start()
        labeler.wait_until_busy()
        session.stop()
        labeler.allow(100)
        assert session.join(PATIENCE_S)
        assert session.counters.n_read < 100

    def test_stopping_a_live_source_ends_its_waiting(self):
        source = FakeSource(range(2), is_live=True)
        session = make_session(source)
        session.start()
        assert source.exhausted.wait(PATIENCE_S)
        assert not session.join(0.01)
        session.stop()
        assert session.join(PATIENCE_S)
        assert source.closed.is_set()

    @pytest.mark.parametrize("is_live", [True, False])
    def test_other_programs_know_of_a_live_session_and_of_no_replay(self, is_live):
        labeler = GatedLabeler()
        session = make_session(FakeSource(range(2), is_live=is_live), labeler=labeler)
        assert not live_session_runs()
        session.start()
        labeler.wait_until_busy()
        assert live_session_runs() is is_live
        labeler.allow(2)
        session.stop()
        assert session.join(PATIENCE_S)
        assert not live_session_runs()

    def test_stopping_ends_the_waiting_of_a_paced_replay(self):
        traced, given = threading.Event(), threading.Event()

        class Source(FakeSource):
            def __iter__(self):
                for volume in super().__iter__():
                    if volume.index > 0:
                        assert traced.wait(PATIENCE_S)
                        given.set()
                    yield volume

        settings = AcllSettings(run=RunSettings(pace="recorded"))
        session = make_session(Source([0, 5000]), settings=settings)  # due 2500 s later
        session.sample_ready.connect(lambda _: traced.set())
        session.start()
        assert given.wait(PATIENCE_S)
        session.stop()
        assert session.join(PATIENCE_S)
        assert session.counters.n_traced == 1

    def test_an_error_that_the_stop_itself_causes_is_no_failure(self):
        class Touchy(FakeSource):
            def __iter__(self):
                yield from super().__iter__()
                raise RecordingError("read after close")

        session = make_session(source := Touchy(range(2), is_live=True))
        session.start()
        assert source.exhausted.wait(PATIENCE_S)
        session.stop()
        assert session.join(PATIENCE_S)
        assert session.state is SessionState.FINISHED

    def test_stopping_while_the_model_warms_up_reads_nothing(self):
        warming, go_on = threading.Event(), threading.Event()

        class Slow(FakeLabeler):
            def warm_up(self, *_):
                warming.set()
                assert go_on.wait(PATIENCE_S)

        session = make_session(labeler=Slow())
        session.start()
        assert warming.wait(PATIENCE_S)
        assert session.state is SessionState.WARMING_UP
        session.stop()
        go_on.set()
        assert session.join(PATIENCE_S)
        assert session.counters.n_read == 0
        assert session.state is SessionState.FINISHED

    def test_a_session_that_never_started_can_be_stopped(self):
        source, writer = FakeSource(range(2)), MemoryWriter()
        session = make_session(source, writers=[writer])
        session.stop()
        assert session.state is SessionState.FINISHED
        assert source.closed.is_set()
        assert writer.state == "finished"
        assert session.join()

    def test_stopping_after_the_end_changes_nothing(self):
        session = run(make_session())
        session.stop()
        assert session.state is SessionState.FINISHED

    def test_many_threads_may_stop_at_once(self):
        session = make_session(FakeSource(range(1000)))
        heard = listen(session)
        session.start()
        threads = [threading.Thread(target=session.stop) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(PATIENCE_S)
        assert session.join(PATIENCE_S)
        assert heard["state"].count(SessionState.STOPPING) == 1
        assert heard["state"][-1] is SessionState.FINISHED


class TestOnce:
    def test_a_session_runs_once(self):
        session = run(make_session())
        with pytest.raises(SessionError, match="build a new one"):
            session.start()

    def test_joining_what_never_started_is_an_error(self):
        with pytest.raises(SessionError, match="never started"):
            make_session().join()

    def test_joining_with_a_timeout_tells_that_it_still_runs(self):
        labeler = GatedLabeler()
        session = make_session(labeler=labeler)
        session.start()
        assert session.join(0.0) is False
        labeler.allow(100)
        assert session.join(PATIENCE_S) is True

    def test_it_is_a_context_that_waits_for_the_end(self):
        with make_session() as session:
            pass
        assert session.state is SessionState.FINISHED
        assert session.counters.n_traced == 10

    def test_an_error_in_the_context_stops_it(self):
        with pytest.raises(KeyboardInterrupt), make_session(FakeSource(range(1000))) as session:
            raise KeyboardInterrupt
        assert session.state is SessionState.FINISHED


def test_the_timings_of_every_volume_are_kept():
    writer = MemoryWriter()
    run(make_session(writers=[writer]))
    assert len(writer.timings) == 10
    for timings in writer.timings:
        parts = (timings.read_s, timings.preprocess_s, timings.wait_s, timings.label_s)
        assert min(parts) >= 0
        assert timings.total_s >= sum(parts) * 0.99


def test_the_notes_of_the_source_are_events():
    session = make_session()
    heard = listen(session)
    run(session)
    assert ("source", "These volumes are fake.") in heard["event"]
    assert heard["event"][-1][0] == "finished"


def test_what_a_source_has_to_say_while_it_runs_is_told_once_and_before_the_end():
    class Talkative(FakeSource):
        def __iter__(self):
            for volume in super().__iter__():
                self.notes = (*self.notes, f"Volume {volume.index} came.")
                yield volume
            self.notes = (*self.notes, "Nothing came for a while.")

    session = make_session(Talkative(range(3)))
    heard = listen(session)
    run(session)
    told = [message for kind, message in heard["event"] if kind == "source"]
    came = [f"Volume {index} came." for index in range(3)]
    assert told == ["These volumes are fake.", *came, "Nothing came for a while."]
    assert heard["event"][-1][0] == "finished"


def test_an_identity_filter_sees_every_volume_in_order():
    class Filter:
        def __init__(self):
            self.seen = []

        def update(self, labeled):
            self.seen.append(labeled.index)
            return labeled

    identity_filter = Filter()
    run(make_session(identity_filter=identity_filter, batch_size=3))
    assert identity_filter.seen == list(range(10))
