"""What a saved session holds, and the recording that it was made from, opened once more."""

import re
from pathlib import Path
from typing import TYPE_CHECKING

from napari_acll.core import (
    RandomAccessSource,
    RecordingError,
    ResumableSource,
    SessionCounters,
    SessionError,
    SourceSettings,
    TraceStore,
    VolumeSource,
    VolumeSpec,
)
from napari_acll.session._counters import Tally
from napari_acll.session._resume import check_start, content_of, recording_of
from napari_acll.session._resumption import SHOWN, Resumption

if TYPE_CHECKING:
    from napari_acll.export import SavedSession

_ADDRESS = re.compile(r"[a-z]{2,}:")  # one letter is a drive
_SIMULATED = "simulated"


def spec_of(saved: "SavedSession") -> VolumeSpec:
    """Return the geometry of the volumes that a session labeled, after crop and binning.

    Raises
    ------
    SessionError
        If the session does not tell.
    """
    return _spec_in(saved, "spec")


def traces_of(saved: "SavedSession") -> tuple[TraceStore, SessionCounters]:
    """Return the traces of a session as those that it had in memory, and what became of volumes.

    Raises
    ------
    SessionError
        If the session is damaged.
    """
    store, tally = TraceStore(saved.neurons), Tally()
    kept = Resumption(
        how="",
        status=saved.status,
        time_s=saved.read("time_s"),
        ratio=saved.read("ratio"),
        confidence=saved.read("confidence"),
        more={name: saved.read(name) for name in SHOWN},
    )
    kept.fill(store, tally)
    return store, tally.counters(n_waiting=0)


def open_recording(saved: "SavedSession") -> RandomAccessSource:
    """Return the recording of a session, to be read volume by volume; whoever asks closes it.

    It is looked for where it was, and beside the session folder, where it is if both were moved
    together. Volumes have the numbers that they have in the session.

    Parameters
    ----------
    saved : SavedSession
        The session.

    Raises
    ------
    RecordingError
        If the recording is gone, was never on a disk, or is another one now.
    SessionError
        If the session does not tell which recording it is, or its settings do not fit this
        version.
    """
    from napari_acll.sources import open_source

    source = open_source(_place_of(saved), _finished(saved.settings.source))
    try:
        return _checked(source, saved)
    except BaseException:
        source.close()
        raise


def _place_of(saved: "SavedSession") -> str:
    given = recording_of(saved)
    if given.partition(":")[0].lower() == _SIMULATED:
        return given
    path = Path(str(saved.header.get("folder", "."))) / given
    for place in (path, saved.path.absolute().parent / path.name):
        if place.exists():
            return str(place)
    if _ADDRESS.match(given):
        raise RecordingError(
            f"{saved.path.name} was made from a stream ({given}), of which nothing is left to look"
            " at."
        )
    raise RecordingError(
        f"The recording of {saved.path.name} is not at {path} any more; put it back there, or"
        " beside the session folder."
    )


def _finished(settings: SourceSettings) -> SourceSettings:
    ended = settings.live.model_copy(update={"is_live": False})
    return settings.model_copy(update={"live": ended})


def _checked(source: VolumeSource, saved: "SavedSession") -> RandomAccessSource:
    if isinstance(source, ResumableSource):  # counts as the session did
        source.resume_at(0, content_of(saved.header.get("source")))
    was = _spec_in(saved, "stored_spec")
    if source.spec.shape != was.shape:
        raise RecordingError(
            f"The recording of {saved.path.name} had volumes of {was.shape} voxels, what is there"
            f" now has {source.spec.shape}; put the right one back."
        )
    check_start(source, saved)
    if source.is_live or not isinstance(source, RandomAccessSource):
        raise RecordingError(
            f"The recording of {saved.path.name} cannot be read volume by volume; give it as a"
            " file or a folder."
        )
    return source


def _spec_in(saved: "SavedSession", key: str) -> VolumeSpec:
    try:
        return VolumeSpec.from_json(content_of(saved.header[key]))
    except (KeyError, TypeError, AttributeError) as error:
        raise SessionError(
            f"{saved.path} does not tell the shape of its volumes; restore its session.json from"
            " a copy."
        ) from error
