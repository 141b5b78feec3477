"""One recording and where it stands."""

import logging
import threading
from collections.abc import Sequence
from types import TracebackType
from typing import Self

from psygnal import Signal

from napari_acll.core import (
    AcllSettings,
    ChannelAlignment,
    IdentityFilter,
    Labeler,
    MarkChannel,
    NeuronTable,
    Publisher,
    SessionError,
    SessionState,
    SessionWriter,
    TraceEstimator,
    TraceSample,
    TraceStore,
    VolumeSource,
    VolumeSpec,
    calibration_label,
)
from napari_acll.session._acquisition import Acquisition
from napari_acll.session._announcer import Announcer
from napari_acll.session._backlog import backlog_event
from napari_acll.session._beside import Beside, SessionSides
from napari_acll.session._calibration import Calibration
from napari_acll.session._computation import Computation
from napari_acll.session._counters import Tally
from napari_acll.session._failures import close_quietly, join_all
from napari_acll.session._ladder import DegradeLadder
from napari_acll.session._latest import Mailbox
from napari_acll.session._outbox import Outbox, SourceNotes, last_event
from napari_acll.session._resumption import Resumption, first_volume
from napari_acll.session._session_view import SessionView
from napari_acll.session._sink import Fallback, patience_of
from napari_acll.session._stages import AlignmentRule, Calibrator, Preprocessing
from napari_acll.session._standing import Standing
from napari_acll.session._tolerance import Tolerance, most_failures
from napari_acll.session._volume_queue import VolumeQueue
from napari_acll.session._writing import Writing

_log = logging.getLogger(__name__)

_OUTBOX_CAPACITY = 32
"""Results that may wait for the disk: 140 MB of label maps, some seconds of a slow disk."""


