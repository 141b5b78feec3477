"""What goes on beside the main line of a session: publishing, marks, corrections, deadlines."""

from collections.abc import Sequence

from napari_acll.core import (
    AcllSettings,
    ChannelDrift,
    Correction,
    Corrections,
    DeadlineReport,
    Labeler,
    LiveMark,
    Mark,
    MarkChannel,
    Pace,
    Publisher,
    SessionError,
    SteadyClock,
    VolumeSource,
)
from napari_acll.quality import Forecast, TraceQuality
from napari_acll.session._correcting import Correcting
from napari_acll.session._deadline_monitor import DeadlineMonitor
from napari_acll.session._drift_monitor import DriftMonitor
from napari_acll.session._forecasting import Forecasting
from napari_acll.session._label_speed import device_of, remember_session_speed
from napari_acll.session._ladder import DegradeLadder
from napari_acll.session._latest import Latest, Mailbox
from napari_acll.session._marking import Marking
from napari_acll.session._outbox import Event, Outbox, SourceNotes
from napari_acll.session._pausing import Pausing
from napari_acll.session._publishing import Publishing
from napari_acll.session._recording_clock import RecordingClock
from napari_acll.session._volume_queue import VolumeQueue


class Beside:
    """Makes, starts and ends what nobody on the main line waits for.

    Parameters
    ----------
    source : VolumeSource
        The recording; its period is the deadline.
    settings : AcllSettings
        All settings.
    labeler : Labeler
        The model.
    queue : VolumeQueue
        Where volumes wait.
    outbox : Outbox
        Gets events, marks and corrections.
    publishers : sequence of Publisher
        Who sends samples.
    mark_channels : sequence of MarkChannel
        Where marks come from.
    """

    def __init__(
        self,
        *,
        source: VolumeSource,
        settings: AcllSettings,
        labeler: Labeler,
        queue: VolumeQueue,
        outbox: Outbox,
        publishers: Sequence[Publisher],
        mark_channels: Sequence[MarkChannel],
    ) -> None:
        runs = source.is_live or settings.run.pace is Pace.RECORDED
        clock = SteadyClock()
        self._outbox = outbox
        self._source, self._settings = source, settings
        self._labeler, self._device = labeler, ""
        neurons = labeler.neurons
        self._live_mark: LiveMark | None = None
        self.corrections = Corrections(neurons)
        self.correcting = Correcting(self.corrections, outbox=outbox, clock=clock)
        self.quality = TraceQuality(neurons, source.spec.grid.stored_voxel_size_um())
        self.forecasting = Forecasting(self.quality, settings.identity.filter)
        self.drift = DriftMonitor(settings.alignment)
        self.pausing = Pausing(is_live=source.is_live, queue=queue, tell=outbox.add)
        self.recording_clock = RecordingClock(is_running=runs)
        self.deadlines = DeadlineMonitor(
            source.spec.period_s if runs else None,
            is_published=bool(publishers),
            tell=outbox.put,
        )
        self.publishing = Publishing(
            publishers,
            neurons=neurons,
            corrections=self.corrections,
            clock=clock,
            deadlines=self.deadlines,
            tell=outbox.put,
        )
        self.marking = Marking(
            mark_channels, outbox=outbox, clock=clock, recording_clock=self.recording_clock
        )

    def start(self) -> None:
        """Start the threads."""
        if self._source.is_live:
            self._live_mark = LiveMark()
        self.publishing.start()
        self.marking.start()

    def warmed_up(self) -> None:
        """Note the device on which the model is warm; from now on it is timed."""
        self._device = device_of(self._labeler, self._settings.label)

    def finish(self) -> None:
        """End the threads with what they have, and tell how long the stages took."""
        if self._live_mark is not None:
            self._live_mark.release()
        self.pausing.end()
        self.marking.finish()
        self.publishing.finish()
        report = self.deadlines.report()
        if report.sentence():
            self._outbox.put(Event("deadlines", report.sentence(), report.to_json()))
        self._remember_speed(report)

    def _remember_speed(self, report: DeadlineReport) -> None:
        """Keep how long labeling took in a live session, unless it was the work of two devices."""
        settings = self._settings
        device = self._device
        if self._source.is_live and device and device == device_of(self._labeler, settings.label):
            remember_session_speed(settings, self._source.spec, report, device=device)


