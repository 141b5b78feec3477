"""What every way of handing volumes over has in common, and the two that write files."""

import contextlib
import os
from collections import deque
from pathlib import Path
from typing import Protocol

from napari_acll.core import RecordingError
from napari_acll.rig._clock import RigClock
from napari_acll.rig._faults import VolumeFaults
from napari_acll.rig._film import Film
from napari_acll.rig._holes import free_part, make_sparse
from napari_acll.simulate import BLOCK_HEAD_BYTES, Nd2Channel, Nd2Writer

CHANNELS = (
    Nd2Channel(name="GCaMP", emission_nm=525.0, color_rgb=(0, 255, 0)),
    Nd2Channel(name="TagRFP", emission_nm=610.0, color_rgb=(255, 0, 0)),
)
"""In the order of a film."""

_START_JULIAN_DAY = 2_460_000.5
_S_PER_DAY = 86_400.0


class Route(Protocol):
    """A way from the microscope to the reader.

    Attributes
    ----------
    address : str
        What the reader is given.
    """

    address: str

    def play(self, index: int, faults: VolumeFaults) -> None:
        """Hand a volume over, each part when it is due."""

    def leave_out(self, index: int) -> None:
        """Pass over a volume; its time has passed already."""

    def finish(self, *, is_crash: bool) -> None:
        """End the recording, as a crash would if it is one; may be called twice."""


