"""An open live recording that goes from one session to the next."""

import threading
from collections.abc import Iterator, Mapping, Sequence

from napari_acll.core import AcllError, RereadableSource, Volume, VolumeSource, VolumeSpec


class Handover:
    """Keeps a live recording open between the session that looks and the one that records.

    Each session reads a `LentSource`. Only one of them gets volumes: from `take` on, all that the
    first one had not been given yet goes to the second one, also the volume for which the first
    one is waiting just then. So nothing in between is lost, and nothing has to be kept here but
    that one volume. Safe from several threads.

    Parameters
    ----------
    recording : str
        What the recording was opened with, for the session folder.
    """

    def __init__(self, recording: str) -> None:
        self.recording = recording
        self._changed = threading.Condition()
        self._source: VolumeSource | None = None
        self._volumes: Iterator[Volume] | None = None
        self._holder: LentSource | None = None
        self._is_reading = False
        self._kept: Volume | AcllError | OSError | None = None
        self._next_index = 0
        self._is_taken = False

    @property
    def is_taken(self) -> bool:
        """Whether another session goes on with the recording."""
        return self._is_taken

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
        AcllError
            If the recording cannot be read.
        """
        if not self._begin_reading(holder):
            return None
        got: Volume | AcllError | OSError | None = self._kept
        self._kept = None
        try:
            if got is None:
                got = self._read()
        except (AcllError, OSError) as error:
            got = error  # raised where the recording is read by then
        finally:
            is_holder = self._end_reading(holder, got)
        if not is_holder or got is None:
            return None
        if isinstance(got, Volume):
            return got
        raise got

    def close(self, holder: "LentSource") -> None:
        """Close the recording, unless another session goes on with it."""
        with self._changed:
            if holder is not self._holder or self._source is None:
                return
        self._source.close()

    def _lent(self, source: VolumeSource) -> "LentSource":
        kind = RereadableLentSource if isinstance(source, RereadableSource) else LentSource
        return kind(self, source, first_index=self._next_index)

    def _begin_reading(self, holder: "LentSource") -> bool:
        with self._changed:
            while self._is_reading and holder is self._holder:
                self._changed.wait()  # the session before waits for this very volume
            if holder is not self._holder:
                return False
            self._is_reading = True
            return True

    def _read(self) -> Volume | None:
        if self._volumes is None and self._source is not None:
            self._volumes = iter(self._source)
        return None if self._volumes is None else next(self._volumes, None)

    def _end_reading(self, holder: "LentSource", got: Volume | AcllError | OSError | None) -> bool:
        """Keep what came if it belongs to the other session; return whether it does not."""
        with self._changed:
            is_holder = holder is self._holder
            if not is_holder:
                self._kept = got
            elif isinstance(got, Volume):
                self._next_index = got.index + 1
            self._is_reading = False
            self._changed.notify_all()
            return is_holder


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
