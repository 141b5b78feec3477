"""`acll evaluate`."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from napari_acll.core import SettingsError

if TYPE_CHECKING:
    from napari_acll.evaluation import Evaluation, TrueNuclei


Size = tuple[float, float, float]


Sessions = Annotated[
    list[str],
    typer.Argument(
        help="Session folders, one per animal, or tables of names (.csv).", metavar="SESSION..."
    ),
]
Truths = Annotated[
    list[str],
    typer.Option(
        "--truth",
        help="What is true of each session, in the same order: a table (.csv), a folder of"
        " instance masks, or 'simulated:...'. `--truth A B` and `--truth A --truth B` are the"
        " same.",
        metavar="TRUTH...",
    ),
]
Masks = Annotated[
    list[Path] | None,
    typer.Option(
        "--masks", help="True instance masks that belong to a table; as often as --truth."
    ),
]
VoxelSize = Annotated[
    str | None,
    typer.Option(help="Voxel size as stored, for tables of names that give voxels: Z,Y,X."),
]


def evaluate(
    sessions: Sessions,
    truth: Truths,
    out: Annotated[
        Path | None, typer.Option("--out", help="Folder for report.html and evaluation.json.")
    ] = None,
    masks: Masks = None,
    confident: Annotated[
        float, typer.Option(help="Probability from which on a name counts as confident.")
    ] = 0.75,
    match_um: Annotated[
        float, typer.Option(help="A detection farther than this from every nucleus is none, um.")
    ] = 3.0,
    voxel_size_um: VoxelSize = None,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace a report that is there.")
    ] = False,
) -> None:
    """Say how good the names of sessions are, given what is true.

    `acll evaluate A.acll B.acll --truth A.truth.csv B.truth.csv --out report` compares each
    session with its truth and writes one report.
    """
    from napari_acll.evaluation import check_new_report, evaluate_sessions, read_names

    sessions, truth = _in_pairs(sessions, truth)
    if out is not None:
        check_new_report(out, overwrite=overwrite)
    size_um = _voxel_size(voxel_size_um)
    evaluation = evaluate_sessions(
        [read_names(session, voxel_size_um=size_um) for session in sessions],
        _truths(truth, masks or []),
        confident=confident,
        match_um=match_um,
        progress=lambda animal: typer.echo(f"acll: comparing {animal}", err=True),
    )
    _tell(evaluation, out, overwrite=overwrite)


def _in_pairs(sessions: list[str], truths: list[str]) -> tuple[list[str], list[str]]:
    """Return as many truths as sessions; those after the first `--truth` are read as sessions."""
    n_pairs, is_odd = divmod(len(sessions) + len(truths), 2)
    if is_odd or len(truths) > len(sessions):
        raise SettingsError(
            f"Expected as many truths as sessions, got {len(sessions) + len(truths)} paths in all;"
            " name the sessions first, then --truth and their truths in the same order."
        )
    return sessions[:n_pairs], [*truths, *sessions[n_pairs:]]


def _truths(truths: list[str], masks: list[Path]) -> "list[TrueNuclei]":
    from napari_acll.evaluation import read_truth

    if masks and len(masks) != len(truths):
        raise SettingsError(
            f"Expected --masks as often as there are truths, {len(truths)}, or not at all; got"
            f" {len(masks)}."
        )
    folders: list[Path | None] = [*masks] or [None] * len(truths)
    return [read_truth(path, masks=folder) for path, folder in zip(truths, folders, strict=True)]


def _voxel_size(text: str | None) -> Size | None:
    if text is None:
        return None
    try:
        z, y, x = (float(part) for part in text.split(","))
    except ValueError:
        z = y = x = 0.0
    if min(z, y, x) <= 0:
        raise SettingsError(
            f"--voxel-size-um takes three lengths in um above 0, such as 0.54,0.54,0.54; got"
            f" {text!r}."
        )
    return z, y, x


def _tell(evaluation: "Evaluation", out: Path | None, *, overwrite: bool) -> None:
    from napari_acll.evaluation import summary_sentence, write_report

    for note in evaluation.notes:
        typer.echo(f"acll: {note}", err=True)
    typer.echo(summary_sentence(evaluation))
    if out is None:
        typer.echo("Next: the same with --out FOLDER for the whole report.")
        return
    typer.echo(f"Report: {write_report(evaluation, out, overwrite=overwrite)}")
