"""Volumes from another process of this machine, through shared memory."""

import re
import time
from collections.abc import Mapping
from dataclasses import dataclass
from multiprocessing.shared_memory import SharedMemory
from typing import Self

import numpy as np
from numpy.typing import NDArray

from napari_acll.core import RecordingError, SourceSettings, Volume, VolumeSpec
from napari_acll.sources._buffer_pool import VolumeMemory
from napari_acll.sources._channels import ChannelChoice
from napari_acll.sources._errors import reason_of
from napari_acll.sources._stream_header import StreamHeader, complete_slice_times
from napari_acll.sources._stream_source import StreamSource
from napari_acll.sources._volume_ring import (
    MAGIC,
    PAGE,
    TEXT_AT,
    TIMES_AT,
    VERSION,
    SlotWord,
    Word,
    buffer_of,
    counts_offset,
    open_segment,
    session_name,
    slot_bytes,
)

_SCHEME = "shm:"
_LOOK_S, _LOOK_AGAIN_S = 0.01, 0.1  # between two looks for a new sender
_ADDRESS = re.compile(_SCHEME + r"[A-Za-z0-9._-]{1,20}")


class SharedMemorySource(StreamSource):
    """The volumes that another process of this machine offers in a ring of shared memory.

    Every volume is copied out of the ring and used only if the sender did not begin to overwrite
    it meanwhile. Several sources may read the same ring. The sender may come before or after the
    source, and may be started again: if the indices go on, so does the recording, else it ended.

    Without `live.takes_existing`, volumes that are in the ring already, and a recording that is
    already over, are ignored.

    Parameters
    ----------
    address : str
        `shm:NAME`, NAME as the sender calls it.
    settings : SourceSettings
        Channels, sizes that the sender does not give, and how to wait (`live`).

    Raises
    ------
    RecordingError
        If the address is not valid.
    """

    def __init__(self, address: str, settings: SourceSettings) -> None:
        if not _ADDRESS.fullmatch(address):
            raise RecordingError(
                f"Cannot read {address!r}: after {_SCHEME} the name of the sender is expected, at"
                " most 20 letters, digits, '.', '_' or '-'."
            )
        super().__init__(address, settings)
        self._name = address.removeprefix(_SCHEME)
        self._ring: _Ring | None = None
        self._choice: ChannelChoice | None = None
        self._next_number = 0
        self._ignored_session = 0
        self._ignored_pulse: int | None = None
        self._look_again_s = 0.0
        self._n_overwritten = 0
        self._has_ended = False
        self._memory = VolumeMemory()
        if not settings.live.takes_existing:
            self._ignore_existing()

    @classmethod
    def rejects(cls, recording: str) -> str:
        """Return why this is no address of shared memory, empty if it is one."""
        return "" if recording.startswith(_SCHEME) else f"it does not begin with {_SCHEME}"

    @classmethod
    def from_recording(cls, recording: str, settings: SourceSettings) -> Self:
        """Return the source of an address; it waits for nothing.

        Raises
        ------
        RecordingError
            See the class.
        """
        return cls(recording, settings)

    @property
    def n_overwritten(self) -> int:
        """Volumes that the sender overwrote before they were read: *skipped*, not lost."""
        return self._n_overwritten

    def describe(self) -> Mapping[str, object]:
        """Return what identifies the recording, as JSON values."""
        return {
            "kind": "shared memory",
            "path": self._address,
            "recording": self._recording_id(),
        }

    def _recording_id(self) -> str:
        return "" if self._ring is None else f"{self._ring.session:08x}"

    def _counts(self) -> dict[str, int]:
        return {
            **super()._counts(),
            "Volumes that were overwritten before they could be read": self._n_overwritten,
        }

    def _ignore_existing(self) -> None:
        ring = _open_newest(self._name, self._address)
        if ring is None:
            return
        if ring.is_finished:
            self._ignored_session = ring.session
            ring.close()
            return
        # a sender that was killed left its ring, too: this one counts once its pulse goes on
        self._ring, self._next_number, self._ignored_pulse = ring, ring.head, ring.pulse

    def _look(self) -> VolumeSpec | None:
        newest = self._look_for_new(_LOOK_S)
        if newest is not None:
            self._release()
            self._ring, self._next_number, self._ignored_pulse = newest, newest.oldest, None
        if self._ring is None or self._ring.pulse == self._ignored_pulse:
            return None
        header = self._ring.header
        self._choice = header.choose(self._settings, recording=self._address)
        self._note(self._choice.note)
        return header.spec(self._settings, self._choice, self._notes)

    def _look_for_new(self, every_s: float) -> "_Ring | None":
        """Return the recording of a new sender, looking for one only now and then."""
        now_s = time.monotonic()
        if now_s < self._look_again_s:
            return None
        self._look_again_s = now_s + every_s
        known = self._ignored_session if self._ring is None else self._ring.session
        return _open_newest(self._name, self._address, unlike=known)

    def _take(self) -> Volume | None:
        while self._ring is not None and self._next_number < self._ring.head:
            self._pass_over(self._ring.oldest)
            number, self._next_number = self._next_number, self._next_number + 1
            volume = self._read(self._ring, number)
            if volume is not None:
                return volume
            self._skip(1)
        return None

    def _pass_over(self, oldest: int) -> None:
        n_gone = oldest - self._next_number
        if n_gone > 0:
            self._skip(n_gone)
            self._next_number += n_gone

    def _skip(self, n_volumes: int) -> None:
        self._n_overwritten += n_volumes
        self._note(
            "The sender overwrites volumes in shared memory before they can be read; give it more"
            " slots."
        )

    def _read(self, ring: "_Ring", number: int) -> Volume | None:
        if self._choice is None or self._spec is None:
            return None
        seen_s = time.perf_counter()
        slot = ring.read(number, self._choice, self._memory)
        if slot is None:
            return None
        start_s = float(slot.times_s[0])
        if not np.isfinite(start_s):
            start_s = slot.index * self._spec.period_s
        return Volume(
            index=slot.index,
            timestamp_s=start_s,
            marker=slot.marker,
            activity=slot.activity,
            spec=self._spec,
            slice_times_s=complete_slice_times(slot.times_s, start_s, self._spec.period_s),
            missing_z=tuple(np.flatnonzero(slot.is_missing).tolist()),
            seen_s=seen_s,
        )

    def _is_over(self) -> bool:
        if self._has_ended or self._ring is None:
            return True
        if self._ring.is_finished:  # asked first: a volume may have come just before the end
            return self._next_number >= self._ring.head
        self._follow_new_sender(self._ring)
        return self._has_ended

    def _follow_new_sender(self, ring: "_Ring") -> None:
        """Go over to a sender that was started again, once it has a volume."""
        newest = self._look_for_new(_LOOK_AGAIN_S)
        if newest is None:
            return
        if newest.head == 0 or self._next_number < ring.head:
            newest.close()
        elif newest.header == ring.header and self._goes_on(newest):
            ring.close()
            self._ring, self._next_number = newest, newest.oldest
            self._note("The sender was started again during the recording.")
        else:
            newest.close()
            self._end_by_another()

    def _end_by_another(self) -> None:
        if self._last_index is None:
            raise RecordingError(
                f"The sender at {self._address} was started again with other volumes before the"
                " first one came; open the recording again."
            )
        self._has_ended = True
        self._note(f"Another recording began at {self._address}, so this one is over.")

    def _goes_on(self, ring: "_Ring") -> bool:
        return self._last_index is None or ring.index_of(ring.oldest) > self._last_index

    def _pulse(self) -> object:
        ring = self._ring
        return None if ring is None else ring.pulse

    def _release(self) -> None:
        if self._ring is not None:
            self._ring.close()
            self._ring = None


