import threading

import numpy as np
import pytest
from tests.session.test_backfill import KeptSource
from tests.session.test_publishing import MemoryPublisher
from tests.session.test_session import PATIENCE_S, make_session, run

from napari_acll.core import (
    AcllSettings,
    Backfill,
    Correction,
    CorrectionError,
    CorrectionKind,
    DropPolicy,
    RunSettings,
    VolumeStatus,
)
from napari_acll.testing import (
    FakeLabeler,
    FakeSource,
    GatedLabeler,
    MemoryWriter,
    expected_ratio,
)

SWAP = Correction(kind=CorrectionKind.SWAP, name="AVAL")
AVAL, AVAR, RIBL = range(3)


class KeepingWriter(MemoryWriter):
    """Keeps what was found, too, and in which order everything came."""

    def __init__(self):
        super().__init__()
        self.neurons = {}
        self.labels = {}
        self.all = []

    def write(self, sample, labeled, timings):
        super().write(sample, labeled, timings)
        self.neurons[sample.index] = labeled.detections.neuron.tolist()
        self.labels[sample.index] = labeled.labels(4)
        self.all.append(sample.index)

    def write_corrections(self, corrections):
        super().write_corrections(corrections)
        self.all += [correction.kind.value for correction in corrections]


class Paused:
    """A session that was stopped after its first `n` volumes, to go on later."""

    def __init__(self, n_volumes, **options):
        self.labeler = GatedLabeler()
        self.writer, self.publisher = KeepingWriter(), MemoryPublisher()
        self.session = make_session(
            FakeSource(range(n_volumes)),
            labeler=self.labeler,
            writers=[self.writer],
            publishers=[self.publisher],
            **options,
        )
        self._kept = threading.Semaphore(0)
        self.session.sample_ready.connect(lambda _: self._kept.release())
        self.session.start()

    def go_on(self, n_volumes):
        """Let volumes through and wait until they are kept."""
        self.labeler.allow(n_volumes)
        for _ in range(n_volumes):
            assert self._kept.acquire(timeout=PATIENCE_S)

    def finish(self):
        assert self.session.join(PATIENCE_S)


def test_labels_traces_record_and_packets_agree_from_the_volume_of_a_swap_on():
    paused = Paused(4)
    paused.go_on(2)
    paused.session.correct(SWAP)
    paused.go_on(2)
    paused.finish()
    samples = {sample.index: sample for sample in paused.writer.samples}
    for index in (0, 1):
        expected = expected_ratio(index)
        np.testing.assert_allclose(samples[index].ratio[:3], expected, rtol=1e-6)
        assert paused.writer.neurons[index] == [3, 2, 1, 0]
    for index in (2, 3):
        aval, avar, ribl = expected_ratio(index)
        np.testing.assert_allclose(samples[index].ratio[:3], [avar, aval, ribl], rtol=1e-6)
        np.testing.assert_allclose(samples[index].confidence[:3], [0.8, 0.9, 0.7], rtol=1e-6)
        assert paused.writer.neurons[index] == [3, 1, 2, 0]
        assert paused.writer.labels[index][0, 2, 2] == 2  # the voxels that the model calls AVAL
    store = paused.session.store
    for index, sample in samples.items():
        np.testing.assert_array_equal(store.ratio[:, index], sample.ratio)
        np.testing.assert_array_equal(paused.publisher.samples[index].ratio, sample.ratio[:3])


def test_a_correction_is_recorded_before_the_first_volume_that_it_changes():
    paused = Paused(3)
    paused.go_on(1)
    paused.session.correct(SWAP)
    paused.go_on(1)
    paused.session.undo_correction()
    paused.session.redo_correction()
    paused.go_on(1)
    paused.finish()
    assert paused.writer.all == [0, "swap", 1, "undo", "redo", 2]
    assert [made.from_index for made in paused.writer.corrections] == [1, 2, 2]
    assert all(made.at_s > 1.7e9 for made in paused.writer.corrections)
    told = [message for kind, message in paused.writer.events if kind == "correction"]
    assert told[0] == "From volume 1 on, AVAL and AVAR are swapped."
    assert len(told) == 3


def test_what_was_undone_does_not_hold_any_more():
    paused = Paused(2)
    paused.session.correct(SWAP)
    paused.go_on(1)
    paused.session.undo_correction()
    paused.go_on(1)
    paused.finish()
    assert paused.writer.neurons == {0: [3, 1, 2, 0], 1: [3, 2, 1, 0]}


