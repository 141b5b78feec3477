"""An open live recording that goes from one session to the next."""

import threading
from collections.abc import Iterator, Mapping, Sequence

from napari_acll.core import RereadableSource, Volume, VolumeSource, VolumeSpec


class Handover:
    """Keeps a live recording open between the session that looks and the one that records.

    Each session reads a `LentSource`. Only one of them gets volumes: from `take` on, all that the
    first one had not been given yet goes to the second one, also the volume for which the first
    one is waiting just then. So nothing in between is lost, nobody has to wait for a volume to
    hand over, and no volume is read before somebody wants it. For that the recording is read by a
    thread of its own, `acll-read`, one volume whenever it is asked for one.

    Parameters
    ----------
    recording : str
        What the recording was opened with, for the session folder.
    """

    def __init__(self, recording: str) -> None:
        self.recording = recording
        self._changed = threading.Condition()
        self._source: VolumeSource | None = None
        self._holder: LentSource | None = None
        self._got: list[Volume | Exception] = []
        self._is_asked = False
        self._is_over = False
        self._next_index = 0
        self._is_taken = False
        self._thread: threading.Thread | None = None

    def lend(self, source: VolumeSource) -> VolumeSource:
        """Return what the first session reads: the source itself if it is not live.

        A finished recording need not be handed over: it can be read again from its beginning.
        """
        if not source.is_live:
            return source
        with self._changed:
            self._source = source
            self._holder = self._lent(source)
            return self._holder

    def take(self) -> "LentSource | None":
        """Return what the next session reads; None if there is nothing that could go on."""
        with self._changed:
            if self._source is None or self._is_taken:
                return None
            self._is_taken = True
            self._holder = self._lent(self._source)
            self._changed.notify_all()
            return self._holder

    def next_volume(self, holder: "LentSource") -> Volume | None:
        """Return the next volume for a holder; None at the end, or if it holds it no longer.

        Raises
        ------
        Exception
            What reading the recording raised.
        """
        with self._changed:
            if holder is self._holder:
                self._ask()
            self._changed.wait_for(
                lambda: holder is not self._holder or bool(self._got) or self._is_over
            )
            if holder is not self._holder or not self._got:
                return None
            got = self._got.pop()
            if isinstance(got, Volume):
                self._next_index = got.index + 1
                return got
        raise got

    def close(self, holder: "LentSource") -> None:
        """Close the recording, unless another session goes on with it."""
        with self._changed:
            if holder is not self._holder or self._source is None:
                return
            self._is_over = True
            self._changed.notify_all()
        self._source.close()

    def _lent(self, source: VolumeSource) -> "LentSource":
        kind = RereadableLentSource if isinstance(source, RereadableSource) else LentSource
        return kind(self, source, first_index=self._next_index)

    def _ask(self) -> None:
        """Let one volume be read, unless one is there, or is being read already."""
        if self._is_asked or self._got or self._is_over or self._source is None:
            return
        self._is_asked = True
        self._changed.notify_all()
        if self._thread is None:
            self._thread = threading.Thread(
                target=self._read, args=(iter(self._source),), name="acll-read", daemon=True
            )
            self._thread.start()

    def _read(self, volumes: Iterator[Volume]) -> None:
        while self._read_one(volumes):
            with self._changed:
                self._changed.wait_for(lambda: self._is_asked or self._is_over)

    def _read_one(self, volumes: Iterator[Volume]) -> bool:
        """Read a volume for whoever wants it by then; return whether there may be more."""
        if self._is_over:
            return False
        got: Volume | Exception | None
        try:
            got = next(volumes, None)
        except Exception as error:  # noqa: BLE001  outer edge of the thread: raised by who reads
            got = error
        with self._changed:
            self._is_asked = False
            self._is_over = self._is_over or not isinstance(got, Volume)
            if got is not None:
                self._got.append(got)
            self._changed.notify_all()
            return not self._is_over


class LentSource:
    """A live recording as one of two sessions reads it; made by `Handover`.

    Parameters
    ----------
    handover : Handover
        Knows whose turn it is.
    source : VolumeSource
        The recording.
    first_index : int
        Number of the first volume that this session may get.
    """

    is_live = True

    def __init__(self, handover: Handover, source: VolumeSource, *, first_index: int) -> None:
        self.first_index = first_index
        self._handover = handover
        self._source = source

    @property
    def recording(self) -> str:
        """What the recording was opened with."""
        return self._handover.recording

    @property
    def spec(self) -> VolumeSpec:
        """Geometry and channels as stored."""
        return self._source.spec

    @property
    def notes(self) -> Sequence[str]:
        """What the user should know about how the recording is read."""
        return self._source.notes

    def describe(self) -> Mapping[str, object]:
        """Return what identifies the recording, as JSON values."""
        return self._source.describe()

    def __iter__(self) -> Iterator[Volume]:
        """Yield volumes until the recording ends, or another session goes on with it.

        Raises
        ------
        RecordingError
            If the recording cannot be read.
        """
        while (volume := self._handover.next_volume(self)) is not None:
            yield volume

    def close(self) -> None:
        """Close the recording, unless another session goes on with it."""
        self._handover.close(self)


class RereadableLentSource(LentSource):
    """A lent recording that may still have volumes which were given before."""

    def reread(self, index: int) -> Volume | None:
        """Return a volume that was given before; None if it is gone.

        Raises
        ------
        RecordingError
            If it is there and cannot be read.
        """
        source = self._source
        return source.reread(index) if isinstance(source, RereadableSource) else None
