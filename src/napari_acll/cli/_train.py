"""`acll train`."""

from pathlib import Path
from typing import Annotated

import typer


def train(
    config: Annotated[Path, typer.Argument(help="Training recipe (.yaml).")],
    out: Annotated[Path, typer.Option("--out", help="The weights file to write (.safetensors).")],
) -> None:
    """Train a model of the bundled kind by a recipe; give the result to `acll run --model`."""
    from napari_acll.training import train as train_by_recipe

    train_by_recipe(config, out)
    typer.echo(f"Model {out}. Next: acll info {out}")
