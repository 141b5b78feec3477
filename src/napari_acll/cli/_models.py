"""`acll models`: what can be given as `--model`, and whether it is whole."""

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from napari_acll.core import ModelError, calibration_notice

if TYPE_CHECKING:
    from napari_acll.label import PointModelCard

models = typer.Typer(
    name="models",
    help="List, describe and verify models.",
    invoke_without_command=True,
    no_args_is_help=False,
)

_Model = Annotated[str, typer.Argument(help="Model file, `default`, or a model of your own.")]


@models.callback()
def _default(context: typer.Context) -> None:
    """List, describe and verify models; lists them if not told otherwise."""
    if context.invoked_subcommand is None:
        list_models()


@models.command("list")
def list_models() -> None:
    """List the models that can be asked for by name: installed ones, and your own."""
    from napari_acll.label import available_models, models_dir

    for model in available_models():
        typer.echo(f"{model.name}: {model.description or model.kind}")
        if model.n_neurons:
            typer.echo(f"  neurons: {model.n_neurons}")
        if model.path:
            typer.echo(f"  weights: {model.path}")
            typer.echo(f"  sha256: {model.sha256}")
    typer.echo(f"Models of your own are found by name in {models_dir()}")


@models.command()
def describe(model: _Model) -> None:
    """Say what the card of a model holds; its weights are not read."""
    from napari_acll.label import find_model_file, read_card

    path = find_model_file(model)
    typer.echo(f"{path}")
    for line in _card_lines(read_card(path)):
        typer.echo(f"  {line}")


@models.command()
def verify(model: _Model) -> None:
    """Check that a model file is whole and answers as it did when it was saved."""
    from napari_acll.label import find_model_file
    from napari_acll.training import verify_model

    path = find_model_file(model)
    check = verify_model(Path(path))
    for finding in check.findings:
        typer.echo(finding)
    if not check.is_good:
        raise ModelError(f"{path} does not answer as it did; copy or train the model again.")


def _card_lines(card: "PointModelCard") -> Iterator[str]:
    calibration = card.calibration
    voxel = " x ".join(f"{size:g}" for size in card.voxel_size_um)
    yield card.note or "without a note"
    yield f"neurons: {len(card.names)}, at voxels of {voxel} um"
    yield calibration_notice({"calibration": calibration.model_dump(mode="json")})
    error = "" if calibration.error is None else f", calibration error {calibration.error:.1%}"
    yield f"calibrated on: {calibration.fitted_on}{error}"
    known = card.reference
    yield (
        "warns of unusual animals: no"
        if known is None
        else f"warns of unusual animals: yes, knows {known.n_volumes} volumes"
    )
    for name, scores in card.scores.items():
        if isinstance(scores, dict):
            told = ", ".join(
                f"{key} {value:g}" for key, value in scores.items() if _is_number(value)
            )
            yield f"scores on {name} animals: {told}"
    for key in ("napari_acll", "torch", "duration_s"):
        if key in card.training:
            yield f"{key}: {card.training[key]}"
    for name, digest in dict(card.training.get("data", {})).items():
        yield f"data {name}: {digest}"


def _is_number(value: object) -> bool:
    return isinstance(value, int | float)
