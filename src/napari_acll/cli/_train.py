"""`acll train`."""

import math
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from napari_acll.cli._quoted import quoted
from napari_acll.core import ModelError

if TYPE_CHECKING:
    from napari_acll.training import TrainProgress

STEPS_PER_LINE = 100
SECONDS_PER_LINE = 60.0
_SUFFIXES = {"points": (".safetensors",), "unet3d": (".safetensors", ".pytorch")}


def train(
    config: Annotated[
        Path, typer.Argument(help="Training settings (.yaml), as recipes/train_default.yaml.")
    ],
    out: Annotated[Path, typer.Option("--out", help="The weights file to write (.safetensors).")],
    start: Annotated[
        str | None,
        typer.Option(
            "--from",
            metavar="MODEL",
            help="Go on learning from a model: 'default', the bundled one, or a weights file.",
        ),
    ] = None,
    is_resumed: Annotated[
        bool,
        typer.Option("--resume", help="Go on where a training of the same settings was stopped."),
    ] = False,
    device: Annotated[
        str | None,
        typer.Option(metavar="auto|cpu|cuda:N", help="Instead of the device in the settings."),
    ] = None,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace the file if it exists.")
    ] = False,
) -> None:
    """Train a model on simulated worms or on labeled volumes of your lab.

    The settings say of which kind the model is: one like the bundled one, which takes about an
    hour on two cores, or a UNet3D. Give the result to `acll run --model`.
    """
    from napari_acll.training import load_train_settings
    from napari_acll.training import train as train_model

    kind = load_train_settings(config).kind
    _check_out(out, _SUFFIXES[kind], overwrite=overwrite)
    with _progress() as show:
        train_model(
            config, out, start=start, is_resumed=is_resumed, device=device, on_progress=show
        )
    if os.environ.get("RANK", "0") == "0":
        typer.echo(f"Model {out}. Next: acll info {quoted(out)}")


def _check_out(out: Path, suffixes: tuple[str, ...], *, overwrite: bool) -> None:
    """Refuse now what could not be written after an hour of training."""
    if out.suffix.lower() not in suffixes:
        raise ModelError(
            f"A model file ends in {' or '.join(suffixes)}, got {out}; choose such a name."
        )
    if out.exists() and not overwrite:
        raise ModelError(f"{out} exists already; choose another name, or say --overwrite.")
    if not out.parent.is_dir():
        raise ModelError(f"There is no folder {out.parent} to write {out.name} to; make it first.")


@contextmanager
def _progress() -> Iterator[Callable[["TrainProgress"], None]]:
    console = Console(stderr=True)
    if not console.is_terminal:
        yield _LineWriter()
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


class _LineWriter:
    """Writes a line now and then, where there is no screen to draw a bar on."""

    def __init__(self) -> None:
        self._written_s = 0.0

    def __call__(self, progress: "TrainProgress") -> None:
        is_round = progress.step % STEPS_PER_LINE == 0 or progress.step == progress.n_steps
        if not is_round and progress.elapsed_s - self._written_s < SECONDS_PER_LINE:
            return
        self._written_s = progress.elapsed_s
        sys.stderr.write(
            f"acll: {progress.phase}: {progress.step} of {progress.n_steps}{_loss(progress)},"
            f" {progress.elapsed_s:.0f} s\n"
        )


def _loss(progress: "TrainProgress") -> str:
    return "" if math.isnan(progress.loss) else f", loss {progress.loss:.3f}"