@dataclass(frozen=True, slots=True)
class _Slot:
    index: int
    times_s: NDArray[np.float64]
    is_missing: NDArray[np.uint8]
    marker: NDArray[np.uint16]
    activity: NDArray[np.uint16]


class _Ring:
    """One recording in shared memory, as a reader sees it.

    Raises
    ------
    RecordingError
        If what is there was not written by a sender of this version.
    """

    def __init__(self, segment: SharedMemory, session: int, address: str) -> None:
        self._segment = segment
        self._buffer = buffer_of(segment)
        self._words = self._buffer[: segment.size // 8 * 8].cast("Q")
        self.session = session
        try:
            self.header = self._check(address)
        except RecordingError:
            self.close()
            raise
        self._n_channels = len(self.header.channel_names)
        self._shape = (*self.header.shape, self._n_channels)

    def _check(self, address: str) -> StreamHeader:
        words, size = self._words, self._segment.size
        if size < PAGE or words[Word.MAGIC] != MAGIC or words[Word.VERSION] != VERSION:
            raise RecordingError(
                f"The shared memory of {address} was not written by a sender of version"
                f" {VERSION}; use the sender that comes with this version of napari-acll."
            )
        n_text = min(words[Word.TEXT_BYTES], PAGE - TEXT_AT)
        text = bytes(self._buffer[TEXT_AT : TEXT_AT + n_text])
        header = StreamHeader.parse(text, recording=address)
        n_slots, n_slot_bytes = words[Word.N_SLOTS], words[Word.SLOT_BYTES]
        expected = slot_bytes((*header.shape, len(header.channel_names)), header.dtype)
        if n_slots < 1 or n_slot_bytes != expected or PAGE + n_slots * expected > size:
            raise RecordingError(
                f"The shared memory of {address} has {size} bytes in {n_slots} slots of"
                f" {n_slot_bytes}; {expected} bytes per volume are expected: start the sender"
                " again."
            )
        return header

    @property
    def head(self) -> int:
        """Volumes that were written."""
        return self._words[Word.HEAD]

    @property
    def oldest(self) -> int:
        """Number of the oldest volume that is still there and is not overwritten next."""
        return max(0, self.head - self._words[Word.N_SLOTS])

    @property
    def is_finished(self) -> bool:
        """Whether the sender said that the recording is over."""
        return bool(self._words[Word.IS_FINISHED])

    @property
    def pulse(self) -> int:
        """Changes as long as the sender does anything."""
        return self._words[Word.HEARTBEAT]

    def index_of(self, number: int) -> int:
        """Return the microscope's index of a volume."""
        return self._words[self._at(number) // 8 + SlotWord.INDEX]

    def read(self, number: int, choice: ChannelChoice, memory: VolumeMemory) -> _Slot | None:
        """Return a copy of a volume, None if it is being overwritten."""
        at, whole = self._at(number), 2 * number + 2
        sequence = at // 8 + SlotWord.SEQUENCE
        if self._words[sequence] != whole:
            return None
        n_z = self._shape[0]
        counts = np.ndarray(self._shape, self.header.dtype, self._buffer, at + counts_offset(n_z))
        times_s = np.ndarray(n_z, "<f8", self._buffer, at + TIMES_AT)
        is_missing = np.ndarray(n_z, np.uint8, self._buffer, at + TIMES_AT + 8 * n_z)
        slot = _Slot(
            index=self.index_of(number),
            times_s=times_s.astype(np.float64),
            is_missing=is_missing.copy(),
            marker=_copied(counts[..., choice.marker], memory),
            activity=_copied(counts[..., choice.activity], memory),
        )
        return slot if self._words[sequence] == whole else None

    def close(self) -> None:
        """Let go of the memory."""
        self._words.release()
        self._buffer.release()
        self._segment.close()

    def _at(self, number: int) -> int:
        slot: int = number % self._words[Word.N_SLOTS]
        return PAGE + slot * self._words[Word.SLOT_BYTES]


def _copied(counts: NDArray[np.uint16], memory: VolumeMemory) -> NDArray[np.uint16]:
    copy = memory.take(counts.shape, counts.dtype)
    np.copyto(copy, counts)
    return copy


def _open_newest(name: str, address: str, *, unlike: int = 0) -> _Ring | None:
    """Return the newest recording, None if there is none or it is the one of session `unlike`.

    Raises
    ------
    RecordingError
        If it must not be read, or cannot.
    """
    session = _newest_session(name, address)
    if session in (0, unlike):
        return None
    segment = _open(session_name(name, session), address)
    return None if segment is None else _Ring(segment, session, address)


def _newest_session(name: str, address: str) -> int:
    control = _open(name, address)
    if control is None:
        return 0
    try:
        if control.size < PAGE:
            return 0
        with buffer_of(control).cast("Q") as words:
            magic, version, session = words[Word.MAGIC], words[Word.VERSION], words[Word.SESSION]
    finally:
        control.close()
    if magic not in (0, MAGIC) or (magic and version != VERSION):
        raise RecordingError(
            f"The shared memory of {address} belongs to another program or version; give the"
            " sender another name, and use the one of this version of napari-acll."
        )
    return session if magic else 0


def _open(name: str, address: str) -> SharedMemory | None:
    try:
        return open_segment(name)
    except FileNotFoundError:
        return None
    except ValueError:  # is being made
        return None
    except OSError as error:
        raise RecordingError(
            f"Cannot read the shared memory of {address} ({reason_of(error)}); run napari-acll"
            " and the microscope's software as the same user."
        ) from error
