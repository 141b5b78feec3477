"""A session that goes on where it was interrupted."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import cache, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_acll.core import (
    AcllSettings,
    Backend,
    Backfill,
    LabeledVolume,
    Labeler,
    LabelSettings,
    NotBegunError,
    RecordingError,
    ResumableSource,
    SessionError,
    SourceSettings,
    Volume,
    VolumeSource,
    VolumeSpec,
    VolumeStatus,
)
from napari_acll.quality import MEASURED
from napari_acll.session._build import Writers, assemble, fallback_of, header_of
from napari_acll.session._outbox import STOPPED_BY_USER
from napari_acll.session._resumption import SHOWN, Resumption
from napari_acll.session._session import Session

if TYPE_CHECKING:
    from napari_acll.export import SavedSession, ZarrSessionWriter

_A_SECOND = 1 / 86_400
"""In days."""
_HOW = {
    "interrupted": "The session was interrupted (a kill, a crash or a power cut)",
    "failed": "The session had failed",
    "finished": "The session had ended",
}


def resume_session(
    path: str | Path,
    *,
    backfill: Backfill | None = None,
    adjust: Callable[[AcllSettings], AcllSettings] | None = None,
) -> Session:
    """Return a session that goes on with what a session folder holds, ready to start.

    Recording, settings, model and alignment are those of the session; what it holds stays as it
    is. It goes on with the volume after the last one. A recording that was followed live is
    followed on, if it was not over; volumes that came meanwhile are taken where the source still
    has them, else they are lost.

    Parameters
    ----------
    path : str or Path
        The session folder.
    backfill : Backfill, optional
        When skipped volumes are labeled; None: as the session was set.
    adjust : callable, optional
        Changes settings that decide no value, such as the device; gets and returns all of them.

    Raises
    ------
    SessionError
        If it is no session, another program writes it, or the recording or the model is not the
        one that it was made with.
    AcllError
        As `build_session`.
    """
    from napari_acll.export import SavedSession, ZarrSessionWriter
    from napari_acll.label import load_labeler

    before = SavedSession.open(path)
    check_not_refined(before)
    is_over = _is_over(before, before.state)
    settings = _settings(before, backfill, is_over=is_over)
    settings = settings if adjust is None else adjust(settings)

    @cache
    def labeler() -> Labeler:
        return load_labeler(settings.label)

    def check() -> None:
        """Look for what damaged volumes are taken from again, before they are taken back."""
        check_model(labeler(), before)
        if not settings.source.live.is_live:
            _open(before, settings.source, is_over=is_over).close()

    writer = ZarrSessionWriter.resume(path, check=check)
    try:
        saved = SavedSession.open(path)
        source = _open(saved, settings.source, is_over=is_over)
        try:
            resumption = _resumption(saved, writer.ended_as)
            writers = _writers_of(writer, saved, source, settings)
            return assemble(source, settings, writers, labeler=labeler(), resumption=resumption)
        except BaseException:
            source.close()
            raise
    except BaseException:
        writer.close(state=writer.ended_as)
        raise


def _writers_of(
    writer: "ZarrSessionWriter",
    saved: "SavedSession",
    source: VolumeSource,
    settings: AcllSettings,
) -> Callable[[VolumeSpec, Labeler, str], Writers]:
    def writers(spec: VolumeSpec, labeler: Labeler, rig: str) -> Writers:
        was = VolumeSpec.from_json(content_of(saved.header["spec"]))
        if spec.shape != was.shape:
            raise SessionError(
                f"The recording of {saved.path} had volumes of {was.shape} voxels after crop and"
                f" binning, now they have {spec.shape}; it is another recording, give the session"
                " its own back."
            )
        given = str(saved.header.get("recording", ""))
        header = header_of(source, spec, labeler, settings, rig=rig, recording=given)
        return [writer], fallback_of(writer, header, settings, is_live=source.is_live)

    return writers


def _resumption(saved: "SavedSession", ended_as: str) -> Resumption:
    how = f"{_HOW.get(ended_as, 'The session was over')}; it goes on with volume"
    corrections = tuple(saved.corrections())
    return Resumption(
        how=f"{how} {saved.n_timepoints}.",
        status=saved.status,
        time_s=saved.read("time_s"),
        ratio=saved.read("ratio"),
        confidence=saved.read("confidence"),
        more={name: saved.read(name) for name in (*MEASURED, *SHOWN)},
        novelty=saved.read("novelty"),
        alignment=saved.alignment,
        corrections=corrections,
        labeled=partial(_labeled_by_model, saved, saved.n_timepoints),
    )


def _labeled_by_model(saved: "SavedSession", n_timepoints: int) -> Iterator[LabeledVolume]:
    spec = VolumeSpec.from_json(content_of(saved.header["spec"]))
    nowhere = np.broadcast_to(np.uint16(0), spec.shape)
    for index in np.flatnonzero(saved.status[:n_timepoints] == VolumeStatus.TRACED).tolist():
        said = saved.said(index)
        centroid_px = spec.grid.from_stored_px(said.centroid_px).astype(np.float32)
        yield LabeledVolume(
            index=index,
            spec=spec,
            instances=nowhere,
            detections=replace(said, centroid_px=centroid_px),
        )


def _is_over(saved: "SavedSession", ended_as: str) -> bool:
    """Return whether the recording had ended, not just the session."""
    if ended_as != "finished":
        return False
    ends = [event for event in saved.events() if event["kind"] == "finished"]
    return not (ends and content_of(ends[-1]["details"]).get(STOPPED_BY_USER))


def _settings(saved: "SavedSession", backfill: Backfill | None, *, is_over: bool) -> AcllSettings:
    settings = saved.settings
    live = settings.source.live.model_copy(
        update={
            "is_live": settings.source.live.is_live and not is_over,
            "takes_existing": True,
            "start_timeout_s": min(
                settings.source.live.start_timeout_s, settings.source.live.idle_timeout_s
            ),
        }
    )
    update: dict[str, object] = {
        "source": settings.source.model_copy(update={"live": live}),
        "label": label_settings_of(saved),
    }
    if backfill is not None:
        update["run"] = settings.run.model_copy(update={"backfill": backfill})
    return settings.model_copy(update=update)


def backend_of(saved: "SavedSession") -> Backend | None:
    """Return the backend that a session was labeled with, None if it does not say."""
    name = content_of(saved.header.get("model")).get("backend")
    return Backend(name) if name in set(Backend) else None


def label_settings_of(saved: "SavedSession") -> LabelSettings:
    """Return with what model and backend a session ran, files found from any folder.

    Raises
    ------
    SessionError
        If the settings were written by a version with other ones.
    """
    folder = Path(str(saved.header.get("folder", ".")))
    settings = saved.settings.label
    names = ("model", "config_file", "names_file")
    found = {name: _absolute(getattr(settings, name), folder) for name in names}
    backend = backend_of(saved) or settings.backend
    return settings.model_copy(update={**found, "backend": backend})


def _absolute(file: str | None, folder: Path) -> str | None:
    """Return the path of a file that was given from another folder; a name stays a name."""
    return str(folder / file) if file and (folder / file).is_file() else file


def check_not_refined(saved: "SavedSession") -> None:
    """Check that a session was recorded: a refined one has names that no live session gives.

    Raises
    ------
    SessionError
        If it was refined.
    """
    made_from = saved.header.get("refined_from")
    if made_from:
        raise SessionError(
            f"{saved.path} is a refined session; resume {made_from}, from which it was made, and"
            " refine that once more."
        )


def check_model(labeler: Labeler, saved: "SavedSession") -> None:
    """Check that a model is the one that a session was made with.

    Raises
    ------
    SessionError
        If it is another one.
    """
    before, now = content_of(saved.header.get("model")), labeler.describe()
    is_same = before.get("sha256") == now.get("sha256")
    if is_same and labeler.neurons.names == saved.neurons.names:
        return
    raise SessionError(
        f"{saved.path} was made with the model {before.get('name')} (sha256"
        f" {_short(before)}), but {now.get('name')} ({_short(now)}) is there now; a session has"
        " one model: put the old one back, or start a new session."
    )


def content_of(value: object) -> Mapping[str, Any]:
    """Return a part of a header, empty if it is not there."""
    return value if isinstance(value, Mapping) else {}


def _short(model: Mapping[str, Any]) -> str:
    return str(model.get("sha256"))[:12]


def _open(saved: "SavedSession", settings: SourceSettings, *, is_over: bool) -> VolumeSource:
    """Open the recording where the session stood; an empty one if a live one did not go on."""
    try:
        return _opened(saved, settings, is_over=is_over)
    except NotBegunError as error:
        reason = str(error)
    ended = settings.live.model_copy(update={"is_live": False})
    try:  # a file or folder that is finished by now may still have what was skipped
        return _opened(saved, settings.model_copy(update={"live": ended}), is_over=True)
    except RecordingError:
        return EndedSource(saved.header, f"The recording did not go on: {reason}")


def _opened(saved: "SavedSession", settings: SourceSettings, *, is_over: bool) -> VolumeSource:
    from napari_acll.sources import open_source

    source = open_source(recording_of(saved), settings)
    try:
        if source.is_live and is_over:
            source.close()
            return EndedSource(saved.header, "The recording is over.")
        if isinstance(source, ResumableSource):
            source.resume_at(saved.n_timepoints, content_of(saved.header.get("source")))
        _ = source.spec  # waits for a live recording to go on
        check_start(source, saved)
    except BaseException:
        source.close()
        raise
    return source


def check_start(source: VolumeSource, saved: "SavedSession") -> None:
    """Check that the recording is the one of the session, as far as its time tells.

    Raises
    ------
    SessionError
        If it is not.
    """
    before = content_of(saved.header.get("source")).get("start_julian_day")
    now = source.describe().get("start_julian_day")
    if isinstance(before, float) and isinstance(now, float) and abs(now - before) > _A_SECOND:
        raise SessionError(
            f"What is at {source.describe().get('path')} began at another time than the recording"
            f" of {saved.path}; it is another recording, give the session its own back."
        )


def recording_of(saved: "SavedSession") -> str:
    """Return what opens the recording of a session once more.

    Raises
    ------
    SessionError
        If nothing does: it was an object of a program.
    """
    path = str(content_of(saved.header.get("source")).get("path", ""))
    given = str(saved.header.get("recording", ""))
    if path and Path(path).is_absolute():
        return path
    if not given:
        raise SessionError(
            f"{saved.path} was made from a recording that a program held in memory; only that"
            " program can go on with it."
        )
    return given


class EndedSource:
    """A live recording that did not go on: its geometry and no volume.

    Parameters
    ----------
    header : mapping
        Of the session.
    note : str
        Why there is nothing more.
    """

    is_live = True

    def __init__(self, header: Mapping[str, Any], note: str) -> None:
        self.spec = VolumeSpec.from_json(header["stored_spec"])
        self.notes: Sequence[str] = (note,)
        self._described = dict(header["source"])

    def describe(self) -> Mapping[str, object]:
        """Return what identified the recording."""
        return self._described

    def __iter__(self) -> Iterator[Volume]:
        """Yield nothing."""
        return iter(())

    def close(self) -> None:
        """Do nothing."""
