"""Sends the volumes of a NIS-Elements job to napari-acll, through shared memory of the same PC.

Paste all of this into a Python task of JOBS that follows the capture of a Z stack, on the same
level, so that it is run once per volume. Set the five values below for your rig, start the job,
and start napari-acll with the address `shm:acll`. See docs/how-to/nis-jobs.md.

NIS-Elements waits while a volume is copied (about 0.05 s for 200 MB) and for nothing else.
Whatever goes wrong here is printed to its log, and the acquisition goes on; the volume is then a
lost one.
"""

import contextlib

# NIS-Elements wants exactly this form
import limjob

NAME = "acll"
CHANNEL_NAMES = ("GCaMP", "mNeptune")  # in the order of the components of the image
VOXEL_SIZE_UM = (0.54, 0.18, 0.18)  # z, y, x
PERIOD_S = 0.6  # from one volume to the next
N_SLOTS = 4  # volumes that wait for a reader that is late; each takes its size of memory

# ---- from here to the next such line: napari_acll/sources/_volume_ring.py, word for word ----
"""A ring of volumes in shared memory: its layout and its writer.

Nothing but the standard library and NumPy is used, so that another program can take this file as
it is; `examples/nis_jobs_sender.py` holds it word for word. All numbers are little-endian words of
8 bytes. A sender called `NAME` makes two segments:

* `NAME`, 4096 bytes, says which session is the newest: the words magic, version, session.
* `NAME-SESSION`, the session as 8 hex digits, holds one recording: a page that begins with the
  words of `Word`, with a description as JSON from byte 512 on, and then the slots. A slot begins
  with the words of `SlotWord`; from byte 64 on follow the time of each slice (float64, s; NaN if
  unknown) and one byte per slice that says whether it is missing; the counts (Z, Y, X, C) begin
  on the next page.

Volume k, counted from 0 as it was written, is in slot k % N_SLOTS. The slot's sequence number is
2 k + 1 while it is being written and 2 k + 2 afterwards: who copied a volume and finds the number
as it was before has a whole one.
"""

import json
import os
import secrets
import shutil
import sys
import time
from collections.abc import Sequence
from enum import IntEnum
from multiprocessing.shared_memory import SharedMemory

import numpy as np
from numpy.typing import DTypeLike, NDArray

MAGIC = int.from_bytes(b"ACLLRING", "little")
VERSION = 1
PAGE = 4096
TEXT_AT = 512
TIMES_AT = 64
_LINUX_MEMORY = "/dev/shm"  # noqa: S108


class Word(IntEnum):
    """Words at the beginning of a recording; a control segment has the first three."""

    MAGIC = 0
    VERSION = 1
    SESSION = 2
    N_SLOTS = 3
    SLOT_BYTES = 4
    TEXT_BYTES = 5
    HEAD = 6
    """Volumes that were written."""
    HEARTBEAT = 7
    """Changes whenever the writer does something."""
    IS_FINISHED = 8


class SlotWord(IntEnum):
    """Words at the beginning of a slot."""

    SEQUENCE = 0
    INDEX = 1