def test_a_muted_neuron_has_no_values_and_is_not_published():
    session = make_session(FakeSource(range(1)), publishers=[publisher := MemoryPublisher()])
    session.correct(Correction(kind=CorrectionKind.MUTE, name="AVAR"))
    run(session)
    assert np.isnan(session.store.ratio[AVAR, 0])
    assert np.isfinite(session.store.ratio[[AVAL, RIBL], 0]).all()
    assert publisher.samples[0].names == ("AVAL", "RIBL")


def test_a_correction_before_the_first_volume_holds_for_all_of_them():
    session = make_session(FakeSource(range(2)))
    session.correct(Correction(kind=CorrectionKind.RENAME, name="RIBL", new_name="OLLR"))
    run(session)
    assert np.isnan(session.store.ratio[RIBL]).all()
    np.testing.assert_allclose(session.store.ratio[3, 1], expected_ratio(1)[2], rtol=1e-6)


def test_pins_are_published_from_their_volume_on_until_they_are_taken_back():
    paused = Paused(3)
    paused.go_on(1)
    paused.session.correct(Correction(kind=CorrectionKind.PIN, name="AVAR"))
    paused.go_on(1)
    paused.session.correct(Correction(kind=CorrectionKind.UNPIN, name="AVAR"))
    paused.go_on(1)
    paused.finish()
    assert [sample.is_pinned.tolist() for sample in paused.publisher.samples] == [
        [False, False, False],
        [False, True, False],
        [False, False, False],
    ]


def test_a_skipped_volume_that_is_labeled_later_has_the_names_of_its_own_time():
    labeler, writer = GatedLabeler(), KeepingWriter()
    source = KeptSource(6, labeler)
    settings = AcllSettings(
        run=RunSettings(
            queue_capacity=2, drop_policy=DropPolicy.DROP_OLDEST, backfill=Backfill.AT_END
        )
    )
    session = make_session(source, labeler=labeler, writers=[writer], settings=settings)
    kept = threading.Event()
    session.sample_ready.connect(lambda sample: sample.index == 0 and kept.set())
    session.start()
    assert source.all_given.wait(PATIENCE_S)
    labeler.allow(1)
    assert kept.wait(PATIENCE_S)
    session.correct(SWAP)
    labeler.allow(10)
    assert session.join(PATIENCE_S)
    late = [s.index for s in writer.samples if s.status is VolumeStatus.BACKFILLED]
    assert late
    (swap,) = writer.corrections
    for index, neurons in writer.neurons.items():
        assert neurons == ([3, 1, 2, 0] if index >= swap.from_index else [3, 2, 1, 0])


def test_a_correction_after_the_end_is_refused():
    session = run(make_session(FakeSource(range(2))))
    with pytest.raises(CorrectionError, match="session is over"):
        session.correct(SWAP)
    assert session.corrections.history == ()


def test_what_makes_no_sense_is_refused_and_the_session_goes_on():
    session = make_session(FakeSource(range(2)))
    with pytest.raises(CorrectionError, match="'AVAX' is none of them"):
        session.correct(Correction(kind=CorrectionKind.PIN, name="AVAX"))
    with pytest.raises(CorrectionError, match="no correction to undo"):
        session.undo_correction()
    run(session)
    assert session.counters.n_traced == 2


def test_the_quality_of_the_traces_is_measured_as_they_come():
    session = run(make_session(FakeSource(range(30)), labeler=FakeLabeler(unfit=[3, 4])))
    found = session.quality.measures()
    np.testing.assert_allclose(found.coverage, [1, 1, 1, 0])
    np.testing.assert_allclose(found.confidence[:3], [0.9, 0.8, 0.7], rtol=1e-6)


def test_an_identity_filter_is_told_which_names_a_person_vouches_for_from_that_volume_on():
    class Steady:
        def __init__(self):
            self.held, self.seen = frozenset(), {}

        def hold(self, neurons):
            self.held = frozenset(neurons)

        def update(self, labeled):
            self.seen[labeled.index] = self.held
            return labeled

    steady = Steady()
    paused = Paused(4, identity_filter=steady)
    paused.go_on(2)
    paused.session.correct(SWAP)
    paused.go_on(1)
    paused.session.undo_correction()
    paused.go_on(1)
    paused.finish()
    assert steady.seen == {0: set(), 1: set(), 2: {AVAL + 1, AVAR + 1}, 3: set()}