class SessionSides:
    """The part of a session's interface that is about what goes on beside its main line."""

    _beside: Beside
    _mailbox: Mailbox
    _notes: SourceNotes
    _ladder: DegradeLadder

    @property
    def deadlines(self) -> DeadlineReport:
        """How long the stages take, and how many samples were late; cheap, at any time."""
        return self._beside.deadlines.report()

    @property
    def corrections(self) -> Corrections:
        """What was corrected so far, and what of it holds; to be read, `correct` adds to it."""
        return self._beside.corrections

    @property
    def quality(self) -> TraceQuality:
        """How far each trace can be trusted by now."""
        return self._beside.quality

    @property
    def forecast(self) -> Forecast | None:
        """What is expected of each neuron for the rest; None before 30 labeled volumes."""
        return self._beside.forecasting.newest

    def correct(self, correction: Correction) -> None:
        """Correct names from the next volume on; waits for nothing, from any thread.

        What was decided before stays as it is.

        Parameters
        ----------
        correction : Correction
            What is pinned, muted, renamed or swapped; the session sets its volume and time.

        Raises
        ------
        CorrectionError
            If its names make no sense for this model, or the session is over.
        """
        self._beside.correcting.add(correction)

    def undo_correction(self) -> None:
        """Take back the last correction that holds, from the next volume on.

        Raises
        ------
        CorrectionError
            If there is none, or the session is over.
        """
        self._beside.correcting.undo()

    def redo_correction(self) -> None:
        """Let the correction that was undone last hold again, from the next volume on.

        Raises
        ------
        CorrectionError
            If there is nothing to redo, or the session is over.
        """
        self._beside.correcting.redo()

    @property
    def drift(self) -> ChannelDrift | None:
        """How far the channels last lay from the applied alignment; None before it is measured."""
        return self._beside.drift.newest

    @property
    def given_up(self) -> tuple[str, ...]:
        """What is not done now because labeling fell behind, one step of the ladder each."""
        return self._ladder.given_up

    def mark(
        self, name: str, value: float = float("nan"), *, note: str = "", channel: str = "script"
    ) -> None:
        """Note what the animal does or is shown now; waits for nothing, from any thread.

        Parameters
        ----------
        name : str
            What it is about, such as `light`.
        value : float
            Its value, if it has one.
        note : str
            Anything else.
        channel : str
            Where the mark comes from, such as `key`.

        Raises
        ------
        SessionError
            If the session is over, or keeps marks far too slowly.
        """
        mark = Mark(channel=channel, name=name, value=value, note=note)
        if not self._beside.marking.add(mark):
            raise SessionError(
                f"The mark {name!r} was not kept: the session is over, or its disk is far too"
                " slow. Start a new session to go on."
            )

    @property
    def is_paused(self) -> bool:
        """Whether the session is paused."""
        return self._beside.pausing.is_paused

    def pause(self) -> None:
        """Stand still until `unpause`; from any thread, at any time, also twice.

        A replay reads and labels nothing meanwhile. A live recording is read on, so that nothing
        waits for us; the volumes that come are skipped and told of by an event of their own, with
        the first and the last. No deadline is missed by a pause. `stop` ends it, too.
        """
        self._beside.pausing.pause()

    def unpause(self) -> None:
        """Go on after `pause`; from any thread, at any time, also twice."""
        self._beside.pausing.unpause()

    @property
    def marks(self) -> tuple[Mark, ...]:
        """The marks so far that stand for moments, for a screen; grouped by name.

        A name that came more than 200 times is a measure, such as a speed, and not among them.
        The session folder has all marks.
        """
        return self._beside.marking.memory.moments()

    def latest(self) -> Latest | None:
        """Return the newest traced volume, None before the first.

        Whoever draws asks for it when ready to draw, so a slow screen can neither slow the
        session nor fill the memory.
        """
        return self._mailbox.look()

    def remark(self, kind: str, message: str) -> None:
        """Add an event to those that the session tells and keeps; from any thread."""
        self._notes.add(Event(kind, message))
