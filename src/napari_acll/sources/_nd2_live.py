"""Follows an ND2 file while the microscope writes it."""

import threading
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

from napari_acll.core import NotBegunError, RecordingError, SourceSettings, Volume, VolumeSpec
from napari_acll.sources._awake_clock import AwakeClock
from napari_acll.sources._errors import reason_of
from napari_acll.sources._nd2_names import ExpectedFile, next_part
from napari_acll.sources._nd2_tail import Nd2Tail
from napari_acll.sources._nd2_volumes import Nd2Volumes

_SUFFIX = ".nd2"
_LONGEST_WAIT_S = 0.02  # so that `close` never has to wait for longer
_SHARING_VIOLATION = 32
_EXPERIMENTAL = (
    "Following an ND2 file while NIS-Elements writes it is experimental; run `acll probe` on a"
    " test recording of this rig once."
)


class GrowingNd2Source:
    """An ND2 file that is still being written, volume by volume.

    The file may not exist yet. Frames are put into volumes as they become complete; a volume
    whose slices did not all come is given with zeros there and a list of them. The iteration ends
    when the microscope has finished the file, or with silence. A recording that is split over
    files whose names count up is followed over all of them, if the settings say so.

    Parameters
    ----------
    path : Path
        The file, the first one of a split recording; or a pattern such as `D:/worms/*.nd2`,
        which is the next file that appears.
    settings : SourceSettings
        Channels, slices, what overrides the file's own calibration, and how to wait (`live`).

    Raises
    ------
    RecordingError
        If the file is finished already and existing recordings are not to be taken.
    """

    is_live = True

    def __init__(self, path: Path, settings: SourceSettings) -> None:
        self._path = path
        self._settings = settings
        self._lock = threading.RLock()
        self._closed = threading.Event()
        self._clock = AwakeClock(self._tell)
        self._notes: list[str] = []
        self._part = path
        self._volumes: Nd2Volumes | None = None
        self._following: Nd2Volumes | None = None
        self._following_until_s: float | None = None
        self._spec: VolumeSpec | None = None
        self._n_bytes = 0
        self._silent_since_s = 0.0
        self._is_over = False
        self._refusal = ""
        self._first_wanted = 0
        self._expected = ExpectedFile(path, takes_existing=settings.live.takes_existing)
        if not settings.live.takes_existing and _is_finished(path):
            raise RecordingError(
                f"{path} is finished already; replay it without following it (source.live), or"
                " take what is there too (source.live.takes_existing)."
            )

    @classmethod
    def rejects(cls, recording: str) -> str:
        """Return why this cannot be a growing ND2 file, in one sentence; empty if it can."""
        path = Path(recording)
        if path.suffix.casefold() != _SUFFIX:
            return f"its name does not end in {_SUFFIX}"
        return "it is a folder" if path.is_dir() else ""

    @classmethod
    def from_recording(cls, recording: str, settings: SourceSettings) -> Self:
        """Follow a file, which may not exist yet.

        Raises
        ------
        RecordingError
            See the class.
        """
        return cls(Path(recording), settings)

    @property
    def spec(self) -> VolumeSpec:
        """Geometry and channels as stored; waits for the first frames.

        Raises
        ------
        RecordingError
            If none came for `live.start_timeout_s`, the file cannot be understood, or the source
            was closed.
        """
        spec = self._wait_for_spec()
        if spec is None:
            raise RecordingError(
                f"{self._path} was closed before the recording began; open it again to wait"
                " longer."
            )
        return spec

    @property
    def notes(self) -> Sequence[str]:
        """What the user should know about how the recording is read; grows while it is read."""
        return tuple(self._notes)

    def describe(self) -> Mapping[str, object]:
        """Return what identifies the recording, as JSON values."""
        known = {} if self._volumes is None else self._volumes.describe()
        return {"kind": "growing nd2", "path": str(self._path.absolute()), **known}

    def __iter__(self) -> Iterator[Volume]:
        """Yield the volumes in acquisition order, from where an iteration before this ended.

        Raises
        ------
        RecordingError
            If the recording does not begin for `live.start_timeout_s`, cannot be understood, or
            the file is shortened, deleted or replaced.
        """
        if self._wait_for_spec() is None:
            return
        while (volume := self._next()) is not None:
            yield volume

    def resume_at(self, index: int, described: Mapping[str, object]) -> None:
        """Pass over the volumes before this index, reading no more than their times."""
        del described
        self._first_wanted = index

    def reread(self, index: int) -> Volume | None:
        """Return a volume of the file that is open once more; None if it has none of this index.

        Raises
        ------
        RecordingError
            If the file was shortened.
        """
        with self._lock:
            if self._volumes is None or self._closed.is_set():
                return None
            return self._volumes.reread(index)

    def close(self) -> None:
        """Release the file; a waiting iteration ends."""
        self._closed.set()
        with self._lock:
            for volumes in (self._volumes, self._following):
                if volumes is not None:
                    volumes.close()

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
        """Return the spec; None if the source was closed before."""
        began_s = self._clock.now_s()
        live = self._settings.live
        while True:
            with self._lock:
                if self._spec is not None:
                    return self._spec
                if self._closed.is_set():
                    return None
                has_frames = self._volumes is not None and self._volumes.has_frames
                patience_s = live.idle_timeout_s if has_frames else live.start_timeout_s
                is_late = self._clock.now_s() - began_s > patience_s
                if is_late and not has_frames:
                    raise self._never_began(patience_s)
                is_moving = self._begin(is_late=is_late)
            if not is_moving:
                self._pause()

    def _begin(self, *, is_late: bool) -> bool:
        """Take a step toward the spec; return whether there may be more to do at once."""
        if self._volumes is None:
            found = self._expected.find()
            self._volumes = None if found is None else self._opened(found)
            if found is not None and self._volumes is not None:
                self._path = self._part = found
            return self._volumes is not None
        is_moving = self._volumes.begin(is_over=is_late)
        self._spec = self._volumes.spec
        if self._spec is not None:
            self._tell(*self._volumes.notes(), _EXPERIMENTAL)
        return is_moving

    def _opened(self, path: Path) -> Nd2Volumes | None:
        try:
            return Nd2Volumes(path, self._settings, self._volumes, first_wanted=self._first_wanted)
        except OSError as error:
            is_refused = getattr(error, "winerror", None) == _SHARING_VIOLATION
            self._refusal = (
                "the microscope's software lets nobody read it while it writes; record one file"
                " per volume instead"
                if is_refused
                else error.strerror or reason_of(error)
            )
            return None

    def _never_began(self, patience_s: float) -> NotBegunError:
        reason = f" ({self._refusal})" if self._refusal else ""
        return NotBegunError(
            f"{self._path} did not begin within {patience_s:g} s{reason}; check the path and that"
            " the microscope records, or wait longer (source.live.start_timeout_s)."
        )

    def _next(self) -> Volume | None:
        """Return the next volume, None at the end."""
        self._silent_since_s = self._clock.now_s()
        while not self._closed.is_set():
            with self._lock:
                volumes = self._volumes
                if self._closed.is_set() or volumes is None:
                    return None
                if volumes.ready:
                    self._tell(*volumes.notes())
                    return volumes.ready.popleft()
                if self._is_over:
                    return None
                is_moving = self._step(volumes)
            if not is_moving:
                self._pause()
        return None

    def _step(self, volumes: Nd2Volumes) -> bool:
        """Do one thing if there is one to do; return whether there was."""
        if self._following_until_s is not None:
            return self._go_on(volumes, self._following_until_s)
        is_moving = volumes.advance()
        now_s = self._clock.now_s()
        if is_moving or volumes.size != self._n_bytes:
            self._silent_since_s, self._n_bytes = now_s, volumes.size
        is_silent = now_s - self._silent_since_s > self._settings.live.idle_timeout_s
        if not is_moving and (volumes.is_walked or is_silent):
            self._end(volumes)
            return True
        return is_moving

    def _end(self, volumes: Nd2Volumes) -> None:
        """Take the rest of a file; another one may follow."""
        volumes.finish()
        self._tell(*volumes.notes())
        live = self._settings.live
        if not volumes.is_finished:
            self._tell(
                f"Nothing came for {live.idle_timeout_s:g} s, so the recording was taken to be"
                " over."
            )
        elif live.next_file_timeout_s and next_part(self._part) is not None:
            self._following_until_s = self._clock.now_s() + live.next_file_timeout_s
            return
        self._is_over = True

    def _go_on(self, volumes: Nd2Volumes, until_s: float) -> bool:
        """Look for the next file of a split recording; return whether something happened."""
        following, part = self._following, next_part(self._part)
        if following is None:
            self._following = None if part is None else self._opened(part)
        is_moving = following is not None and following.begin()
        if following is not None and following.spec is not None and part is not None:
            volumes.close()
            _check_same(following.spec, volumes.spec, part)
            self._volumes, self._following = following, None
            self._part, self._following_until_s = part, None
        elif not is_moving and self._clock.now_s() > until_s:
            self._is_over = True
        return is_moving

    def _tell(self, *sentences: str) -> None:
        """Add the sentences that are new: what was told once keeps its place."""
        self._notes += [sentence for sentence in sentences if sentence not in self._notes]

    def _pause(self) -> None:
        self._closed.wait(min(self._settings.live.poll_ms / 1000, _LONGEST_WAIT_S))


def _check_same(spec: VolumeSpec, before: VolumeSpec | None, path: Path) -> None:
    if spec != before:
        raise RecordingError(
            f"{path} has volumes of {spec.shape} voxels, but the file before it has others"
            f" ({before.shape if before else 'none'}, or other channels or voxel sizes); it does"
            " not continue that recording: follow it by itself."
        )


def _is_finished(path: Path) -> bool:
    try:
        tail = Nd2Tail(path)
    except OSError:
        return False
    try:
        return tail.has_end_mark()
    finally:
        tail.close()
