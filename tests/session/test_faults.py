"""A live session goes on: each fault has its outcome, its event, and costs what it must."""

import threading

import numpy as np
import pytest
import torch
from tests.session.test_session import PATIENCE_S, LateSource, listen, make_session, run, wait_for

from napari_acll.core import (
    AcllSettings,
    ChannelAlignment,
    DropPolicy,
    PluginError,
    RecordingError,
    SessionError,
    SessionState,
    TraceSettings,
)
from napari_acll.label import MemoryFallback
from napari_acll.session import _session
from napari_acll.testing import (
    FakeCalibrator,
    FakeLabeler,
    FakePreprocessor,
    FakeSource,
    GatedLabeler,
    MemoryWriter,
)
from napari_acll.trace import RatioTraceEstimator

LIVE = {"alignment": {"n_volumes": 0}, "run": {"drop_policy": "block"}}


def ending_source(indices, **options) -> FakeSource:
    """Return a live source whose recording ends by itself."""
    return FakeSource(indices, is_live=True, ends=True, **options)


class FailsOn(FakeLabeler):
    """Fails on some volumes."""

    def __init__(self, bad, error=None) -> None:
        super().__init__()
        self._bad = frozenset(bad)
        self._why = error or RuntimeError("CUDA error: an illegal address")

    def label(self, volumes):
        if any(volume.index in self._bad for volume in volumes):
            raise self._why
        return super().label(volumes)


def live(indices=range(10), **options):
    options.setdefault("settings", AcllSettings(**LIVE))
    return make_session(ending_source(indices), **options)


def messages(writer, kind):
    return [message for told, message in writer.events if told == kind]


