"""Watches how a microscope writes an ND2 file, and reports it; pixels do not leave the machine."""

import platform
import threading
import time
import zlib
from collections import Counter, deque
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from napari_acll.core import RecordingError
from napari_acll.sources._errors import reason_of
from napari_acll.sources._nd2_head import ATTRIBUTES, HEAD_CHUNKS, Nd2Head, fitting_pixels
from napari_acll.sources._nd2_head import read_head as read_nd2_head
from napari_acll.sources._nd2_tail import FRAME_TIME, Nd2Tail, TailChunk

_FORMAT = 1
_MOST_SAMPLES = 2000
_MOST_CHUNKS = 500
_LARGEST_HEAD_CHUNK = 2**24
_RECHECK_AFTER = 4
_ALL_CHECKED = 200
_CHECKED_EVERY = 16
_QUANTILES = {"p5": 0.05, "median": 0.5, "p95": 0.95, "max": 1.0}
_MS_PER_S = 1000.0


class Nd2Probe:
    """One recording, watched read-only from before its beginning to its end.

    Parameters
    ----------
    path : Path
        The file that the microscope is going to write, or writes.
    poll_ms : float
        Time between two looks.

    Examples
    --------
    >>> probe = Nd2Probe(Path("a recording that nobody makes.nd2"))
    >>> probe.watch(start_timeout_s=0.01, idle_timeout_s=1.0)
    'nothing came'
    >>> probe.report()["opened_after_s"] is None
    True
    """

    def __init__(self, path: Path, *, poll_ms: float = 3.0) -> None:
        self._path = path
        self._poll_s = poll_ms / _MS_PER_S
        self._began_s = time.monotonic()
        self._closed = threading.Event()
        self._refusals: Counter[str] = Counter()
        self._opened_s: float | None = None
        self._sizes = _Sizes()
        self._chunks: list[dict[str, object]] = []
        self._head: dict[bytes, bytes] = {}
        self._head_at_first_frame: dict[bytes, bytes] = {}
        self._frames = _Frames()
        self._first_frame: TailChunk | None = None
        self._end = "not watched"
        self._ended_s: float | None = None
        self._n_resyncs = self._n_skipped_bytes = 0

    def watch(self, *, start_timeout_s: float, idle_timeout_s: float) -> str:
        """Watch to the end of the recording and return what that was.

        Parameters
        ----------
        start_timeout_s : float
            How long the file is waited for.
        idle_timeout_s : float
            Silence after which it is taken to be over.

        Raises
        ------
        RecordingError
            If the file is no ND2 file.
        """
        self._end = "stopped by the user"
        tail = self._wait_for_file(start_timeout_s)
        if tail is None:
            if not self._closed.is_set():
                self._end = "nothing came"
            return self._end
        try:
            self._end = self._follow(tail, idle_timeout_s)
        except RecordingError as error:
            if not self._chunks:
                raise
            self._end = f"error: {error}"
        finally:
            self._ended_s = self._now_s()
            self._n_resyncs, self._n_skipped_bytes = tail.n_resyncs, tail.n_skipped_bytes
            tail.close()
        return self._end

    def stop(self) -> None:
        """End the watching; may be called from another thread."""
        self._closed.set()

    def report(self) -> dict[str, object]:
        """Return what was seen, as JSON values; times in s from the beginning of the watching."""
        head = self._read_head(self._head_at_first_frame)
        return {
            "format": _FORMAT,
            "system": f"{platform.system()} {platform.release()}, Python"
            f" {platform.python_version()}",
            "file": self._path.name,
            "end": self._end,
            "ended_after_s": _rounded(self._ended_s),
            "opened_after_s": _rounded(self._opened_s),
            "refusals": dict(self._refusals),
            "size": self._sizes.summary(),
            "frames": self._frames.summary(),
            "geometry": self._geometry(head),
            "attributes_before_frames": ATTRIBUTES in self._head_at_first_frame,
            "attributes_at_all": ATTRIBUTES in self._head,
            "n_resyncs": self._n_resyncs,
            "n_skipped_bytes": self._n_skipped_bytes,
            "chunks": self._chunks,
            "sizes": self._sizes.samples,
        }

    def _now_s(self) -> float:
        return time.monotonic() - self._began_s

    def _wait_for_file(self, timeout_s: float) -> Nd2Tail | None:
        while not self._closed.is_set():
            try:
                tail = Nd2Tail(self._path)
            except OSError as error:
                self._refusals[_kind_of(error)] += 1
            else:
                self._opened_s = self._now_s()
                return tail
            if self._now_s() > timeout_s:
                return None
            self._closed.wait(self._poll_s)
        return None

    def _follow(self, tail: Nd2Tail, idle_timeout_s: float) -> str:
        last_s, n_bytes = self._now_s(), -1
        while not self._closed.is_set():
            chunk = self._next(tail)
            size = self._look_at_size(tail)
            if chunk is not None:
                self._take(tail, chunk)
            if tail.is_finished:
                return "finished by the microscope's software"
            if chunk is not None or size != n_bytes:
                last_s, n_bytes = self._now_s(), size
            elif self._now_s() - last_s > idle_timeout_s:
                tail.check_identity()
                return f"silence of {idle_timeout_s:g} s"
            if chunk is None:
                self._closed.wait(self._poll_s)
        return "stopped by the user"

    def _next(self, tail: Nd2Tail) -> TailChunk | None:
        try:
            return tail.next_chunk()
        except OSError as error:
            self._refusals[_kind_of(error)] += 1
            return None

    def _look_at_size(self, tail: Nd2Tail) -> int:
        n_bytes = tail.size()
        try:
            listed = self._path.stat().st_size
        except OSError:
            listed = -1
        self._sizes.add(self._now_s(), n_bytes, listed, tail.position)
        return n_bytes

    def _take(self, tail: Nd2Tail, chunk: TailChunk) -> None:
        self._list(chunk)
        if chunk.frame is not None:
            if self._first_frame is None:
                self._first_frame, self._head_at_first_frame = chunk, dict(self._head)
            self._frames.add(tail, chunk, self._now_s())
        elif chunk.name in HEAD_CHUNKS and chunk.n_bytes <= _LARGEST_HEAD_CHUNK:
            self._head[chunk.name] = tail.payload(chunk)

    def _list(self, chunk: TailChunk) -> None:
        """Keep the order of the chunks; frames that follow each other are one entry."""
        last = self._chunks[-1] if self._chunks else {}
        if chunk.frame is not None and last.get("last_frame") == chunk.frame - 1:
            last["last_frame"] = chunk.frame
            return
        if len(self._chunks) >= _MOST_CHUNKS:
            return
        entry: dict[str, object] = {
            "name": chunk.name.decode("ascii", "replace"),
            "offset": chunk.offset,
            "n_bytes": chunk.n_bytes,
            "seen_after_s": _rounded(self._now_s()),
        }
        if chunk.frame is not None:
            entry |= {"first_frame": chunk.frame, "last_frame": chunk.frame}
        self._chunks.append(entry)

    def _read_head(self, chunks: dict[bytes, bytes]) -> Nd2Head | str:
        try:
            return read_nd2_head(chunks, recording=self._path.name)
        except RecordingError as error:
            return str(error)

    def _geometry(self, head: Nd2Head | str) -> dict[str, object]:
        if isinstance(head, str) or self._first_frame is None:
            return {"error": head if isinstance(head, str) else "no frames"}
        n_bytes = self._first_frame.n_bytes - FRAME_TIME.size
        pixels = fitting_pixels(head, head.sizes, n_bytes)
        final = self._read_head(self._head)
        told = () if isinstance(final, str) else final.sizes[:1]
        return {
            "frame_bytes": n_bytes,
            "n_components": head.n_components,
            "channels": [channel.name for channel in head.info.channels],
            "loops": [f"{loop.axis}{loop.count}" for loop in head.info.loops],
            "loop_period_s": head.info.loop_period_s,
            "voxel_size_um": list(head.info.voxel_size_um),
            "sizes_in_head": [[size.height, size.width] for size in head.sizes],
            "size_by_head": None if pixels is None else [pixels.height, pixels.width],
            "size_at_end": [[size.height, size.width] for size in told if size.bits],
        }


