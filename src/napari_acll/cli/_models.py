"""`acll models`: what can be given as `--model`."""

import typer


def models() -> None:
    """List the models that can be asked for by name."""
    from napari_acll.label import available_models

    for model in available_models():
        typer.echo(f"{model.name}: {model.description or model.kind}")
        if model.n_neurons:
            typer.echo(f"  neurons: {model.n_neurons}")
        if model.path:
            typer.echo(f"  weights: {model.path}")
            typer.echo(f"  sha256: {model.sha256}")
