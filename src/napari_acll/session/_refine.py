"""A second pass over a session: names by the whole recording, in a folder of its own."""

from collections.abc import Callable
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from napari_acll.core import (
    AcllSettings,
    CorrectionState,
    Detections,
    LabeledVolume,
    SessionError,
    SettingsError,
    StageTimings,
    TraceSample,
    VolumeSpec,
    VolumeStatus,
    corrected,
)
from napari_acll.session._certain_names import certain_names, history_of
from napari_acll.session._refined_masks import Masks
from napari_acll.session._refined_values import (
    ReassignedValues,
    SavedSamples,
    Values,
    instances_of,
)
from napari_acll.session._resume import content_of
from napari_acll.session._revision_list import revisions_of
from napari_acll.session._saved import spec_of
from napari_acll.session._saved_detections import LABELED, detections_of, said_of

if TYPE_CHECKING:
    from napari_acll.export import SavedSession, ZarrSessionWriter
    from napari_acll.identity import RefinedNames

Tell = Callable[[str, int, int], None]


def _tell_nobody(_doing: str, _n_done: int, _n_all: int) -> None:
    """Tell nobody."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Refinement:
    """What a second pass over a session did.

    Parameters
    ----------
    path : Path
        The refined session.
    n_volumes, n_unplaced : int
        Volumes with names, and those of them whose motion could not be told.
    n_nuclei : int
        Nuclei of the recording.
    n_names, n_changed : int
        Names of all volumes together, and those that are not what they were.
    n_revisions : int
        Rows of `revisions.csv`.
    n_without_values : int
        Names without values: nuclei that have a name only now, and no mask.
    n_other_masks : int
        Volumes in which the model found other nuclei than before; they have the saved masks.
    not_found : tuple of str
        Corrected names that no nucleus of the recording had.
    how : str
        Where the values come from, one sentence.
    """

    path: Path
    n_volumes: int
    n_unplaced: int
    n_nuclei: int
    n_names: int
    n_changed: int
    n_revisions: int
    n_without_values: int
    n_other_masks: int
    not_found: tuple[str, ...]
    how: str

    def sentence(self) -> str:
        """Return what was done, for people."""
        text = (
            f"{self.n_nuclei} nuclei were followed through {self.n_volumes} volumes;"
            f" {self.n_changed} of {self.n_names} names are other ones than before. {self.how}"
        )
        if self.n_unplaced:
            text += f" {self.n_unplaced} volumes keep their names: their motion cannot be told."
        if self.n_without_values:
            text += f" {self.n_without_values} names have no values: their nuclei had no mask."
        if self.n_other_masks:
            text += f" In {self.n_other_masks} volumes the model found other nuclei than before."
        if self.not_found:
            text += f" Corrected names that no nucleus has: {', '.join(self.not_found)}."
        return text


def refined_path(session: str | Path) -> Path:
    """Return where a refined session is made if nobody says: `worm-refined.acll` beside it."""
    path = Path(session)
    return path.with_name(f"{path.stem}-refined{path.suffix}")


def refine_session(
    session: str | Path,
    out: str | Path | None = None,
    *,
    uses_recording: bool = True,
    relabels: bool = False,
    adjust: Callable[[AcllSettings], AcllSettings] | None = None,
    tell: Tell = _tell_nobody,
) -> Refinement:
    """Name the nuclei of a session by its whole recording, and take their values once more.

    The session itself is not changed. What was interrupted goes on where it stood.

    Parameters
    ----------
    session : str or Path
        A session folder that nothing writes.
    out : str or Path, optional
        The folder to make; `refined_path` by default.
    uses_recording : bool
        Whether values are taken from the recording, if it is still there; else the saved ones get
        the other names.
    relabels : bool
        Whether the model makes the masks once more. Saved label maps have those of the named
        nuclei only.
    adjust : callable, optional
        Changes settings that decide no value, such as the device.
    tell : callable
        Called with what is done, and how much of how much.

    Raises
    ------
    SessionError
        If it is no session or still written, has no names, or the folder exists or cannot be
        written.
    SettingsError
        If masks are to be made without the recording.
    RecordingError
        If the recording is needed and gone.
    AcllError
        If the model is needed and cannot be loaded.
    """
    from napari_acll.export import SavedSession, check_new_session

    saved = SavedSession.open(session)
    if saved.state == "running":
        raise SessionError(f"{session} is still being written; refine it when it is over.")
    if relabels and not uses_recording:
        raise SettingsError(
            "The model makes masks from the recording, which was not to be used; leave out one of"
            " the two (--relabel, --no-recording)."
        )
    path = refined_path(session) if out is None else Path(out)
    if not _is_half_refined(path, saved):
        if _is_of(path, saved):
            raise SessionError(
                f"{path} is a second pass of {session} already, and nothing is ever overwritten;"
                " choose another folder (--out), or move the old one away."
            )
        check_new_session(path)  # before minutes are spent on the names
    naming = _Naming.of(saved, tell)
    masks = Masks.of(saved, uses_recording=uses_recording, relabels=relabels, adjust=adjust)
    try:
        writer, n_done = _writer_of(saved, path, masks)
        return _written(saved, naming, masks, writer, n_done=n_done, tell=tell)
    finally:
        masks.close()


@dataclass(frozen=True, kw_only=True, eq=False)
class _Naming:
    """The names of a session, as they were and as they are now."""

    before: dict[int, Detections]
    after: dict[int, Detections]
    names: "RefinedNames"
    states: dict[int, CorrectionState]
    certain: frozenset[int]

    @classmethod
    def of(cls, saved: "SavedSession", tell: Tell) -> "_Naming":
        from napari_acll.identity import FoundNuclei, n_steps, refine_names

        before = detections_of(saved)
        if not before:
            raise SessionError(
                f"{saved.path} has no volume with names; there is nothing to refine."
            )
        voxel_um = np.asarray(spec_of(saved).grid.stored_voxel_size_um(), np.float64)
        volumes = [
            FoundNuclei(place_um=found.centroid_px.astype(np.float64) * voxel_um, detections=found)
            for found in said_of(saved).values()
        ]
        history = history_of(saved.corrections(), saved.neurons)
        certain = certain_names(history, list(before))
        n_all = n_steps(volumes)
        names = refine_names(
            volumes,
            len(saved.neurons),
            certain=certain,
            tell=lambda n_done: tell("Following the nuclei", n_done, n_all),
        )
        states = {index: history.state_at(index) for index in before}
        after = {
            index: corrected(found, CorrectionState(muted=states[index].muted), saved.neurons)
            for index, found in zip(before, names.detections, strict=True)
        }
        known = frozenset(item.neuron for item in certain) - set(names.not_found)
        return cls(before=before, after=after, names=names, states=states, certain=known)


def _is_of(path: Path, saved: "SavedSession") -> bool:
    """Return whether a refined session of this one lies there."""
    from napari_acll.export import SavedSession

    if not (path / "session.json").exists():
        return False
    return SavedSession.open(path).header.get("refined_from") == str(saved.path.absolute())


def _is_half_refined(path: Path, saved: "SavedSession") -> bool:
    """Return whether a refined session of this one lies there, and is to be gone on with."""
    from napari_acll.export import SavedSession

    return _is_of(path, saved) and SavedSession.open(path).state in ("interrupted", "failed")


def _writer_of(saved: "SavedSession", path: Path, masks: Masks) -> "tuple[ZarrSessionWriter, int]":
    """Return the writer of the refined session, and how many timepoints are there already."""
    from napari_acll.export import SavedSession, SessionHeader, ZarrSessionWriter, copy_history

    if _is_half_refined(path, saved):
        writer = ZarrSessionWriter.resume(path)
        return writer, SavedSession.open(path).n_timepoints
    run = saved.settings.run.model_copy(update={"save_labels": masks.has_labels})
    header = SessionHeader(
        neurons=saved.neurons,
        stored_spec=VolumeSpec.from_json(content_of(saved.header["stored_spec"])),
        spec=spec_of(saved),
        settings=saved.settings.model_copy(update={"run": run}),
        source=content_of(saved.header.get("source")),
        source_notes=_texts(saved.header.get("source_notes")),
        model=content_of(saved.header.get("model")),
        rig=str(saved.header.get("rig", "")),
        recording=str(saved.header.get("recording", "")),
        refined_from=str(saved.path.absolute()),
        folder=str(saved.header.get("folder", ".")),
        started_at=str(saved.header.get("started_at", "")),
    )
    writer = ZarrSessionWriter.create(path, header)
    try:
        copy_history(saved.path, path)
        if saved.alignment is not None:
            writer.write_alignment(saved.alignment)
    except BaseException:
        writer.close(state="failed")
        raise
    return writer, 0


def _texts(value: object) -> list[str]:
    return [str(item) for item in value] if isinstance(value, list) else []


def _written(
    saved: "SavedSession",
    naming: _Naming,
    masks: Masks,
    writer: "ZarrSessionWriter",
    *,
    n_done: int,
    tell: Tell,
) -> Refinement:
    """Write all timepoints that are not there yet, and what was changed."""
    from napari_acll.export import write_revisions

    samples = SavedSamples(saved=saved)
    recorded = masks.values(saved)
    values: Values = recorded or ReassignedValues(
        samples=samples, before=naming.before, neurons=saved.neurons
    )
    state = "failed"
    try:
        for index in range(n_done, saved.n_timepoints):
            _write(index, saved, naming, values, samples, writer)
            tell("Taking values", index + 1, saved.n_timepoints)
        revisions = revisions_of(
            naming.before,
            naming.after,
            naming.names,
            neurons=saved.neurons,
            states=naming.states,
            certain=naming.certain,
        )
        write_revisions(writer.path, revisions)
        n_other = 0 if recorded is None else recorded.n_other_masks
        result = _refinement(saved, naming, writer.path, masks.how, len(revisions), n_other)
        writer.write_event("refined", result.sentence(), {"from": str(saved.path)})
        state = "finished"
    finally:
        writer.close(state=state)
    return result


def _write(
    index: int,
    saved: "SavedSession",
    naming: _Naming,
    values: Values,
    samples: SavedSamples,
    writer: "ZarrSessionWriter",
) -> None:
    status = VolumeStatus(int(saved.status[index]))
    if status in LABELED:
        labeled = _labeled(index, saved, naming.before[index], naming.after[index], samples)
        labeled, sample = values.take(labeled, status)
    elif status is VolumeStatus.UNLABELABLE:
        found = saved.detections(index)
        labeled = replace(_labeled(index, saved, found, found, samples), is_labelable=False)
        time_s = float(samples.row("time_s", index))
        sample = TraceSample.absent(index, time_s, len(saved.neurons), status)
    else:
        writer.skip(index, status)
        return
    took_s = [float(value) for value in samples.row("timings_s", index)]
    names = (item.name for item in fields(StageTimings))
    timings = StageTimings(**dict(zip(names, took_s, strict=True)))
    writer.write(sample, labeled, timings)


def _labeled(
    index: int,
    saved: "SavedSession",
    before: Detections,
    after: Detections,
    samples: SavedSamples,
) -> LabeledVolume:
    spec, said = spec_of(saved), saved.said(index)
    if saved.has_labels:
        instances = instances_of(saved.labels(index), before, spec)
    else:
        instances = np.zeros(spec.shape, np.uint16)
    centroid_px = spec.grid.from_stored_px(after.centroid_px).astype(np.float32)
    return LabeledVolume(
        index=index,
        spec=spec,
        instances=instances,
        detections=replace(after, centroid_px=centroid_px),
        said=replace(said, centroid_px=centroid_px),
        novelty=float(samples.row("novelty", index)),
    )


def _refinement(
    saved: "SavedSession",
    naming: _Naming,
    path: Path,
    how: str,
    n_revisions: int,
    n_other_masks: int,
) -> Refinement:
    from napari_acll.export import SavedSession

    names = naming.names
    n_names = sum(int((found.neuron > 0).sum()) for found in naming.after.values())
    n_values = int((SavedSession.open(path).read("n_voxels") > 0).sum())
    changed = (
        int((naming.before[index].neuron != found.neuron).sum())
        for index, found in naming.after.items()
    )
    called = ("", *saved.neurons.names)
    return Refinement(
        path=path,
        n_volumes=len(naming.after),
        n_unplaced=int((~names.nuclei.is_placed).sum()),
        n_nuclei=len(names.nuclei),
        n_names=n_names,
        n_changed=sum(changed),
        n_revisions=n_revisions,
        n_without_values=max(n_names - n_values, 0),
        n_other_masks=n_other_masks,
        not_found=tuple(called[number] for number in names.not_found),
        how=how,
    )
