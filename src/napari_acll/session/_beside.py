"""What goes on beside the main line of a session: publishing, marks, deadlines."""

from collections.abc import Sequence

from napari_acll.core import (
    AcllSettings,
    DeadlineReport,
    Mark,
    MarkChannel,
    NeuronTable,
    Pace,
    PinnedNames,
    Publisher,
    SessionError,
    SteadyClock,
    VolumeSource,
)
from napari_acll.session._deadline_monitor import DeadlineMonitor
from napari_acll.session._latest import Latest, Mailbox
from napari_acll.session._marking import Marking
from napari_acll.session._outbox import Event, Outbox, SourceNotes
from napari_acll.session._publishing import Publishing
from napari_acll.session._recording_clock import RecordingClock


class Beside:
    """Makes, starts and ends what nobody on the main line waits for.

    Parameters
    ----------
    source : VolumeSource
        The recording; its period is the deadline.
    settings : AcllSettings
        All settings.
    neurons : NeuronTable
        The neurons of the model.
    outbox : Outbox
        Gets events and marks.
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
        neurons: NeuronTable,
        outbox: Outbox,
        publishers: Sequence[Publisher],
        mark_channels: Sequence[MarkChannel],
    ) -> None:
        runs = source.is_live or settings.run.pace is Pace.RECORDED
        clock = SteadyClock()
        self._outbox = outbox
        self.pins = PinnedNames()
        self.recording_clock = RecordingClock(is_running=runs)
        self.deadlines = DeadlineMonitor(
            source.spec.period_s if runs else None,
            is_published=bool(publishers),
            tell=outbox.put,
        )
        self.publishing = Publishing(
            publishers,
            neurons=neurons,
            pins=self.pins,
            clock=clock,
            deadlines=self.deadlines,
            tell=outbox.put,
        )
        self.marking = Marking(
            mark_channels, outbox=outbox, clock=clock, recording_clock=self.recording_clock
        )

    def start(self) -> None:
        """Start the threads."""
        self.publishing.start()
        self.marking.start()

    def finish(self) -> None:
        """End the threads with what they have, and tell how long the stages took."""
        self.marking.finish()
        self.publishing.finish()
        report = self.deadlines.report()
        if report.sentence():
            self._outbox.put(Event("deadlines", report.sentence(), report.to_json()))


class SessionSides:
    """The part of a session's interface that is about what goes on beside its main line."""

    _beside: Beside
    _mailbox: Mailbox
    _notes: SourceNotes

    @property
    def deadlines(self) -> DeadlineReport:
        """How long the stages take, and how many samples were late; cheap, at any time."""
        return self._beside.deadlines.report()

    @property
    def pins(self) -> PinnedNames:
        """The names that a person has fixed; whoever fixes them sets them here."""
        return self._beside.pins

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
