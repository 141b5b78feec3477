"""A session folder that grows while the session runs."""

import errno
import json
import shutil
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from napari_acll.core import (
    ChannelAlignment,
    Correction,
    LabeledVolume,
    Mark,
    SessionError,
    StageTimings,
    TraceSample,
    VolumeStatus,
)
from napari_acll.export._arrays import SessionArrays
from napari_acll.export._corrections import (
    CORRECTION_COLUMNS,
    CORRECTIONS_FILE,
    correction_lines,
)
from napari_acll.export._header import SessionHeader, now_iso
from napari_acll.export._layout import (
    ALIGNMENT_FILE,
    ALIGNMENT_FORMAT,
    EVENTS_FILE,
    FORMAT,
    FORMAT_VERSION,
    INTERRUPTED,
    SESSION_FILE,
)
from napari_acll.export._lock import WriterLock
from napari_acll.export._marks import MARK_COLUMNS, MARKS_FILE, mark_lines
from napari_acll.export._restore import arrays_of, read_header, restore
from napari_acll.export._store import append_bytes, replace_bytes, replace_file
from napari_acll.export._table_file import TableFile


def check_new_session(path: Path) -> None:
    """Check that a session could be created here, without creating it.

    Raises
    ------
    SessionError
        If something exists at the path already, or what it would lie in is not a folder.
    """
    if path.exists():
        raise SessionError(
            f"{path} exists already and nothing is ever overwritten; choose another folder for"
            " this session, or move the old one away. A session that was interrupted goes on with"
            " `acll resume`."
        )
    parent = next(parent for parent in path.absolute().parents if parent.exists())
    if not parent.is_dir():
        raise _cannot_create(path, f"{parent} is not a folder")


