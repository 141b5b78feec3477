"""Figures that stand in a page: their colors, and how they become SVG."""

import io
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

INK, QUIET, GRID = "#1d2433", "#69738a", "#d9dee8"
OURS, OTHER = "#0072b2", "#e69f00"


def new_figure(width: float, height: float) -> "Figure":
    """Return an empty figure, sizes in inches, that no global state knows."""
    from matplotlib.figure import Figure

    return Figure(figsize=(width, height), facecolor="none", layout="constrained")


def as_svg(figure: "Figure") -> str:
    """Return a figure as an `svg` element, its axes in the style of the page."""
    for axes in figure.axes:
        _quieten(axes)
    text = io.StringIO()
    nothing: dict[str, Any] = {"Date": None, "Creator": None, "Format": None, "Type": None}
    figure.savefig(text, format="svg", metadata=nothing)
    return text.getvalue()[text.getvalue().index("<svg") :]


def _quieten(axes: "Axes") -> None:
    axes.set_facecolor("none")
    axes.grid(visible=True, color=GRID, linewidth=0.6)
    axes.set_axisbelow(True)
    axes.tick_params(colors=QUIET, labelsize=8, length=0)
    for label in (axes.xaxis.label, axes.yaxis.label):
        label.set(color=INK, fontsize=9)
    for side, spine in axes.spines.items():
        spine.set_visible(side in ("left", "bottom"))
        spine.set_color(GRID)