class GrowingNd2Route:
    """One ND2 file that grows frame by frame.

    Behind the newest volumes the pixels of older ones are given back to the disk. The heads of
    their frames stay, so that a reader that comes late finds its way to what is there.

    Parameters
    ----------
    path : Path
        File to write.
    film : Film
        What is shown.
    clock : RigClock
        When.
    n_volumes : int
        Planned length.
    n_kept : int or None
        Volumes whose pixels are kept; None: all.
    """

    def __init__(
        self, path: Path, film: Film, clock: RigClock, *, n_volumes: int, n_kept: int | None
    ) -> None:
        self.address = str(path)
        self._path, self._film, self._clock = path, film, clock
        n_z = film.info.shape[0]
        self._writer = _new_writer(path, film, clock, {"T": n_volumes, "Z": n_z})
        self._player = _FramePlayer(self._writer, film, clock)
        self._behind = None if n_kept is None else _Behind(path, n_kept * n_z)

    def play(self, index: int, faults: VolumeFaults) -> None:
        """Write the frames of a volume, each when it was exposed."""
        n_z = self._film.info.shape[0]
        for z in range(n_z // 2 if faults.is_crash else n_z):
            start = self._writer.position
            self._player.write(index, z, faults, time_s=self._clock.frame_time_s(index, z))
            if self._behind is not None and self._writer.position > start:
                self._behind.add(start + BLOCK_HEAD_BYTES, self._writer.position)

    def leave_out(self, index: int) -> None:  # noqa: ARG002  the file counts by itself
        """Count a volume that is not there."""
        self._writer.skip_frames(self._film.info.shape[0])

    def finish(self, *, is_crash: bool) -> None:
        """Write the list of all frames, without which the file looks broken off."""
        if self._behind is not None:
            self._behind.close()
        if is_crash:
            self._writer.abandon()
        else:
            self._writer.close()


class Nd2FolderRoute:
    """A folder with one ND2 file per volume; older ones are deleted.

    Parameters
    ----------
    folder : Path
        Folder to make.
    film : Film
        What is shown.
    clock : RigClock
        When.
    n_kept : int or None
        Files that are kept; None: all.
    """

    def __init__(self, folder: Path, film: Film, clock: RigClock, *, n_kept: int | None) -> None:
        self.address = str(folder)
        self._folder, self._film, self._clock = folder, film, clock
        self._n_kept = n_kept
        self._written: deque[Path] = deque()
        self._late: dict[int, float] = {}
        try:
            folder.mkdir(parents=True)
        except FileExistsError as error:
            raise RecordingError(f"{folder} exists already; choose another name.") from error
        except OSError as error:
            raise RecordingError(f"Cannot make {folder} ({error.strerror}).") from error

    def play(self, index: int, faults: VolumeFaults) -> None:
        """Write a volume frame by frame; those that are late come when their time has come."""
        if faults.late_s:
            self._clock.wait_until(self._clock.frame_time_s(index + 1, 0))
            self._late[index] = self._clock.now_s() + faults.late_s
        else:
            self._write(index, faults)
        self._catch_up(self._clock.now_s())

    def leave_out(self, index: int) -> None:
        """Leave a gap in the numbers."""

    def finish(self, *, is_crash: bool) -> None:
        """Write what is late."""
        if not is_crash:
            self._catch_up(float("inf"))

    def _catch_up(self, now_s: float) -> None:
        for index in [index for index, due_s in self._late.items() if due_s <= now_s]:
            del self._late[index]
            self._write(index, VolumeFaults())

    def _write(self, index: int, faults: VolumeFaults) -> None:
        self._delete_oldest()
        path = self._folder / f"{self._folder.name}_t{index + 1:04d}.nd2"
        n_z = self._film.info.shape[0]
        start_day = _START_JULIAN_DAY + index * self._clock.period_s / _S_PER_DAY
        writer = _new_writer(path, self._film, self._clock, {"Z": n_z}, start_day=start_day)
        player = _FramePlayer(writer, self._film, self._clock)
        for z in range(n_z // 2 if faults.is_crash else n_z):
            player.write(index, z, faults, time_s=z * self._clock.slice_s)
        if faults.is_crash:
            writer.abandon()
        else:
            writer.close()
        self._written.append(path)

    def _delete_oldest(self) -> None:
        if self._n_kept is not None and len(self._written) > self._n_kept:
            with contextlib.suppress(OSError):  # open in a reader that lets nobody delete it
                self._written.popleft().unlink(missing_ok=True)


class _FramePlayer:
    """Writes the frames of a film when they are due, from one piece of memory."""

    def __init__(self, writer: Nd2Writer, film: Film, clock: RigClock) -> None:
        self._writer, self._film, self._clock = writer, film, clock
        self._block = writer.new_block()
        self._pixels = memoryview(self._block)[BLOCK_HEAD_BYTES:]

    def write(self, index: int, z: int, faults: VolumeFaults, *, time_s: float) -> None:
        self._film.read_frame_into(self._film.shown(index), z, self._pixels)
        self._clock.wait_for_frame(index, z)
        if z in faults.dropped_z:
            self._writer.skip_frames(1)
        elif z in faults.corrupt_z:
            self._writer.append_damage(self._block)
        elif faults.half_s and z == self._film.info.shape[0] // 2:
            until_s = self._clock.now_s() + faults.half_s
            self._writer.append_block(
                self._block, time_s, halfway=lambda: self._clock.wait_until(until_s)
            )
        else:
            self._writer.append_block(self._block, time_s)


class _Behind:
    """Gives back the space of frames, once enough others were written after them."""

    def __init__(self, path: Path, n_kept: int) -> None:
        self._n_kept = n_kept
        self._kept: deque[tuple[int, int]] = deque()
        self._descriptor = os.open(path, os.O_RDWR | getattr(os, "O_BINARY", 0))
        make_sparse(self._descriptor)

    def add(self, start: int, stop: int) -> None:
        self._kept.append((start, stop))
        if len(self._kept) > self._n_kept:
            start, stop = self._kept.popleft()
            free_part(self._descriptor, start, stop - start)

    def close(self) -> None:
        with contextlib.suppress(OSError):  # twice
            os.close(self._descriptor)
            self._descriptor = -1


def _new_writer(
    path: Path,
    film: Film,
    clock: RigClock,
    loops: dict[str, int],
    *,
    start_day: float = _START_JULIAN_DAY,
) -> Nd2Writer:
    return Nd2Writer(
        path,
        frame_shape=film.info.shape[1:],
        channels=CHANNELS,
        loops=loops,
        voxel_size_um=film.info.voxel_size_um,
        period_s=clock.period_s,
        start_julian_day=start_day,
    )