class _Sizes:
    """The size of the file against time, thinned out so that it stays short."""

    def __init__(self) -> None:
        self.samples: list[list[float]] = []
        self._n_skipped = 0
        self._every = 1
        self._last: tuple[int, int] | None = None
        self._most_ahead = 0
        self._most_listed_lag = 0
        self._n_looks = 0

    def add(self, at_s: float, n_bytes: int, listed: int, position: int) -> None:
        """Keep a look at the size by handle and by folder, and how far chunks are complete."""
        self._n_looks += 1
        self._most_ahead = max(self._most_ahead, n_bytes - position)
        if listed >= 0:
            self._most_listed_lag = max(self._most_listed_lag, n_bytes - listed)
        if (n_bytes, listed) == self._last:
            return
        self._last = n_bytes, listed
        self._n_skipped += 1
        if self._n_skipped >= self._every:
            self._n_skipped = 0
            self.samples.append([round(at_s, 4), n_bytes, listed, position])
        if len(self.samples) > _MOST_SAMPLES:
            del self.samples[1::2]
            self._every *= 2

    def summary(self) -> dict[str, object]:
        """Return the sizes in short."""
        return {
            "n_looks": self._n_looks,
            "last_bytes": int(self.samples[-1][1]) if self.samples else 0,
            "most_bytes_ahead_of_chunks": self._most_ahead,
            "most_bytes_that_the_folder_lags": self._most_listed_lag,
        }


