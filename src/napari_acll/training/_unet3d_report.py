"""What a training shows while it runs: curves and pictures in a folder beside the model."""

import csv
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

_COLORS = 20


def write_curves(folder: Path, history: Sequence[Mapping[str, float]]) -> None:
    """Write `curves.csv` and `curves.png`.

    Parameters
    ----------
    folder : Path
        Where to.
    history : sequence of mapping
        One row per validation: `step`, `elapsed_s`, `training_loss`, `loss`, `iou`, `right`,
        `learning_rate`.
    """
    if not history:
        return
    with (folder / "curves.csv").open("w", newline="", encoding="utf-8") as file:
        table = csv.DictWriter(file, fieldnames=list(history[0]))
        table.writeheader()
        table.writerows(history)
    _draw_curves(folder / "curves.png", history)


def _draw_curves(path: Path, history: Sequence[Mapping[str, float]]) -> None:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(10, 3.6), layout="constrained")
    left, right = figure.subplots(1, 2)
    steps = [row["step"] for row in history]
    left.plot(steps, [row["training_loss"] for row in history], label="training")
    left.plot(steps, [row["loss"] for row in history], label="validation")
    left.set(xlabel="step", ylabel="loss", yscale="log")
    right.plot(steps, [row["right"] for row in history], label="nuclei named right")
    right.plot(steps, [row["iou"] for row in history], label="IoU of voxels")
    right.set(xlabel="step", ylabel="share", ylim=(0, 1))
    for axes in (left, right):
        axes.legend(frameon=False)
        axes.spines[["top", "right"]].set_visible(False)
    figure.savefig(path, dpi=110)


def draw_prediction(
    path: Path,
    image: NDArray[np.floating],
    target: NDArray[np.integer],
    predicted: NDArray[np.integer],
    *,
    title: str,
) -> None:
    """Write a picture of one volume, what is true and what the network says.

    Parameters
    ----------
    path : Path
        PNG file.
    image : ndarray of float, shape (Z, Y, X)
        Marker, drawn as maximum along z.
    target, predicted : ndarray of int, shape (Z, Y, X)
        Classes, drawn as the class nearest to the objective along z.
    title : str
        Over the picture.
    """
    from matplotlib.figure import Figure

    panel_height = 7 * image.shape[1] / image.shape[2] + 0.3
    figure = Figure(figsize=(7, 3 * panel_height + 0.4), layout="constrained")
    bright = np.percentile(image, 99.9)
    panels: list[tuple[str, Any, dict[str, Any]]] = [
        ("marker", image.max(0), {"cmap": "gray", "vmin": 0, "vmax": bright}),
        ("truth", _colored(target), {}),
        ("prediction", _colored(predicted), {}),
    ]
    for axes, (name, picture, look) in zip(figure.subplots(3, 1), panels, strict=True):
        axes.imshow(picture, interpolation="nearest", **look)
        axes.set_axis_off()
        axes.set_title(name, loc="left", fontsize=9)
    figure.suptitle(title, fontsize=10)
    figure.savefig(path, dpi=110)


def _colored(classes: NDArray[np.integer]) -> NDArray[np.float64]:
    """Return the first class along z in a color of its own, `(Y, X, 3)`."""
    from matplotlib import colormaps

    first = np.take_along_axis(classes, (classes > 0).argmax(0)[None], axis=0)[0]
    colors = colormaps["tab20"](first.astype(int) * 7 % _COLORS)[..., :3]
    colored: NDArray[np.float64] = np.where(first[..., None] > 0, colors, 0.0)
    return colored
