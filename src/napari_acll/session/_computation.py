"""The thread that labels and traces: the only one that calls the model."""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import takewhile

from napari_acll.core import (
    Backfill,
    ChannelAlignment,
    Corrections,
    IdentityFilter,
    LabeledVolume,
    Labeler,
    SessionState,
    StageTimings,
    TraceEstimator,
    TraceSample,
    TraceStore,
    Volume,
    VolumeSource,
    VolumeSpec,
    VolumeStatus,
)
from napari_acll.quality import TraceQuality
from napari_acll.session._backfill import Backfilling
from napari_acll.session._calibration import Calibration
from napari_acll.session._clock_watch import ClockWatch
from napari_acll.session._counters import Tally
from napari_acll.session._deadline_monitor import DeadlineMonitor
from napari_acll.session._drift_monitor import DriftMonitor
from napari_acll.session._forecasting import Forecasting
from napari_acll.session._happenings import alignment_event, gap_events
from napari_acll.session._labeling import Labeling
from napari_acll.session._ladder import DegradeLadder
from napari_acll.session._latest import Latest, Mailbox
from napari_acll.session._mirror_monitor import MirrorMonitor
from napari_acll.session._novelty_monitor import NoveltyMonitor
from napari_acll.session._outbox import (
    Aligned,
    Event,
    Outbox,
    Skipped,
    SourceNotes,
    Traced,
    first_events,
)
from napari_acll.session._publishing import Publishing
from napari_acll.session._resumption import Resumption
from napari_acll.session._stages import Preprocessing
from napari_acll.session._tolerance import Tolerance
from napari_acll.session._volume_queue import Arrival, Gap, VolumeQueue
from napari_acll.session._warm_up import warm_up


@dataclass(frozen=True, slots=True)
class _Labeled:
    """A labeled volume and how long it took; whether it is held until there is an alignment."""

    arrival: Arrival
    labeled: LabeledVolume
    wait_s: float
    label_s: float
    is_held: bool