class _Frames:
    """When frames came, and whether they were whole when they did."""

    def __init__(self) -> None:
        self._numbers: list[int] = []
        self._times_ms: list[float] = []
        self._seen_s: list[float] = []
        self._lengths: Counter[int] = Counter()
        self._n_followed = 0
        self._unchecked: deque[tuple[TailChunk, int]] = deque()
        self._n_checked = 0
        self._n_rewritten = 0

    def add(self, tail: Nd2Tail, chunk: TailChunk, seen_s: float) -> None:
        """Keep when a frame came; look again later whether it was whole."""
        content = tail.payload(chunk)
        self._numbers.append(chunk.frame or 0)
        self._times_ms.append(FRAME_TIME.unpack_from(content)[0])
        self._seen_s.append(seen_s)
        self._lengths[chunk.n_bytes] += 1
        self._n_followed += chunk.is_followed
        n_frames = len(self._numbers)
        if n_frames <= _ALL_CHECKED or n_frames % _CHECKED_EVERY == 0:
            self._unchecked.append((chunk, zlib.crc32(content)))
        if len(self._unchecked) > _RECHECK_AFTER:
            earlier, checksum = self._unchecked.popleft()
            self._n_checked += 1
            self._n_rewritten += zlib.crc32(tail.payload(earlier)) != checksum

    def summary(self) -> dict[str, object]:
        """Return intervals and delays in short."""
        times_ms, seen_ms = np.array(self._times_ms), np.array(self._seen_s) * _MS_PER_S
        are_times = bool(len(times_ms) > 1 and np.isfinite(times_ms).all())
        delays_ms = seen_ms - times_ms if are_times else np.empty(0)
        return {
            "n_frames": len(self._numbers),
            "n_numbers_out_of_order": int((np.diff(self._numbers) != 1).sum()),
            "lengths": {str(length): count for length, count in self._lengths.most_common(5)},
            "interval_by_file_ms": _quantiles(np.diff(times_ms) if are_times else ()),
            "interval_as_seen_ms": _quantiles(np.diff(seen_ms)),
            "delay_beyond_the_least_ms": _quantiles(
                delays_ms - delays_ms.min() if len(delays_ms) else ()
            ),
            "times_go_back": int((np.diff(times_ms) < 0).sum()) if are_times else None,
            "times_are_constant": bool(are_times and np.ptp(times_ms) == 0),
            "n_known_whole_by_their_end_only": len(self._numbers) - self._n_followed,
            "n_looked_at_again": self._n_checked,
            "n_changed_after_they_seemed_whole": self._n_rewritten,
        }


def _quantiles(
    values: "np.ndarray[tuple[int, ...], np.dtype[np.float64]] | Sequence[float]",
) -> dict[str, float] | None:
    if not len(values):
        return None
    return {name: round(float(np.quantile(values, q)), 3) for name, q in _QUANTILES.items()}


def _rounded(seconds: float | None) -> float | None:
    return None if seconds is None else round(seconds, 4)


def _kind_of(error: OSError) -> str:
    code = getattr(error, "winerror", None) or error.errno
    return f"{type(error).__name__} {code}: {reason_of(error).split(': ')[0]}"
