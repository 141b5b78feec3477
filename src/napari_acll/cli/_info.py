"""`acll info`: what a file is."""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from napari_acll.cli._options import (
    NZ,
    ActivityChannel,
    Axes,
    Config,
    MarkerChannel,
    Profile,
    Set,
    ZDiscard,
    ZFirst,
)
from napari_acll.cli._quoted import quoted
from napari_acll.cli._resolve import resolve_settings
from napari_acll.core import AcllSettings, calibration_notice

if TYPE_CHECKING:
    from napari_acll.export import SavedSession

MODEL_SUFFIXES = (".pytorch", ".pt", ".pth", ".safetensors")


def info(
    file: Annotated[str, typer.Argument(help="Recording, session folder, model or alignment.")],
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON for scripts.")] = False,
    config: Config = None,
    profile: Profile = None,
    marker_channel: MarkerChannel = None,
    activity_channel: ActivityChannel = None,
    n_z: NZ = None,
    z_first: ZFirst = None,
    z_discard: ZDiscard = None,
    axes: Axes = None,
    set_: Set = None,
) -> None:
    """Say what a recording, session, model or alignment file holds, without running anything."""
    facts = _facts(file, resolve_settings(locals()))
    typer.echo(json.dumps(facts, indent=2, default=str) if as_json else "\n".join(_lines(facts)))


def _facts(file: str, settings: AcllSettings) -> dict[str, Any]:
    path = Path(file)
    if (path / "session.json").is_file():
        return _session_facts(path)
    if path.suffix.lower() == ".json":
        return _alignment_facts(path)
    if path.suffix.lower() in MODEL_SUFFIXES:
        return _model_facts(file, settings)
    return _recording_facts(file, settings)


def _recording_facts(recording: str, settings: AcllSettings) -> dict[str, Any]:
    from napari_acll.sources import open_source

    source = open_source(recording, settings.source)
    try:
        spec = source.spec
        z, y, x = spec.shape
        return {
            "kind": "recording",
            "volumes": spec.n_volumes,
            "shape_zyx": [z, y, x],
            "voxel_size_um_zyx": list(spec.voxel_size_um),
            "period_s": spec.period_s,
            "marker_channel": spec.marker_name,
            "activity_channel": spec.activity_name,
            "source": dict(source.describe()),
            "notes": list(source.notes),
        }
    finally:
        source.close()


def _session_facts(path: Path) -> dict[str, Any]:
    from napari_acll.core import VolumeStatus
    from napari_acll.export import SavedSession

    saved = SavedSession.open(path)
    counts = {
        status.name.lower(): int((saved.status == status).sum())
        for status in VolumeStatus
        if status is not VolumeStatus.PENDING
    }
    alignment = saved.alignment
    return {
        "kind": "session",
        "state": saved.state,
        "volumes": saved.n_timepoints,
        **counts,
        **_what_next(saved, counts),
        "neurons": len(saved.neurons),
        "calibrated_on": saved.calibrated_on,
        "has_labels": saved.has_labels,
        **{key: saved.header[key] for key in ("refined_from",) if key in saved.header},
        "alignment": None if alignment is None else alignment.model_dump(mode="json"),
        **{key: saved.header.get(key) for key in ("started_at", "source", "model", "animal")},
        "versions": saved.header.get("versions"),
    }


def _what_next(saved: "SavedSession", counts: Mapping[str, int]) -> dict[str, str]:
    path, state = quoted(saved.path), saved.state
    made_from = saved.header.get("refined_from")
    if made_from:
        how = f"`acll refine {quoted(str(made_from))} --out {path}` goes on with it."
        is_broken = state in ("interrupted", "failed")
        return {"next": f"It is not complete; {how}"} if is_broken else {}
    if state == "interrupted":
        return {"next": f"It was interrupted; `acll resume {path}` goes on with it."}
    if state == "failed":
        return {"next": f"It failed; once the reason is gone, `acll resume {path}` goes on."}
    if state == "finished" and counts["skipped"]:
        return {
            "next": f"`acll resume {path}` labels the {counts['skipped']} skipped volumes, if the"
            " recording still has them."
        }
    return {}


def _alignment_facts(path: Path) -> dict[str, Any]:
    from napari_acll.preprocess import load_alignment

    return {"kind": "alignment", **load_alignment(path).model_dump(mode="json")}


def _model_facts(file: str, settings: AcllSettings) -> dict[str, Any]:
    from napari_acll.label import load_labeler

    wanted = settings.label.model_copy(update={"model": file, "device": "cpu"})
    labeler = load_labeler(wanted)
    names = list(labeler.neurons.names)
    described = labeler.describe()
    return {
        "kind": "model",
        **described,
        "calibration_notice": calibration_notice(described),
        "n_neurons": len(names),
        "neurons": names,
    }


def _lines(facts: Mapping[str, Any], indent: str = "") -> Iterator[str]:
    for key, value in facts.items():
        if isinstance(value, Mapping):
            yield f"{indent}{key}:"
            yield from _lines(value, indent + "  ")
        elif isinstance(value, list):
            yield f"{indent}{key}: {', '.join(str(part) for part in value)}"
        else:
            yield f"{indent}{key}: {'unknown' if value is None else value}"