@dataclass(kw_only=True, eq=False)
class Computation:
    """Labels and traces what waits, holding volumes back until the alignment is known.

    What it hands on is in ascending order of the volume index, gaps included.

    Parameters
    ----------
    labeler : Labeler
        The model.
    identity_filter : IdentityFilter, optional
        Makes identities consistent over time.
    trace_estimator : TraceEstimator
        Takes the values.
    calibration : Calibration
        Knows the alignment, or finds it.
    preprocessor : Preprocessing
        Used once, to warm up.
    stored_spec : VolumeSpec
        The recording as stored.
    source_notes : SourceNotes
        What the source has to say.
    source : VolumeSource
        Read once more for what was skipped.
    backfill : Backfill
        When that is labeled.
    queue, outbox : VolumeQueue, Outbox
        Where volumes come from and where results go.
    publishing, deadlines : Publishing, DeadlineMonitor
        Get each sample, and how long it took.
    corrections, quality : Corrections, TraceQuality
        Change the names of each volume, and measure its values.
    forecasting : Forecasting
        Says which of them will be good.
    drift : DriftMonitor
        Looks now and then whether the alignment still holds.
    store, mailbox, tally : TraceStore, Mailbox, Tally
        What others look at.
    ladder : DegradeLadder
        What is given up while labeling falls behind.
    max_failures : int
        Volumes in a row on which a stage may fail.
    enter : callable
        Called with each new state.
    announce_alignment : callable
        Called once with the alignment.
    """

    labeler: Labeler
    identity_filter: IdentityFilter | None
    trace_estimator: TraceEstimator
    calibration: Calibration
    preprocessor: Preprocessing
    stored_spec: VolumeSpec
    source_notes: SourceNotes
    source: VolumeSource
    backfill: Backfill
    queue: VolumeQueue
    outbox: Outbox
    publishing: Publishing
    deadlines: DeadlineMonitor
    corrections: Corrections
    quality: TraceQuality
    forecasting: Forecasting
    drift: DriftMonitor
    store: TraceStore
    mailbox: Mailbox
    tally: Tally
    ladder: DegradeLadder
    max_failures: int
    enter: Callable[[SessionState], None]
    announce_alignment: Callable[[ChannelAlignment], None]
    novelty: NoveltyMonitor = field(default_factory=NoveltyMonitor, init=False)
    mirror: MirrorMonitor = field(default_factory=MirrorMonitor, init=False)
    clock: ClockWatch = field(default_factory=ClockWatch, init=False)
    backfilling: Backfilling = field(init=False)
    doing: str = field(default="Warming up", init=False)
    _resumed: str = field(default="", init=False)
    _pending: list[Gap | Arrival | _Labeled] = field(default_factory=list, init=False)
    _is_aligned: bool = field(default=False, init=False)
    _why_not: str = field(default="", init=False)

    def __post_init__(self) -> None:
        tolerance = Tolerance(self.max_failures)
        self._labeling = Labeling(self.labeler, self.identity_filter, self.corrections, tolerance)
        self._tracing = Tolerance(self.max_failures)
        self._calibrating = Tolerance(self.max_failures)
        self.backfilling = Backfilling(
            source=self.source,
            preprocessor=self.preprocessor,
            policy=self.backfill,
            labeler=self.labeler,
            trace_estimator=self.trace_estimator,
            calibration=self.calibration,
            queue=self.queue,
            outbox=self.outbox,
            corrections=self.corrections,
            quality=self.quality,
            store=self.store,
            tally=self.tally,
            tolerance=Tolerance(self.max_failures),
        )

    def resume(self, resumption: Resumption) -> None:
        """Go on where an interrupted session stood."""
        resumption.fill(self.store, self.tally, self.quality)
        self.corrections.restore(resumption.corrections, next_index=resumption.first_index)
        self._labeling.relive(resumption.labeled())
        self.source_notes.pass_over("identity")
        self.backfilling.note(resumption.gaps)
        self._resumed = resumption.how

    def warm_up(self) -> None:
        """Do everything that makes the first volume slow.

        Raises
        ------
        ModelError
            If the model cannot label volumes of this geometry.
        """
        warm_up(
            self.labeler,
            preprocessor=self.preprocessor,
            trace_estimator=self.trace_estimator,
            stored_spec=self.stored_spec,
            batch_size=self.ladder.batch_size,
        )

    def tell_beginning(self, model: Mapping[str, object]) -> None:
        """Tell what is known before the first volume."""
        if self._resumed:
            self.outbox.put(Event("resumed", self._resumed))
        self.source_notes.tell()
        for event in first_events(model):
            self.outbox.put(event)

    def run(self) -> None:
        """Label and trace until no more volumes come.

        Raises
        ------
        PluginError
            If the labeler breaks its contract.
        """
        self._hand_on_if_aligned()
        self.enter(SessionState.RUNNING if self._is_aligned else SessionState.CALIBRATING)
        while arrivals := self._take():
            self._process(arrivals)
            self.source_notes.tell()
            self._tell(self.ladder.add(arrivals[-1].volume.index, len(self.queue)))
            self._tell(self.clock.look())
        self._backfill_rest()

    def wind_up(self) -> None:
        """Trace what is still held and record the timepoints that never got values."""
        try:
            self._trace_what_is_held()
        finally:
            gaps = [_as_gap(item) for item in self._pending]
            self._pending.clear()
            self._record_gaps([*gaps, *self.queue.wait_for_last_gaps()])
            self._tell(self.forecasting.last())
            self.source_notes.tell()

    def _take(self) -> list[Arrival]:
        if self._is_aligned:
            self.doing = "Labeling a skipped volume"
            self.backfilling.while_idle()
        return self.queue.take(self.ladder.batch_size)

    def _backfill_rest(self) -> None:
        if self.backfilling.is_possible:
            self._trace_what_is_held()
            self.doing = "Labeling a skipped volume"
            self.backfilling.at_end()

    def _trace_what_is_held(self) -> None:
        if any(isinstance(item, _Labeled) for item in self._pending):
            self.doing = "Settling the alignment"
            self.calibration.settle()
            self._hand_on_if_aligned()

    def _process(self, arrivals: list[Arrival]) -> None:
        n_before = len(self._pending)
        for arrival in arrivals:
            self._pending += [*arrival.gaps, arrival]
        items = self._label(arrivals)
        del self._pending[n_before:]
        for item in items:
            self._pending += [*item.arrival.gaps, item]
        self._calibrate([item.arrival.volume for item in items])
        self._hand_on_if_aligned()

    def _label(self, arrivals: list[Arrival]) -> list[_Labeled]:
        first, last = arrivals[0].volume.index, arrivals[-1].volume.index
        self.doing = f"Labeling volume {first}" + (f" to {last}" if last > first else "")
        began_s = time.perf_counter()
        all_labeled = self._labeling.label([arrival.volume for arrival in arrivals])
        label_s = (time.perf_counter() - began_s) / len(arrivals)
        return [
            _Labeled(arrival, labeled, began_s - arrival.queued_s, label_s, not self._is_aligned)
            for arrival, labeled in zip(arrivals, all_labeled, strict=True)
        ]

    def _calibrate(self, volumes: list[Volume]) -> None:
        for volume in volumes:
            self.doing = f"Calibrating on volume {volume.index}"
            try:
                self.calibration.add(volume)
            except Exception as error:  # noqa: BLE001  one volume must not cost a recording
                what = self._calibrating.forgive(error, self.doing)
                message = f"Volume {volume.index} is of no use for the calibration ({what})."
                self._tell(Event("failure", message, {"index": volume.index}))

    def _hand_on_if_aligned(self) -> None:
        """Trace all that is pending, in order; each item leaves the list when it is done."""
        if self.calibration.alignment is None:
            return
        if not self._is_aligned:
            self._begin_tracing(self.calibration.alignment)
        while self._pending:
            gaps = list(takewhile(lambda item: isinstance(item, tuple), self._pending))
            self._record_gaps([_as_gap(gap) for gap in gaps])
            del self._pending[: len(gaps)]
            if self._pending and isinstance(item := self._pending[0], _Labeled):
                self._trace(item)
                del self._pending[0]
            elif self._pending:
                return

    def _begin_tracing(self, alignment: ChannelAlignment) -> None:
        self._is_aligned = True
        self.outbox.put(Aligned(alignment))
        self.outbox.put(alignment_event(alignment))
        self.announce_alignment(alignment)
        self.enter(SessionState.RUNNING)

    def _trace(self, item: _Labeled) -> None:
        arrival, labeled = item.arrival, self.corrections.apply(item.labeled)
        self.doing = f"Tracing volume {arrival.volume.index}"
        began_s = time.perf_counter()
        sample = self._sample(arrival.volume, labeled)
        now_s = time.perf_counter()
        timings = StageTimings(
            read_s=arrival.read_s,
            preprocess_s=arrival.preprocess_s,
            wait_s=item.wait_s,
            label_s=item.label_s,
            trace_s=now_s - began_s,
            total_s=now_s - arrival.seen_s,
        )
        self.publishing.put(sample, seen_s=arrival.seen_s, traced_s=now_s, is_held=item.is_held)
        self.deadlines.traced(sample.index, timings, is_held=item.is_held)
        self._hand_on(arrival.volume, labeled, sample, timings)

    def _sample(self, volume: Volume, labeled: LabeledVolume) -> TraceSample:
        try:
            sample = self.trace_estimator.estimate(volume, labeled, self.calibration.settle())
        except Exception as error:  # noqa: BLE001  one volume must not cost a recording
            what = self._tracing.forgive(error, self.doing)
            message = f"Volume {volume.index} could not be traced ({what}); it has no values."
            self._tell(Event("failure", message, {"index": volume.index}))
            n_neurons, unfit = len(self.labeler.neurons), VolumeStatus.UNLABELABLE
            return TraceSample.absent(volume.index, volume.timestamp_s, n_neurons, unfit)
        self._tracing.succeeded()
        return sample

    def _hand_on(
        self, volume: Volume, labeled: LabeledVolume, sample: TraceSample, timings: StageTimings
    ) -> None:
        self.store.append(sample)
        self.quality.add(sample, novelty=labeled.novelty)
        self.tally.count(sample.status)
        if self.ladder.shows:
            self.mailbox.put(Latest(volume, labeled, sample, timings, time.perf_counter()))
        self.outbox.put(Traced(sample, labeled, timings, self.ladder.keeps_labels))
        self._mention_unfit(labeled)
        self._tell(self.novelty.add(labeled))
        self._tell(self.mirror.add(labeled))
        for event in self.forecasting.look(volume.index):
            self._tell(event)
        self._tell(self.drift.add(volume, labeled, self.calibration.settle()))

    def _tell(self, event: Event | None) -> None:
        if event is not None:
            self.outbox.put(event)

    def _mention_unfit(self, labeled: LabeledVolume) -> None:
        """Tell why volumes are unlabelable, once for each run of them."""
        why_not = "" if labeled.is_labelable else labeled.why_not or "no reason given"
        if why_not and why_not != self._why_not:
            message = f"Volume {labeled.index} cannot be labeled: {why_not}"
            self.outbox.put(Event("unlabelable", message, {"index": labeled.index}))
        self._why_not = why_not

    def _record_gaps(self, gaps: Sequence[Gap]) -> None:
        for index, status in gaps:
            self.store.skip(index, status)
            self.tally.count(status)
            self.outbox.put(Skipped(index, status))
            self.publishing.put_gap(index, status)
        self.backfilling.note(gaps)
        for event in gap_events(gaps):
            self.outbox.put(event)


def _as_gap(item: Gap | Arrival | _Labeled) -> Gap:
    """Return what is left of an item that is not going to be traced."""
    if isinstance(item, tuple):
        return item
    arrival = item.arrival if isinstance(item, _Labeled) else item
    return arrival.volume.index, VolumeStatus.SKIPPED
