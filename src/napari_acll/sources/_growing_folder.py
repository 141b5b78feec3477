"""Follows a folder that a microscope is filling with one file per volume."""

import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from napari_acll.core import NotBegunError, RecordingError, SourceSettings, Volume, VolumeSpec
from napari_acll.sources._array_files import is_zarr
from napari_acll.sources._arrivals import Arrivals
from napari_acll.sources._buffer_pool import FRAMES_FREE, VolumeMemory
from napari_acll.sources._folder_given import GivenFiles
from napari_acll.sources._folder_spec import check_geometry, folder_spec
from napari_acll.sources._folder_times import FolderTimes, first_period_s
from napari_acll.sources._folder_watch import FolderWatch
from napari_acll.sources._live_notes import LiveNotes
from napari_acll.sources._outage import Outage
from napari_acll.sources._volume_arrival import VolumeArrival
from napari_acll.sources._volume_files import READERS, FileVolume, read_nd2_volume

_MS_PER_S = 1000.0
_PAUSE_PER_LOOK = 4.0
"""Looking takes no more than a fifth of a core, however many files there are."""


class GrowingFolderSource:
    """A folder that is being filled with one file per volume, in the order of their numbers.

    Takes what `FolderSource` takes. A volume is given once it is complete and nothing before it
    can be waited for any longer; indices count from the first number, and a number that does not
    come is a lost volume. Files may be deleted once they were read. The folder need not be there
    yet; while it cannot be reached, nothing is given up.

    Parameters
    ----------
    folder : Path
        The folder; what it holds already is left out unless `live.takes_existing` is set.
    settings : SourceSettings
        Channels, axes, what overrides the files' own calibration, and how long is waited for
        what.
    """

    is_live = True

    def __init__(self, folder: Path, settings: SourceSettings) -> None:
        self._folder = folder
        self._settings = settings
        self._live = settings.live
        self._notes = LiveNotes()
        self._closed = threading.Event()
        self._lock = threading.Lock()
        self._watch = FolderWatch(folder, takes_existing=self._live.takes_existing)
        self._arrivals = Arrivals(
            self._live,
            n_channels=_n_channel_files(settings),
            tell=self._notes.tell,
            leave_out=self._watch.leave_out,
        )
        self._outage = Outage(folder, self._live.idle_timeout_s, self._notes)
        self._memory = VolumeMemory(most_free=FRAMES_FREE)
        self._spec: VolumeSpec | None = None
        self._dtype: np.dtype[Any] | None = None
        self._times: FolderTimes | None = None
        self._identity: dict[str, object] = {"kind": "folder being filled"}
        self._given = GivenFiles(folder, settings)
        self._first_number = 0
        self._resumed: Mapping[str, object] = {}
        self._held: Volume | None = None
        self._active_s: float | None = None
        self._is_over = False

    @property
    def spec(self) -> VolumeSpec:
        """Geometry and channels as stored; waits for the first volume.

        Raises
        ------
        NotBegunError
            If none comes within `live.start_timeout_s`.
        RecordingError
            If the first one cannot be read, or the source is closed meanwhile.
        """
        if self._spec is None:
            with self._lock:  # which an iteration holds while it waits
                if self._spec is None:
                    self._held = self._wait_for_next()
        if self._spec is None:
            raise RecordingError(
                f"{self._folder} was closed before its first volume came; open it again."
            )
        return self._spec

    @property
    def notes(self) -> Sequence[str]:
        """What the user should know, one sentence each; more come while the recording runs."""
        return tuple(self._notes)

    @classmethod
    def rejects(cls, recording: str) -> str:
        """Return why this cannot be a folder being filled, in one sentence; empty if it can."""
        path = Path(recording)
        if not path.exists():
            is_name = not path.suffix and ":" not in path.name  # no file, no address
            is_coming = is_name and path.absolute().parent.is_dir()
            return "" if is_coming else "there is no such folder"
        if not path.is_dir():
            return "it is not a folder"
        return "it is a Zarr array" if is_zarr(path) else ""

    @classmethod
    def from_recording(cls, recording: str, settings: SourceSettings) -> Self:
        """Follow a folder, from now on."""
        return cls(Path(recording), settings)

    def describe(self) -> Mapping[str, object]:
        """Return what identifies the recording, as JSON values."""
        return {**self._identity, "path": str(self._folder.absolute())}

    def __iter__(self) -> Iterator[Volume]:
        """Yield each volume once, until the recording is over or the source is closed.

        Raises
        ------
        NotBegunError
            If no volume comes within `live.start_timeout_s`.
        RecordingError
            If the first one cannot be read, or the folder cannot be reached for
            `live.idle_timeout_s`.
        """
        while (volume := self._next()) is not None:
            yield volume

    def resume_at(self, index: int, described: Mapping[str, object]) -> None:
        """Take the volume of this index next; those before it were taken by another session."""
        pattern, first = described.get("pattern"), described.get("first_number")
        if isinstance(pattern, list | tuple) and isinstance(first, int):
            kind, is_time_number, name = pattern
            self._arrivals.go_on(
                (str(kind), bool(is_time_number), str(name)), first=first, following=first + index
            )
            self._first_number, self._resumed = first, dict(described)

    def reread(self, index: int) -> Volume | None:
        """Return a volume that was given before once more; None if its files are gone.

        Raises
        ------
        RecordingError
            If it cannot be read.
        """
        number, pattern = index + self._first_number, self._arrivals.pattern
        if self._spec is None or self._times is None or pattern is None or self._dtype is None:
            return None
        found = self._given.read(number, pattern)
        if found is None:
            return None
        stored, written_s = found
        check_geometry(stored, self._spec, self._dtype, recording=f"Volume {index}")
        slice_times_s = self._given.times_s(number)
        if slice_times_s is None:
            slice_times_s = self._times.times_of(index, stored, written_s)
        return _volume(index, stored, self._spec, slice_times_s)

    def close(self) -> None:
        """End a waiting iteration; nothing is open between volumes."""
        self._closed.set()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def _next(self) -> Volume | None:
        with self._lock:
            if self._closed.is_set():
                return None
            held, self._held = self._held, None
            return held or self._wait_for_next()

    def _wait_for_next(self) -> Volume | None:
        while not self._closed.is_set():
            began_s = time.thread_time()
            self._look()
            volume = self._read_ready()
            if volume is not None:
                return volume
            if self._is_over:
                self._tell_end()
                return None
            self._end_if_silent()
            look_s = time.thread_time() - began_s  # computing, not waiting for a share
            pause_s = max(self._live.poll_ms / _MS_PER_S, _PAUSE_PER_LOOK * look_s)
            self._closed.wait(0.0 if self._is_over else pause_s)
        return None

    def _look(self) -> None:
        try:
            found = self._watch.look()
        except OSError as error:
            if self._spec is not None or not isinstance(error, FileNotFoundError):
                self._outage.go_on(error)
            found = None
        else:
            self._outage.end()
        now_s = self._outage.clock_s()
        if self._active_s is None:
            self._active_s = now_s
        if found is not None and self._arrivals.update(found, now_s) and self._spec is not None:
            self._active_s = now_s

    def _end_if_silent(self) -> None:
        silence_s = self._outage.clock_s() - (self._active_s or 0.0)
        if self._spec is None:
            if silence_s >= self._live.start_timeout_s:
                raise NotBegunError(self._why_nothing())
        elif silence_s >= self._live.idle_timeout_s:
            self._is_over = True

    def _why_nothing(self) -> str:
        foreign = sorted(self._watch.foreign)
        seen = f" {foreign[0]} is there but is no volume." if foreign else ""
        return (
            f"No volume came into {self._folder} within {self._live.start_timeout_s:g} s.{seen}"
            " Start the microscope, check that it saves one file per volume there (.nd2, .h5,"
            " .tif, .npy or .nrrd pairs, numbered), or wait longer"
            " (source.live.start_timeout_s)."
        )

    def _read_ready(self) -> Volume | None:
        arrival = self._arrivals.ready(self._outage.clock_s(), is_over=self._is_over)
        if arrival is None:
            return None
        try:
            stored = self._read(arrival)
        except RecordingError as error:
            is_given_up = self._arrivals.fail(
                arrival, error, self._outage.clock_s(), is_over=self._is_over
            )
            if is_given_up and self._spec is None:
                raise
            return None
        index = self._arrivals.take(arrival)
        self._active_s = self._outage.clock_s()
        if self._spec is None or self._times is None:
            self._spec, self._times = self._begin(arrival, stored)
        slice_times_s = self._times.slice_times_s(index, stored, arrival.written_s)
        self._given.add(arrival.number, arrival.paths, slice_times_s)
        return _volume(index, stored, self._spec, slice_times_s, seen_s=arrival.seen_s)

    def _read(self, arrival: VolumeArrival) -> FileVolume:
        is_by_channel = arrival.kind == "nrrd"
        paths = arrival.paths if is_by_channel else tuple(arrival.paths.values())
        if arrival.kind == "nd2":
            files = tuple(arrival.paths.values())
            stored = read_nd2_volume(files, self._settings, memory=self._memory)
        else:
            stored = READERS[arrival.kind](paths, self._settings)
        if self._spec is not None and self._dtype is not None:
            check_geometry(stored, self._spec, self._dtype, recording=arrival.name)
        return stored

    def _begin(self, arrival: VolumeArrival, first: FileVolume) -> tuple[VolumeSpec, FolderTimes]:
        """Take from the first volume what all of them share."""
        if not self._resumed:
            self._first_number = arrival.number
        self._notes.append(first.note)
        period_s = first_period_s(first, self._settings, self._notes)
        spec = folder_spec(first, self._settings, self._notes, period_s=period_s, n_volumes=None)
        self._dtype = first.marker.dtype
        self._identity = {
            "kind": f"folder of {arrival.kind}, read while it was filled",
            "first_number": self._first_number,
            "pattern": list(self._arrivals.pattern or ()),
            "marker_channel": first.marker_channel,
            "activity_channel": first.activity_channel,
        }
        times = FolderTimes(
            first,
            written_s=arrival.written_s,
            settings=self._settings,
            period_s=period_s,
            tell=self._notes.tell,
        )
        times.count_from(self._resumed.get("start_day"), self._resumed.get("start_written_s"))
        self._identity |= times.start
        return spec, times

    def _tell_end(self) -> None:
        self._arrivals.give_up_rest()
        if self._watch.foreign:
            self._notes.tell(
                f"{len(self._watch.foreign)} files are not volumes and were left out, such as"
                f" {min(self._watch.foreign)}."
            )
        self._notes.tell_last(
            f"Nothing new came into {self._folder} for {self._live.idle_timeout_s:g} s; the"
            " recording is taken to be over."
        )


def _volume(
    index: int,
    stored: FileVolume,
    spec: VolumeSpec,
    slice_times_s: NDArray[np.float64],
    *,
    seen_s: float = float("nan"),
) -> Volume:
    return Volume(
        index=index,
        timestamp_s=float(slice_times_s[0]),
        marker=stored.marker,
        activity=stored.activity,
        spec=spec,
        slice_times_s=slice_times_s,
        missing_z=stored.missing_z,
        seen_s=seen_s,
    )


def _n_channel_files(settings: SourceSettings) -> int:
    """Return how many files a volume has where each channel has its own."""
    chosen = [settings.marker_channel or 0, settings.activity_channel or 0]
    return max(1, *chosen) + 1