class TestAStageThatRaises:
    def test_a_model_that_fails_on_one_volume_costs_that_volume_only(self):
        writer = MemoryWriter()
        session = run(live(labeler=FailsOn([4]), writers=[writer]))
        assert session.state is SessionState.FINISHED
        counters = session.counters
        assert (counters.n_read, counters.n_traced, counters.n_unlabelable) == (10, 9, 1)
        assert session.store.status.tolist() == [1, 1, 1, 1, 4, 1, 1, 1, 1, 1]
        assert messages(writer, "unlabelable") == [
            "Volume 4 cannot be labeled: the model failed on it (RuntimeError: CUDA error: an"
            " illegal address)."
        ]

    def test_in_a_batch_only_the_volume_that_is_to_blame_is_lost(self):
        class FailsInBatch(GatedLabeler):
            def label(self, volumes):
                labeled = super().label(volumes)
                if any(volume.index == 5 for volume in volumes):
                    raise RuntimeError("no")
                return labeled

        labeler = FailsInBatch()
        source = LateSource(8, labeler)
        settings = AcllSettings(**LIVE, label={"batch_size": 4})
        session = make_session(source, labeler=labeler, settings=settings)
        session.start()
        assert source.exhausted.wait(PATIENCE_S)
        labeler.allow(100)
        wait_for(lambda: session.counters.n_traced == 7, session.sample_ready)
        session.stop()
        assert session.join(PATIENCE_S)
        assert session.store.status.tolist() == [1, 1, 1, 1, 1, 4, 1, 1]

    def test_a_model_that_fails_on_every_volume_ends_the_recording_after_some(self):
        writer = MemoryWriter()
        session = live(range(20), labeler=FailsOn(range(3, 20)), writers=[writer])
        session.start()
        with pytest.raises(SessionError, match="Labeling volume 8 failed"):
            session.join(PATIENCE_S)
        assert session.store.status.tolist()[:9] == [1, 1, 1, 4, 4, 4, 4, 4, 2]
        assert writer.state == "failed"

    def test_failures_that_are_not_in_a_row_never_end_it(self):
        session = run(live(range(40), labeler=FailsOn(range(0, 40, 2))))
        assert session.counters.n_unlabelable == session.counters.n_traced == 20

    def test_how_many_are_forgiven_is_a_setting_also_for_a_replay(self):
        settings = AcllSettings(run={"max_failures": 2}, alignment={"n_volumes": 0})
        run(make_session(labeler=FailsOn([3, 4]), settings=settings))
        session = make_session(labeler=FailsOn([3, 4, 5]), settings=settings)
        session.start()
        with pytest.raises(SessionError, match="Labeling volume 5 failed"):
            session.join(PATIENCE_S)

    def test_a_labeler_that_breaks_its_contract_is_not_forgiven(self):
        session = live(labeler=FailsOn([2], PluginError("It returned nothing.")))
        session.start()
        with pytest.raises(PluginError):
            session.join(PATIENCE_S)

    def test_an_identity_filter_that_fails_on_one_volume_costs_that_volume_only(self):
        class Touchy:
            def update(self, labeled):
                if labeled.index == 3:
                    raise ValueError("no such neuron")
                return labeled

        session = run(live(identity_filter=Touchy()))
        assert session.store.status.tolist() == [1, 1, 1, 4, 1, 1, 1, 1, 1, 1]

    def test_a_tracing_that_fails_on_one_volume_costs_that_volume_only(self):
        class Touchy(RatioTraceEstimator):
            def estimate(self, volume, labeled, alignment):
                if volume.index == 6:
                    raise FloatingPointError("overflow")
                return super().estimate(volume, labeled, alignment)

        writer = MemoryWriter()
        estimator = Touchy(FakeLabeler().neurons, TraceSettings())
        session = run(live(trace_estimator=estimator, writers=[writer]))
        assert session.counters.n_unlabelable == 1
        assert np.isnan(writer.samples[6].ratio).all()
        assert messages(writer, "failure") == [
            "Volume 6 could not be traced (FloatingPointError: overflow); it has no values."
        ]

    def test_a_preprocessing_that_fails_on_one_volume_skips_it_and_says_so(self):
        class Touchy(FakePreprocessor):
            def apply(self, volume):
                if volume.index in (2, 9):
                    raise ValueError("a frame of zero size")
                return super().apply(volume)

        writer = MemoryWriter()
        source = ending_source([0, 1, 2, 4, 5, 6, 7, 8, 9])
        preprocessor = Touchy(source.spec)
        settings = AcllSettings(**LIVE)
        session = run(
            make_session(source, preprocessor=preprocessor, writers=[writer], settings=settings)
        )
        assert session.store.status.tolist() == [1, 1, 2, 3, 1, 1, 1, 1, 1, 2]
        assert writer.order == list(range(10))
        counters = session.counters
        assert (counters.n_read, counters.n_traced, counters.n_skipped) == (9, 7, 2)
        assert len(messages(writer, "failure")) == 2

    def test_a_calibration_that_fails_on_one_volume_goes_on_with_the_next(self):
        class Touchy(FakeCalibrator):
            def add(self, volume):
                if volume.index == 1:
                    raise ZeroDivisionError("no cells")
                super().add(volume)

        writer = MemoryWriter()
        calibrator = Touchy(3, ChannelAlignment(is_trusted=True))
        session = run(live(calibrator=calibrator, writers=[writer]))
        assert calibrator.seen == [0, 2, 3]
        assert session.counters.n_traced == 10
        assert messages(writer, "failure") == [
            "Volume 1 is of no use for the calibration (ZeroDivisionError: no cells)."
        ]

    def test_a_model_without_memory_is_told_and_goes_on(self):
        full = FailsOn(range(100), torch.OutOfMemoryError("CUDA out of memory"))
        writer = MemoryWriter()
        session = run(live(labeler=MemoryFallback(full, FakeLabeler), writers=[writer]))
        assert session.counters.n_traced == 10
        assert ["goes on on the CPU" in message for message in messages(writer, "model")] == [True]


class TestTheMicroscope:
    def test_one_that_stops_early_loses_what_was_announced_and_keeps_the_rest(self):
        source = ending_source(range(4))
        source.spec = FakeSource([], n_volumes=9).spec
        writer = MemoryWriter()
        session = run(make_session(source, writers=[writer], settings=AcllSettings(**LIVE)))
        assert session.state is SessionState.FINISHED
        assert session.store.status.tolist() == [1] * 4 + [3] * 5
        assert "Volumes 4 to 8 were lost" in messages(writer, "lost")[0]

    def test_one_that_goes_on_for_longer_than_announced_is_followed_to_its_end(self):
        source = ending_source(range(12))
        source.spec = FakeSource([], n_volumes=5).spec
        session = run(make_session(source, settings=AcllSettings(**LIVE)))
        assert session.counters.n_traced == 12
        assert session.counters.n_lost == 0

    def test_one_that_breaks_off_keeps_all_that_came(self):
        error = RecordingError("worm.nd2 was deleted while it was followed.")
        writer = MemoryWriter()
        source = ending_source(range(10), fails_at=6, error=error)
        session = make_session(source, writers=[writer], settings=AcllSettings(**LIVE))
        session.start()
        with pytest.raises(RecordingError, match="was deleted"):
            session.join(PATIENCE_S)
        assert session.counters.n_traced == 6
        assert writer.state == "failed"