def counts_offset(n_z: int) -> int:
    """Return the bytes from the beginning of a slot to its counts."""
    return -(-(TIMES_AT + 9 * n_z) // PAGE) * PAGE


def slot_bytes(shape: Sequence[int], dtype: DTypeLike) -> int:
    """Return the bytes of one slot; `shape` is `(Z, Y, X, C)`."""
    n_bytes = int(np.prod(shape, dtype=np.int64)) * np.dtype(dtype).itemsize
    return counts_offset(shape[0]) + -(-n_bytes // PAGE) * PAGE


def session_name(name: str, session: int) -> str:
    """Return the name of the segment that holds one recording."""
    return f"{name}-{session:08x}"


def open_segment(name: str, n_bytes: int = 0) -> SharedMemory:
    """Return a segment: a new one of some bytes, or the one that is there.

    Before Python 3.13 every process that opens a segment removes it when it ends, whoever made
    it; this one does not.

    Raises
    ------
    FileNotFoundError
        If there is none.
    FileExistsError
        If there is one and a new one is asked for.
    PermissionError
        If it belongs to another user.
    ValueError
        If it is being made at this moment.
    """
    if sys.version_info >= (3, 13):
        return SharedMemory(name, create=n_bytes > 0, size=n_bytes, track=False)
    segment = SharedMemory(name, create=n_bytes > 0, size=n_bytes)
    if os.name == "posix":
        from multiprocessing import resource_tracker

        resource_tracker.unregister(f"/{segment.name}", "shared_memory")
    return segment


def buffer_of(segment: SharedMemory) -> memoryview:
    """Return the bytes of a segment.

    Raises
    ------
    ValueError
        If it is closed.
    """
    if segment.buf is None:
        raise ValueError(f"Shared memory {segment.name!r} is closed.")
    return segment.buf


def remove_segment(name: str) -> None:
    """Remove a segment, if there is one; who has it open keeps it. Windows does so by itself."""
    try:
        segment = open_segment(name)
    except (OSError, ValueError):
        return
    if sys.version_info < (3, 13) and os.name == "posix":
        from multiprocessing import resource_tracker

        resource_tracker.register(f"/{segment.name}", "shared_memory")  # unlink takes it back
    segment.close()
    segment.unlink()


class VolumeRingWriter:
    """Offers the volumes of one recording to other processes of this machine.

    The newest `n_slots` volumes are there for everybody who reads; nobody is waited for. A new
    writer of the same name takes over from an older one, also from one that was killed.

    Parameters
    ----------
    name : str
        At most 20 letters, digits, `.`, `_` or `-`; the address is then `shm:NAME`.
    shape : tuple of int
        `(Z, Y, X, C)`.
    channel_names : sequence of str
        One for each channel.
    dtype : dtype
        uint8, uint16 or uint32.
    voxel_size_um : tuple of float, optional
        `(Z, Y, X)`.
    period_s : float, optional
        Time from one volume to the next.
    n_volumes : int, optional
        Planned length of the recording.
    n_slots : int
        Volumes that are kept; 4 are 2.4 s at 0.6 s and 786 MB at 966 x 636 x 80 x 2.

    Raises
    ------
    ValueError
        If the names do not fit the channels, or something else uses the name.
    MemoryError, OSError
        If the system cannot give so much shared memory.
    """

    def __init__(
        self,
        name: str,
        *,
        shape: Sequence[int],
        channel_names: Sequence[str],
        dtype: DTypeLike = "uint16",
        voxel_size_um: Sequence[float] | None = None,
        period_s: float | None = None,
        n_volumes: int | None = None,
        n_slots: int = 4,
    ) -> None:
        self._shape = tuple(int(n) for n in shape)
        self._dtype = np.dtype(dtype)
        if len(self._shape) != 4 or len(channel_names) != self._shape[3]:
            raise ValueError(
                f"Expected a shape (Z, Y, X, C) and C channel names, got {self._shape} and"
                f" {list(channel_names)}."
            )
        self._n_slots = n_slots
        self._slot_bytes = slot_bytes(self._shape, self._dtype)
        self._session = secrets.randbelow(2**32 - 1) + 1
        self._name, self._n_written, self._next_index = name, 0, 0
        self._began_s: float | None = None
        about = {
            "shape": self._shape[:3],
            "dtype": self._dtype.name,
            "channel_names": list(channel_names),
            "voxel_size_um": voxel_size_um,
            "period_s": period_s,
            "n_volumes": n_volumes,
        }
        self._words: memoryview | None = None
        self._ring: SharedMemory | None = None
        self._control: SharedMemory | None = _open_control(name)
        try:
            self._words = self._make_ring(json.dumps(about).encode())
            _announce(self._control, self._session)
        except BaseException:
            self.close()
            raise

    def _make_ring(self, text: bytes) -> memoryview:
        if TEXT_AT + len(text) > PAGE:
            raise ValueError(f"The names of the channels are too long ({len(text)} bytes).")
        n_bytes = PAGE + self._n_slots * self._slot_bytes
        _require_space(n_bytes)
        self._ring = open_segment(session_name(self._name, self._session), n_bytes)
        ring = buffer_of(self._ring)
        ring[TEXT_AT : TEXT_AT + len(text)] = text
        words = ring.cast("Q")
        words[Word.VERSION] = VERSION
        words[Word.SESSION] = self._session
        words[Word.N_SLOTS] = self._n_slots
        words[Word.SLOT_BYTES] = self._slot_bytes
        words[Word.TEXT_BYTES] = len(text)
        words[Word.MAGIC] = MAGIC
        return words

    def write(
        self,
        stack: NDArray[np.unsignedinteger],
        *,
        index: int | None = None,
        time_s: float | None = None,
        slice_times_s: Sequence[float] | None = None,
        missing_z: Sequence[int] = (),
    ) -> None:
        """Offer one volume; takes as long as copying it does.

        Parameters
        ----------
        stack : ndarray, shape (Z, Y, X, C)
            Raw counts.
        index : int, optional
            Number of the volume as the microscope counts it; None: one after the last.
        time_s : float, optional
            Time of the first slice, in s from the start of the recording; None: measured from
            the first volume on.
        slice_times_s : sequence of float, optional
            Time of each slice.
        missing_z : sequence of int
            Slices without data.

        Raises
        ------
        ValueError
            If the volume is not like the first, or the writer is closed.
        """
        if self._words is None or self._ring is None:
            raise ValueError("The writer is closed; make a new one for the next recording.")
        if stack.shape != self._shape or stack.dtype != self._dtype:
            raise ValueError(
                f"Expected {self._shape} {self._dtype}, got {stack.shape} {stack.dtype}."
            )
        times_s = self._times_s(time_s, slice_times_s)
        index = self._next_index if index is None else index
        at = PAGE + (self._n_written % self._n_slots) * self._slot_bytes
        words, first_word = self._words, at // 8
        words[first_word + SlotWord.SEQUENCE] = 2 * self._n_written + 1
        words[Word.HEARTBEAT] += 1
        words[first_word + SlotWord.INDEX] = index
        _fill_slot(buffer_of(self._ring), at, stack, times_s, missing_z)
        words[first_word + SlotWord.SEQUENCE] = 2 * self._n_written + 2
        self._n_written, self._next_index = self._n_written + 1, index + 1
        words[Word.HEAD] = self._n_written
        words[Word.HEARTBEAT] += 1

    def _times_s(
        self, time_s: float | None, slice_times_s: Sequence[float] | None
    ) -> NDArray[np.float64]:
        now_s = time.perf_counter()
        self._began_s = now_s if self._began_s is None else self._began_s
        if slice_times_s is not None:
            return np.asarray(slice_times_s, np.float64)
        times_s = np.full(self._shape[0], np.nan)
        times_s[0] = now_s - self._began_s if time_s is None else time_s
        return times_s

    @property
    def session(self) -> int:
        """Random number of this recording."""
        return self._session

    def skip(self, n_volumes: int = 1) -> None:
        """Say that volumes are lost: the next one has an index that is so much higher."""
        self._next_index += n_volumes

    def finish(self) -> None:
        """Tell the readers that the recording is over; what is in the ring can still be read."""
        if self._words is not None:
            self._words[Word.IS_FINISHED] = 1

    def close(self) -> None:
        """Finish, and give the memory back; may be called twice.

        Who reads already can read to the end, but nobody else: call it when the next recording
        begins, or some time after `finish`.
        """
        self.finish()
        if self._words is not None:
            self._words.release()
            self._words = None
        if self._ring is not None:
            self._ring.close()
            self._ring = None
            remove_segment(session_name(self._name, self._session))
        if self._control is not None:
            is_ours = _announced(self._control) in (0, self._session)
            self._control.close()
            self._control = None
            if is_ours:
                remove_segment(self._name)

    def __enter__(self) -> "VolumeRingWriter":
        return self

    def __exit__(self, *_error: object) -> None:
        self.close()


def _require_space(n_bytes: int) -> None:
    # Linux gives more than it has, and ends the process that uses it
    try:
        free = shutil.disk_usage(_LINUX_MEMORY).free
    except OSError:  # another system
        return
    if free < n_bytes:
        raise MemoryError(
            f"{n_bytes / 1e6:.0f} MB of shared memory are needed and {free / 1e6:.0f} MB are free;"
            " use fewer slots, or make /dev/shm larger."
        )


def _fill_slot(
    ring: memoryview,
    at: int,
    stack: NDArray[np.unsignedinteger],
    times_s: NDArray[np.float64],
    missing_z: Sequence[int],
) -> None:
    n_z = stack.shape[0]
    np.ndarray(n_z, "<f8", ring, at + TIMES_AT)[:] = times_s
    is_missing = np.ndarray(n_z, np.uint8, ring, at + TIMES_AT + 8 * n_z)
    is_missing[:] = 0
    is_missing[list(missing_z)] = 1
    np.copyto(np.ndarray(stack.shape, stack.dtype, ring, at + counts_offset(n_z)), stack)


def _open_control(name: str) -> SharedMemory:
    """Return the control segment; the recording of a writer before us is removed."""
    try:
        control = open_segment(name, PAGE)
    except FileExistsError:
        control = open_segment(name)
        session = _announced(control)
        if session is None:
            control.close()
            raise ValueError(f"Shared memory {name!r} is used by another program.") from None
        remove_segment(session_name(name, session))
    return control


def _announced(control: SharedMemory) -> int | None:
    """Return the newest session, 0 if there is none yet, None if this is no control segment."""
    if control.size < PAGE:
        return None
    with buffer_of(control).cast("Q") as words:
        if words[Word.MAGIC] not in (0, MAGIC):
            return None
        return words[Word.SESSION] if words[Word.MAGIC] else 0


def _announce(control: SharedMemory, session: int) -> None:
    with buffer_of(control).cast("Q") as words:
        words[Word.VERSION] = VERSION
        words[Word.SESSION] = session
        words[Word.MAGIC] = MAGIC


# ---- from here on: what NIS-Elements calls ----

MOST_MESSAGES = 20


class JobSender:
    """Sends volume after volume; whatever fails is printed, never raised."""

    def __init__(self) -> None:
        self._writer = None
        self._n_seen = 0
        self._n_failed = 0

    def send(self, imgs: Sequence[object]) -> None:
        """Send what one call of the task got."""
        index, self._n_seen = self._n_seen, self._n_seen + 1
        try:
            stack = stack_of(imgs)
            if self._writer is None:
                self._writer = new_writer(stack)
            self._writer.write(stack, index=index)
        except Exception as error:  # noqa: BLE001  the acquisition goes on, whatever happened
            self._report(index, error)

    def finish(self) -> None:
        """Tell napari-acll that the recording is over."""
        if self._writer is not None:
            self._writer.finish()

    def close(self) -> None:
        """Give the memory back."""
        if self._writer is not None:
            self._writer.close()

    def _report(self, index: int, error: Exception) -> None:
        self._n_failed += 1
        if self._n_failed <= MOST_MESSAGES:
            with contextlib.suppress(Exception):  # NIS-Elements may have no place to print to
                print(f"napari-acll: volume {index} was not sent: {type(error).__name__}: {error}")


def stack_of(imgs: Sequence[object]) -> NDArray[np.unsignedinteger]:
    """Return one volume (Z, Y, X, C); images of several captures are its channels."""
    if not imgs:
        raise ValueError("no image came; put the task right behind the capture of the Z stack")
    stacks = [image.array() for image in imgs]
    stack = stacks[0] if len(stacks) == 1 else np.concatenate(stacks, axis=3)
    if stack.ndim != 4 or stack.shape[0] < 2:
        raise ValueError(f"{stack.shape} is no Z stack; put the task behind the Z loop")
    return stack


def new_writer(stack: NDArray[np.unsignedinteger]) -> VolumeRingWriter:
    """Return a writer for volumes like this one."""
    return VolumeRingWriter(
        NAME,
        shape=stack.shape,
        dtype=stack.dtype,
        channel_names=CHANNEL_NAMES,
        voxel_size_um=VOXEL_SIZE_UM,
        period_s=PERIOD_S,
        n_slots=N_SLOTS,
    )


# the module `limjob` lives as long as NIS-Elements does, this one as long as the job
with contextlib.suppress(Exception):
    limjob.acll_sender.close()
sender = limjob.acll_sender = JobSender()


def run(
    imgs: tuple[limjob.Image],
    Job: limjob.JobParam,
    macro: limjob.MacroParam,
    ctx: limjob.RunContext,
) -> None:
    """Send one volume; NIS-Elements calls this."""
    sender.send(imgs)
