"""What all sources share that take volumes from a running sender."""

import threading
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from types import TracebackType
from typing import Self

from napari_acll.core import NotBegunError, RecordingError, SourceSettings, Volume, VolumeSpec
from napari_acll.sources._awake_clock import AwakeClock

_LONGEST_WAIT_S = 0.02  # so that `close` never has to wait for longer


class StreamSource(ABC):
    """The volumes of a sender, in the order in which they come, each once.

    Nothing is waited for before `spec` is asked for or an iteration begins. The iteration ends
    when the sender says so, when nothing came for `live.idle_timeout_s`, or when the source is
    closed, from whatever thread.

    Parameters
    ----------
    address : str
        Where the sender is; stands in errors.
    settings : SourceSettings
        Channels, sizes that the sender does not give, and how to wait (`live`).
    """

    is_live = True

    def __init__(self, address: str, settings: SourceSettings) -> None:
        self._address = address
        self._settings = settings
        self._notes: list[str] = []
        self._spec: VolumeSpec | None = None
        self._last_index: int | None = None
        self._n_out_of_order = 0
        self._first_wanted = 0
        self._resumed_recording: object = None
        self._is_another = False
        self._lock = threading.RLock()
        self._closed = threading.Event()

    @property
    def spec(self) -> VolumeSpec:
        """Geometry and channels as stored; waits for the sender for `live.start_timeout_s`.

        Raises
        ------
        RecordingError
            If no sender came, it says nothing that can be read, or the source was closed.
        """
        spec = self._wait_for_spec()
        if spec is None:
            raise RecordingError(
                f"{self._address} was closed before a sender came; open it again to wait longer."
            )
        return spec

    @property
    def notes(self) -> Sequence[str]:
        """What the user should know about how the recording is read; grows while it is read."""
        return tuple(self._notes)

    @abstractmethod
    def describe(self) -> Mapping[str, object]:
        """Return what identifies the recording, as JSON values."""

    def resume_at(self, index: int, described: Mapping[str, object]) -> None:
        """Leave out volumes before this index; another recording is none to go on with."""
        self._first_wanted = index
        self._resumed_recording = described.get("recording")

    def __iter__(self) -> Iterator[Volume]:
        """Yield the volumes in acquisition order, from where an iteration before this ended.

        Raises
        ------
        RecordingError
            If nothing comes for `live.start_timeout_s`, or what comes cannot be read.
        """
        if self._wait_for_spec() is None:
            return
        while (volume := self._next()) is not None:
            yield volume
        self._tell_counts()

    def close(self) -> None:
        """Release all; a waiting iteration ends."""
        self._closed.set()
        with self._lock:
            self._release()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def _wait_for_spec(self) -> VolumeSpec | None:
        """Return the spec, None if the source was closed while it was waited for."""
        patience = _Patience(self._settings.live.start_timeout_s, self._note)
        while self._spec is None:
            with self._lock:
                if self._closed.is_set():
                    return None
                self._spec = self._look()
            if self._spec is None:
                if patience.is_over:
                    raise self._nothing_came()
                self._pause()
        return self._spec

    def _next(self) -> Volume | None:
        """Return the next volume, None at the end."""
        live = self._settings.live
        is_first = self._last_index is None
        patience_s = live.start_timeout_s if is_first else live.idle_timeout_s
        patience = _Patience(patience_s, self._note)
        while True:
            with self._lock:
                if self._closed.is_set():
                    return None
                volume = self._take_next()
                if volume is not None or self._is_another or self._is_over():
                    return volume
                patience.renew(self._pulse())
            if patience.is_over:
                self._end_of_patience()
                return None
            self._pause()

    def _take_next(self) -> Volume | None:
        while not self._is_another and (volume := self._take()) is not None:
            if volume.index < self._first_wanted:
                self._pass_over_taken()
            elif self._is_next(volume):
                return volume
        return None

    def _pass_over_taken(self) -> None:
        """Pass over a volume that an interrupted session had; another recording is an end."""
        before = self._resumed_recording
        if before is not None and self._recording_id() != before:
            self._is_another = True
            self._note(f"Another recording began at {self._address}, so this one is over.")

    def _is_next(self, volume: Volume) -> bool:
        if self._last_index is not None and volume.index <= self._last_index:
            self._n_out_of_order += 1
            self._note("A volume came late or twice and is left out; check how the sender counts.")
            return False
        self._last_index = volume.index
        return True

    def _end_of_patience(self) -> None:
        if self._last_index is None:
            raise self._nothing_came()
        self._note(
            f"Nothing came for {self._settings.live.idle_timeout_s:g} s, so the recording was"
            " taken to be over."
        )

    def _nothing_came(self) -> NotBegunError:
        return NotBegunError(
            f"No volume came from {self._address} within"
            f" {self._settings.live.start_timeout_s:g} s; check that the sender runs and uses"
            " this address, or wait longer (source.live.start_timeout_s)."
        )

    def _pause(self) -> None:
        self._closed.wait(min(self._settings.live.poll_ms / 1000, _LONGEST_WAIT_S))

    def _note(self, sentence: str) -> None:
        """Add a sentence, the same one only once."""
        if sentence not in self._notes:
            self._notes.append(sentence)

    def _tell_counts(self) -> None:
        for sentence, count in self._counts().items():
            if count:
                self._note(f"{sentence}: {count}.")

    def _recording_id(self) -> str:
        """Return what tells a recording of the sender from another one."""
        return ""

    def _counts(self) -> dict[str, int]:
        """Return what is told at the end: of what there was how much."""
        return {"Volumes that came late or twice": self._n_out_of_order}

    @abstractmethod
    def _look(self) -> VolumeSpec | None:
        """Return the spec if a sender is there; never waits. Called with the lock held."""

    @abstractmethod
    def _take(self) -> Volume | None:
        """Return the next volume if it is there; never waits. Called with the lock held."""

    @abstractmethod
    def _is_over(self) -> bool:
        """Return whether the sender ended, asked when nothing is there. With the lock held."""

    @abstractmethod
    def _pulse(self) -> object:
        """Return something that changes as long as the sender does anything."""

    @abstractmethod
    def _release(self) -> None:
        """Let go of everything; with the lock held, maybe twice."""


class _Patience:
    """Time that begins anew whenever something happens."""

    def __init__(self, patience_s: float, tell: Callable[[str], None]) -> None:
        self._patience_s = patience_s
        self._pulse: object = None
        self._clock = AwakeClock(tell)
        self._until_s = self._clock.now_s() + patience_s

    @property
    def is_over(self) -> bool:
        """Whether nothing happened for too long."""
        return self._clock.now_s() > self._until_s

    def renew(self, pulse: object) -> None:
        """Begin anew if this is not the pulse of before."""
        if pulse != self._pulse:
            self._pulse = pulse
            self._until_s = self._clock.now_s() + self._patience_s