class TestTheScreen:
    def test_a_frozen_viewer_neither_slows_the_session_nor_fills_the_memory(self):
        labeler = FakeLabeler()
        session = make_session(FakeSource(range(200)), labeler=labeler)
        frozen = threading.Event()
        viewer = threading.Thread(target=lambda: (session.latest(), frozen.wait(PATIENCE_S)))
        viewer.start()
        try:
            run(session)  # it never looks again, and nothing waits for it
            assert session.counters.n_traced == 200
            latest = session.latest()
            assert latest is not None
            assert latest.sample.index == 199
        finally:
            frozen.set()
            viewer.join(PATIENCE_S)


class TestWarmingUp:
    def test_a_live_recording_is_read_while_the_model_warms_up_and_nothing_is_skipped(self):
        class Slow(FakeLabeler):
            def warm_up(self, *_):
                assert source.exhausted.wait(PATIENCE_S), "nobody read while it warmed up"

        source = ending_source(range(60))
        settings = AcllSettings(
            alignment={"n_volumes": 0}, run={"drop_policy": "drop_oldest", "queue_capacity": 2}
        )
        session = run(make_session(source, labeler=Slow(), settings=settings))
        assert session.counters.n_traced == 60
        assert session.counters.n_skipped == 0

    def test_a_model_that_cannot_warm_up_counts_what_was_read_meanwhile(self):
        class Cold(FakeLabeler):
            def warm_up(self, *_):
                assert source.exhausted.wait(PATIENCE_S)
                raise RuntimeError("no")

        source, writer = ending_source(range(5)), MemoryWriter()
        session = make_session(source, labeler=Cold(), writers=[writer])
        session.start()
        with pytest.raises(SessionError, match="Warming up failed"):
            session.join(PATIENCE_S)
        assert session.counters.n_skipped == session.counters.n_read == 5
        assert writer.order == list(range(5))


class TestTheBacklog:
    @pytest.mark.parametrize(
        ("policy", "words"),
        [
            (DropPolicy.BLOCK, "nothing is skipped (run.drop_policy=block)"),
            (DropPolicy.NEWEST, "only the newest is labeled"),
            (DropPolicy.DROP_OLDEST, "4 volumes may wait, then the oldest is skipped"),
        ],
    )
    def test_what_becomes_of_volumes_that_wait_is_told_and_kept(self, policy, words):
        writer = MemoryWriter()
        session = make_session(writers=[writer], drop_policy=policy)
        heard = listen(session)
        run(session)
        (message,) = messages(writer, "backlog")
        assert words in message
        assert ("backlog", message) in heard["event"]

    def test_doing_less_and_all_of_it_again_is_told_kept_and_costs_no_number(self, monkeypatch):
        class Scripted(_session.DegradeLadder):
            """Late until volume 79, then not."""

            def add(self, index, n_waiting):
                del n_waiting
                return super().add(index, 4 if index < 80 else 0)

        monkeypatch.setattr(_session, "DegradeLadder", Scripted)
        writer = MemoryWriter()
        settings = AcllSettings(
            alignment={"n_volumes": 0},
            run={"drop_policy": "drop_oldest", "queue_capacity": 4},
        )
        session = run(_paced(settings, writer))
        kinds = [kind for kind, _ in writer.events if kind in ("degraded", "recovered")]
        assert kinds[:3] == ["degraded"] * 3
        assert kinds[-1] == "recovered"
        assert kinds.count("recovered") == 3
        assert writer.order == list(range(400))
        assert session.counters.n_skipped + session.counters.n_traced == 400
        assert session.counters.n_skipped > 10
        traced = [sample.index for sample in writer.samples]
        assert traced[-20:] == list(range(380, 400))


def _paced(settings, writer):
    """Return a session whose source gives a volume when the one before was dealt with."""
    dealt_with = threading.Semaphore(3)

    class Source(FakeSource):
        def __iter__(self):
            for volume in super().__iter__():
                assert dealt_with.acquire(timeout=PATIENCE_S)
                yield volume

    for name in ("skip", "write"):
        keep = getattr(writer, name)
        setattr(writer, name, lambda *given, keep=keep: (keep(*given), dealt_with.release()))
    return make_session(Source(range(400)), writers=[writer], settings=settings)
