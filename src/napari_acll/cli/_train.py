"""`acll train`."""

import math
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from napari_acll.core import ModelError

if TYPE_CHECKING:
    from napari_acll.training import TrainProgress

STEPS_PER_LINE = 100


def train(
    config: Annotated[
        Path, typer.Argument(help="Training settings (.yaml), as recipes/train_default.yaml.")
    ],
    out: Annotated[Path, typer.Option("--out", help="The weights file to write (.safetensors).")],
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace the file if it exists.")
    ] = False,
) -> None:
    """Train a model of the bundled kind on simulated worms; its card is written beside it.

    The bundled model takes under an hour on two cores. Give the result to `acll run --model`.
    """
    from napari_acll.training import load_train_settings, train_default

    settings = load_train_settings(config)
    _check_out(out, overwrite=overwrite)
    with _progress() as show:
        train_default(settings, out, on_progress=show)
    typer.echo(f"Model {out}. Next: acll info {out}")


def _check_out(out: Path, *, overwrite: bool) -> None:
    """Refuse now what could not be written after an hour of training."""
    if out.suffix.lower() != ".safetensors":
        raise ModelError(f"A model file ends in .safetensors, got {out}; choose such a name.")
    if out.exists() and not overwrite:
        raise ModelError(f"{out} exists already; choose another name, or say --overwrite.")
    if not out.parent.is_dir():
        raise ModelError(f"There is no folder {out.parent} to write {out.name} to; make it first.")


@contextmanager
def _progress() -> Iterator[Callable[["TrainProgress"], None]]:
    console = Console(stderr=True)
    if not console.is_terminal:
        yield _write_line
        return
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[loss]}"),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=console) as bars:
        tasks = {}

        def move(progress: "TrainProgress") -> None:
            if progress.phase not in tasks:
                tasks[progress.phase] = bars.add_task(progress.phase, loss="")
            bars.update(
                tasks[progress.phase],
                total=progress.n_steps,
                completed=progress.step,
                loss=_loss(progress),
            )

        yield move


def _write_line(progress: "TrainProgress") -> None:
    if progress.step % STEPS_PER_LINE and progress.step != progress.n_steps:
        return
    sys.stderr.write(
        f"acll: {progress.phase}: {progress.step} of {progress.n_steps}{_loss(progress)},"
        f" {progress.elapsed_s:.0f} s\n"
    )


def _loss(progress: "TrainProgress") -> str:
    return "" if math.isnan(progress.loss) else f", loss {progress.loss:.3f}"