class ZarrSessionWriter:
    """Streams a session into a folder; `create` makes one, `resume` goes on with one.

    Each volume's values are written before its `status`, and no row is touched again, except that
    a skipped volume may get values later, once: whoever reads the rows that have values by their
    status, while the session runs or after a crash, reads complete volumes. Volumes and skips
    come in ascending order of their index, but for volumes that were skipped before.

    Parameters
    ----------
    path : Path
        The session folder.
    header : mapping
        Content of its `session.json`.
    lock : WriterLock
        Held; released at the end.
    arrays : SessionArrays
        Where the values go.
    n_timepoints : int
        Rows that are there.
    ended_as : str
        Last state of a session that is gone on with.

    Attributes
    ----------
    ended_as : str
        See above; empty for a new session.
    """

    def __init__(
        self,
        path: Path,
        header: Mapping[str, object],
        *,
        lock: WriterLock,
        arrays: SessionArrays,
        n_timepoints: int = 0,
        ended_as: str = "",
    ) -> None:
        self.path = path
        self.ended_as = ended_as
        self._header = dict(header)
        self._lock = lock
        self._arrays = arrays
        self._last_index = n_timepoints - 1
        self._is_closed = False
        self._marks = TableFile(path / MARKS_FILE, MARK_COLUMNS)
        self._corrections = TableFile(path / CORRECTIONS_FILE, CORRECTION_COLUMNS, is_synced=True)
        (path / EVENTS_FILE).touch()

    @classmethod
    def create(cls, path: str | Path, header: SessionHeader) -> "ZarrSessionWriter":
        """Create a session folder and return its writer.

        The folder is made under another name and gets its own when it is complete: a kill leaves
        a session that can be resumed, or none.

        Parameters
        ----------
        path : str or Path
            The folder to create, customarily named `*.acll`; its parents are created too.
        header : SessionHeader
            What is known before the first volume.

        Raises
        ------
        SessionError
            If the path exists or cannot be written.
        """
        path = Path(path)
        check_new_session(path)
        content = {"format": FORMAT, "format_version": FORMAT_VERSION, **_state("running")}
        content |= json.loads(json.dumps(header.to_json(), default=str))
        partial = path.with_name(f".{path.name}.{uuid.uuid4().hex}.partial")
        try:
            _remove_unfinished(path)
            partial.mkdir(parents=True)
            _write_session_file(partial, content)
            arrays_of(partial, content)
            replace_file(partial, path)
            lock = WriterLock(path)
            try:
                return cls(path, content, lock=lock, arrays=arrays_of(path, content))
            except BaseException:
                lock.release()
                raise
        except OSError as error:
            shutil.rmtree(partial, ignore_errors=True)
            raise _cannot_create(path, _reason(error)) from error

    @classmethod
    def resume(
        cls, path: str | Path, *, check: Callable[[], None] = lambda: None
    ) -> "ZarrSessionWriter":
        """Return a writer that goes on with a session, whatever ended it.

        Parameters
        ----------
        path : str or Path
            The session folder.
        check : callable
            Called when no other program writes the session, and before anything in it is changed;
            what it raises leaves the session as it was.

        Raises
        ------
        SessionError
            If it is not a session, is damaged, another program writes it, or it cannot be written.
        """
        path = Path(path)
        header = read_header(path)
        try:
            lock = WriterLock(path)
        except OSError as error:
            raise _cannot_resume(path, _reason(error)) from error
        try:
            check()
            restored = restore(path, header)
            ended_as = INTERRUPTED if header["state"] == "running" else str(header["state"])
            header |= _state("running")
            _write_session_file(path, header)
            n = len(restored.status)
            return cls(
                path,
                header,
                lock=lock,
                arrays=restored.arrays,
                n_timepoints=n,
                ended_as=ended_as,
            )
        except OSError as error:
            lock.release()
            raise _cannot_resume(path, _reason(error)) from error
        except BaseException:
            lock.release()
            raise

    def write(self, sample: TraceSample, labeled: LabeledVolume, timings: StageTimings) -> None:
        """Keep one traced volume; after return it survives a crash of the process.

        Parameters
        ----------
        sample : TraceSample
            The values of all neurons.
        labeled : LabeledVolume
            Labels and detections of the same volume.
        timings : StageTimings
            How long each stage took.

        Raises
        ------
        SessionError
            If it cannot be written; what was written before stays readable.
        """
        with self._naming_what_is_safe():
            self._arrays.write(sample, labeled, timings)
            self._last_index = max(self._last_index, sample.index)

    def skip(self, index: int, status: VolumeStatus) -> None:
        """Keep that a timepoint has no values, and why.

        Raises
        ------
        SessionError
            If it cannot be written.
        """
        with self._naming_what_is_safe():
            self._arrays.put_status(index, status)
            self._last_index = max(self._last_index, index)

    def write_alignment(self, alignment: ChannelAlignment) -> None:
        """Keep the alignment that the samples were taken with.

        Raises
        ------
        SessionError
            If it cannot be written.
        """
        with self._naming_what_is_safe():
            content = {**ALIGNMENT_FORMAT, "alignment": alignment.model_dump(mode="json")}
            text = json.dumps(content, indent=2) + "\n"
            replace_bytes(self.path / ALIGNMENT_FILE, text.encode(), is_synced=True)

    def write_event(self, kind: str, message: str, details: Mapping[str, object]) -> None:
        """Keep something that happened, with the time at which it did.

        Parameters
        ----------
        kind : str
            One word, such as `skipped`.
        message : str
            One sentence.
        details : mapping
            JSON values.

        Raises
        ------
        SessionError
            If it cannot be written.
        """
        event = {"at": now_iso(), "kind": kind, "message": message, "details": dict(details)}
        with self._naming_what_is_safe():
            append_bytes(self.path / EVENTS_FILE, (json.dumps(event, default=str) + "\n").encode())

    def write_marks(self, marks: Sequence[Mark]) -> None:
        """Keep marks of behavior and stimuli; after return they survive a crash of the process.

        Parameters
        ----------
        marks : sequence of Mark
            In the order in which they came.

        Raises
        ------
        SessionError
            If they cannot be written.
        """
        with self._naming_what_is_safe():
            self._marks.append(mark_lines(marks))

    def write_corrections(self, corrections: Sequence[Correction]) -> None:
        """Keep corrections of names; after return they survive a power cut.

        Parameters
        ----------
        corrections : sequence of Correction
            In the order in which they were made, before the volumes that they change.

        Raises
        ------
        SessionError
            If they cannot be written.
        """
        with self._naming_what_is_safe():
            self._corrections.append(correction_lines(corrections))

    def close(self, *, state: str) -> None:
        """Finish the session; a second call does nothing.

        Parameters
        ----------
        state : str
            The last `SessionState`.

        Raises
        ------
        SessionError
            If the state cannot be written; the data stay readable.
        """
        if self._is_closed:
            return
        self._is_closed = True
        try:
            with self._naming_what_is_safe():
                _write_session_file(self.path, self._header | _state(state))
        finally:
            self._lock.release()

    def _check_there(self) -> None:
        """Raise if the folder is gone: parts of it must not come into being again elsewhere."""
        if not (self.path / SESSION_FILE).exists():
            raise FileNotFoundError(errno.ENOENT, "the folder was removed or cannot be reached")

    @contextmanager
    def _naming_what_is_safe(self) -> Iterator[None]:
        try:
            self._check_there()
            yield
        except OSError as error:
            safe = (
                "no volume was written yet"
                if self._last_index < 0
                else f"everything up to volume {self._last_index} is safe and can be exported"
            )
            raise SessionError(
                f"The session folder {self.path} cannot be written ({_reason(error)}); {safe}."
                f" Free space, then `acll resume {self.path}` goes on; or start a new session on"
                " another disk."
            ) from error


def _state(state: str) -> dict[str, object]:
    return {"state": state, "ended_at": None if state == "running" else now_iso()}


def _write_session_file(path: Path, content: Mapping[str, object]) -> None:
    text = json.dumps(content, indent=2, default=str) + "\n"
    replace_bytes(path / SESSION_FILE, text.encode(), is_synced=True)


def _remove_unfinished(path: Path) -> None:
    """Remove what a kill left of a session of this name that was not complete."""
    with suppress(OSError):
        for leftover in path.parent.glob(f".{path.name}.*.partial"):
            shutil.rmtree(leftover, ignore_errors=True)


def _cannot_create(path: Path, reason: str) -> SessionError:
    return SessionError(
        f"The session folder {path} cannot be created ({reason}); choose a place where you may"
        " write and that has room."
    )


def _cannot_resume(path: Path, reason: str) -> SessionError:
    return SessionError(
        f"The session folder {path} cannot be written ({reason}); see to it that you may write"
        " there and that there is room, or copy it to another disk and resume the copy."
    )


def _reason(error: OSError) -> str:
    return error.strerror or str(error)