class Session(SessionView, SessionSides):
    """One live or replayed recording: reads, labels, traces and saves it, once.

    `start` returns at once; the work is done by three threads, `acll-acquire`, `acll-compute`
    and `acll-write`. The states follow each other as::

        IDLE -> WARMING_UP -> CALIBRATING -> RUNNING -> STOPPING -> FINISHED or FAILED

    The first error is kept: all threads come to an end, what was traced is written, and `join`
    raises it. Signals are emitted by the session's threads; a slow listener to `sample_ready`
    slows the saving, an error in a listener is logged and changes nothing.

    Parameters
    ----------
    source : VolumeSource
        The recording; closed at the end.
    preprocessor : Preprocessing
        Crop, binning, background.
    labeler : Labeler
        The model.
    calibrator : Calibrator, optional
        Estimates the channel alignment on the first volumes; None: `alignment` is applied.
    trace_estimator : TraceEstimator
        Takes the values.
    writers : sequence of SessionWriter
        Where results are kept.
    settings : AcllSettings
        All settings.
    identity_filter : IdentityFilter, optional
        Makes identities consistent over time.
    alignment : ChannelAlignment, optional
        Applied instead of calibrating; identity if there is no calibrator either.
    alignment_rule : callable, optional
        Called with the calibrated alignment, returns the one to apply; for calibrations that
        cannot be trusted.
    publishers : sequence of Publisher
        Who sends each sample to other programs; closed at the end.
    mark_channels : sequence of MarkChannel
        Where marks of behavior and stimuli come from, beside `mark`.
    fallback : callable, optional
        Makes the writer of another folder, for when that of the session cannot be written.
    resumption : Resumption, optional
        What an interrupted session left, if this one goes on with it.

    Attributes
    ----------
    state_changed : Signal(SessionState)
        Emitted at each change, in order.
    alignment_ready : Signal(ChannelAlignment)
        Emitted once.
    sample_ready : Signal(TraceSample)
        Emitted when all writers have kept the sample: it survives a crash.
    event : Signal(str, str)
        Kind and message of everything that is worth telling.
    failed : Signal(Exception)
        Emitted with the error, right before the state becomes `FAILED`.
    """

    state_changed = Signal(SessionState)
    alignment_ready = Signal(ChannelAlignment)
    sample_ready = Signal(TraceSample)
    event = Signal(str, str)
    failed = Signal(Exception)

    def __init__(
        self,
        *,
        source: VolumeSource,
        preprocessor: Preprocessing,
        labeler: Labeler,
        calibrator: Calibrator | None,
        trace_estimator: TraceEstimator,
        writers: Sequence[SessionWriter],
        settings: AcllSettings,
        identity_filter: IdentityFilter | None = None,
        alignment: ChannelAlignment | None = None,
        alignment_rule: AlignmentRule | None = None,
        publishers: Sequence[Publisher] = (),
        mark_channels: Sequence[MarkChannel] = (),
        fallback: Fallback | None = None,
        resumption: Resumption | None = None,
    ) -> None:
        self.source = source
        self.settings = settings
        self.neurons: NeuronTable = labeler.neurons
        self.spec: VolumeSpec = preprocessor.spec
        self._model = labeler.describe()
        self.calibrated_on = calibration_label(self._model)
        self.store = TraceStore(labeler.neurons)
        self._stop_event = threading.Event()
        self._ready_event = threading.Event()
        self._tally = Tally()
        self._mailbox = Mailbox()
        self._queue = VolumeQueue.for_run(settings.run, self.spec, is_live=source.is_live)
        self._outbox = Outbox(_OUTBOX_CAPACITY)
        self._beside = self._make_beside(labeler, publishers, mark_channels)
        self._notes = SourceNotes(source, self._outbox, labeler, identity_filter)
        self._notes.add(backlog_event(settings))
        self._ladder = DegradeLadder(settings)
        self._most_failures = most_failures(settings.run.max_failures, is_live=source.is_live)
        self._standing = Standing(Announcer(self.state_changed).emit)
        self._announce_alignment = Announcer(self.alignment_ready)
        self._announce_sample = Announcer(self.sample_ready)
        self._announce_event = Announcer(self.event)
        self._announce_failure = Announcer(self.failed)
        self._calibration = Calibration(
            calibrator,
            given=alignment,
            rule=alignment_rule,
            max_volumes=settings.alignment.max_wait_volumes,
        )
        self._computed_event = threading.Event()
        self._computation = self._make_computation(
            preprocessor, labeler, identity_filter, trace_estimator
        )
        if resumption is not None:
            self._computation.resume(resumption)
        self._acquisition = self._make_acquisition(preprocessor, resumption)
        self._writing = self._make_writing(writers, fallback)
        self._threads = self._make_threads()

    def _make_beside(
        self,
        labeler: Labeler,
        publishers: Sequence[Publisher],
        mark_channels: Sequence[MarkChannel],
    ) -> Beside:
        return Beside(
            source=self.source,
            settings=self.settings,
            labeler=labeler,
            queue=self._queue,
            outbox=self._outbox,
            publishers=publishers,
            mark_channels=mark_channels,
        )

    def _make_writing(
        self, writers: Sequence[SessionWriter], fallback: Fallback | None
    ) -> Writing:
        return Writing(
            writers,
            outbox=self._outbox,
            on_error=self._end_with,
            on_sample=self._announce_sample.emit,
            on_event=self._announce_event.emit,
            patience=patience_of(
                self.settings.run, is_live=self.source.is_live, fallback=fallback
            ),
        )

    def _make_threads(self) -> list[threading.Thread]:
        work = {"acquire": self._acquire, "compute": self._compute, "write": self._write}
        return [
            threading.Thread(target=target, name=f"acll-{name}", daemon=True)
            for name, target in work.items()
        ]

    def _make_acquisition(
        self, preprocessor: Preprocessing, resumption: Resumption | None
    ) -> Acquisition:
        return Acquisition(
            source=self.source,
            preprocessor=preprocessor,
            queue=self._queue,
            tally=self._tally,
            clock=self._beside.recording_clock,
            pace=self.settings.run.pace,
            ready=self._ready_event,
            stop=self._stop_event,
            ladder=self._ladder,
            pausing=self._beside.pausing,
            tolerance=Tolerance(self._most_failures),
            tell=self._notes.add,
            first_index=first_volume(self.settings.run, resumption),
            done=self._computed_event if self._computation.backfilling.is_possible else None,
        )

    def _make_computation(
        self,
        preprocessor: Preprocessing,
        labeler: Labeler,
        identity_filter: IdentityFilter | None,
        trace_estimator: TraceEstimator,
    ) -> Computation:
        return Computation(
            labeler=labeler,
            identity_filter=identity_filter,
            trace_estimator=trace_estimator,
            calibration=self._calibration,
            preprocessor=preprocessor,
            stored_spec=self.source.spec,
            source_notes=self._notes,
            source=self.source,
            backfill=self.settings.run.backfill,
            queue=self._queue,
            outbox=self._outbox,
            publishing=self._beside.publishing,
            deadlines=self._beside.deadlines,
            corrections=self._beside.corrections,
            quality=self._beside.quality,
            forecasting=self._beside.forecasting,
            drift=self._beside.drift,
            store=self.store,
            mailbox=self._mailbox,
            tally=self._tally,
            ladder=self._ladder,
            max_failures=self._most_failures,
            enter=self._standing.enter,
            announce_alignment=self._announce_alignment.emit,
        )

    def start(self) -> None:
        """Start the threads and return.

        Raises
        ------
        SessionError
            If the session was started or stopped before: a session runs once.
        """
        self._standing.begin()
        self._beside.start()
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """Ask the session to end, and return; from any thread, at any time, also twice.

        Volumes that are being labeled are finished and saved; those that wait are skipped.
        """
        before = self._standing.stop()
        if before is None:
            return
        self._request_end()
        if before is SessionState.IDLE:
            close_quietly(self.source.close)
            self._beside.finish()
            self._finish()

    def join(self, timeout: float | None = None) -> bool:
        """Wait for the end, and raise the error if there was one.

        Parameters
        ----------
        timeout : float, optional
            Most time to wait, in s; None: as long as it takes.

        Returns
        -------
        bool
            Whether the session is over.

        Raises
        ------
        AcllError
            The first error of the session, with its cause.
        SessionError
            If the session was never started.
        """
        if self.state is SessionState.IDLE:
            raise SessionError("This session was never started; call start() before join().")
        if not join_all(self._threads, timeout):
            return False
        if self.error is not None:
            raise self.error
        return self.state.is_over

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if kind is None:
            self.join()
            return
        self.stop()
        join_all(self._threads)

    def _acquire(self) -> None:
        try:
            self._acquisition.run()
        except Exception as error:  # noqa: BLE001  the edge of the thread: kept for join()
            if self._standing.is_stopped_by_user:
                _log.debug("Ignored after the stop.", exc_info=error)
            else:
                self._standing.keep(error, self._acquisition.doing)

    def _compute(self) -> None:
        try:
            self._computation.warm_up()
            self._beside.warmed_up()
            self._computation.tell_beginning(self._model)
            self._queue.open()
            self._ready_event.set()
            self._computation.run()
        except Exception as error:  # noqa: BLE001  the edge of the thread: kept for join()
            self._end_with(error, self._computation.doing)
        finally:
            self._ready_event.set()
            self._computed_event.set()
            self._wind_up()

    def _wind_up(self) -> None:
        try:
            self._computation.wind_up()
        except Exception as error:  # noqa: BLE001  the edge of the thread: kept for join()
            self._end_with(error, self._computation.doing)
        finally:
            close_quietly(self._beside.finish, "session's side")
            self._outbox.finish()

    def _write(self) -> None:
        try:
            self._writing.run()
        finally:
            self._finish()

    def _finish(self) -> None:
        standing = self._standing
        standing.enter(SessionState.STOPPING)
        self._writing.write(
            last_event(
                self.counters, standing.error, is_stopped_by_user=standing.is_stopped_by_user
            )
        )
        self._writing.close(standing.last.value)
        last = standing.last
        if standing.error is not None:
            self._announce_failure.emit(standing.error)
        standing.enter(last)

    def _end_with(self, error: Exception, doing: str) -> None:
        self._standing.keep(error, doing)
        self._request_end()

    def _request_end(self) -> None:
        self._stop_event.set()
        self._queue.abandon()
        self._beside.pausing.end()
        if self.source.is_live:  # a replay never waits for volumes, and is being read just now
            close_quietly(self.source.close)
