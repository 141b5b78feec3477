"""Figures of a comparison of traces, as SVG that stands in a page."""

from typing import TYPE_CHECKING

import numpy as np

from napari_acll.evaluation._drawing import GRID, INK, OTHER, OURS, as_svg, new_figure
from napari_acll.evaluation._nuclei import Floats
from napari_acll.evaluation._trace_comparison import NeuronAgreement, TraceComparison

if TYPE_CHECKING:
    from matplotlib.axes import Axes

MOST_NAMES = 40
"""Names along an axis that can be read."""
N_SHOWN = 12
"""Pairs of traces that are drawn: best, middle and worst third of them."""


def correlation_figure(comparison: TraceComparison) -> str:
    """Return the correlation of each neuron, the worst first, and the lags at which it is best.

    Parameters
    ----------
    comparison : TraceComparison
        What to draw.
    """
    figure = new_figure(11.4, 3.4)
    left, right = figure.subplots(1, 2, width_ratios=(3, 2))
    known = np.sort(comparison.correlation)
    left.plot(np.arange(len(known)), known, ".", color=OURS, markersize=5)
    for share in (10, 50):
        if len(known):
            value = np.percentile(known, share)
            left.axhline(value, color=GRID, linewidth=1.2)
            left.text(0, value, f"{share} %: {value:.2f}", fontsize=8, color=INK, va="bottom")
    left.set(ylim=(known.min(initial=0.0) - 0.05, 1.02), xlabel="neurons, the worst first")
    left.set_ylabel("correlation")
    lags = comparison.lags
    bins = np.arange(lags.min(initial=0) - 1.5, lags.max(initial=0) + 2.5)
    right.hist(lags, bins=bins, color=OURS, rwidth=0.85)
    right.xaxis.get_major_locator().set_params(integer=True)
    right.set(xlabel="lag at which it is best, volumes", ylabel="neurons")
    return as_svg(figure)


def matrix_figure(comparison: TraceComparison) -> str:
    """Return the correlation of each of our traces with each of the other's.

    Parameters
    ----------
    comparison : TraceComparison
        What to draw.
    """
    figure = new_figure(6.4, 5.6)
    axes = figure.subplots()
    shown = axes.imshow(comparison.matrix, vmin=-1, vmax=1, cmap="RdBu_r", rasterized=True)
    names = [item.neuron for item in comparison.neurons]
    at = _labeled_rows(len(names))
    axes.set_xticks(at, [names[row] for row in at], rotation=90)
    axes.set_yticks(at, [names[row] for row in at])
    axes.set(xlabel=comparison.other.source, ylabel=comparison.ours.source)
    figure.colorbar(shown, ax=axes, label="correlation", shrink=0.7)
    return as_svg(figure)


def difference_figure(comparison: TraceComparison) -> str:
    """Return how far the two traces of each neuron are apart, timepoint by timepoint.

    Parameters
    ----------
    comparison : TraceComparison
        What to draw.
    """
    from matplotlib import colormaps

    neurons = [item for item in comparison.neurons if np.isfinite(item.correlation)]
    neurons.sort(key=lambda item: item.correlation)
    names = tuple(item.neuron for item in neurons)
    apart = _apart(comparison.ours.of(names), comparison.other.of(names))
    figure = new_figure(6.4, 5.6)
    above, axes = figure.subplots(2, 1, sharex=True, height_ratios=(1, 5))
    by_time = comparison.ours.has_times
    x = comparison.ours.time_s if by_time else comparison.ours.volume_index.astype(np.float64)
    ends = (float(np.nanmin(x)), float(np.nanmax(x)), len(names) - 0.5, -0.5)
    above.plot(np.linspace(*ends[:2], len(apart)), _typical(apart), color=OURS, linewidth=0.8)
    above.set(ylabel="median, SD", ylim=(0, None))
    colors = colormaps["PuOr"].with_extremes(bad=GRID)
    shown = axes.imshow(
        np.ma.masked_invalid(apart.T),
        vmin=-3,
        vmax=3,
        cmap=colors,
        aspect="auto",
        extent=ends,
        rasterized=True,
    )
    at = _labeled_rows(len(names))
    axes.set_yticks(at, [names[row] for row in at])
    axes.set_xlabel("time, s" if by_time else "volume")
    figure.colorbar(shown, ax=axes, label="ours less the other, SD", shrink=0.8)
    return as_svg(figure)


def _apart(ours: Floats, other: Floats) -> Floats:
    """Return the difference of traces in standard deviations, over what both have."""
    both = np.isfinite(ours) & np.isfinite(other)
    columns = [
        _standard(np.where(here, one, np.nan)) - _standard(np.where(here, there, np.nan))
        for one, there, here in zip(ours.T, other.T, both.T, strict=True)
    ]
    return np.stack(columns, axis=1)


def _typical(apart: Floats) -> Floats:
    """Return the median over neurons of how far traces are apart, NaN where none has both."""
    typical = np.full(len(apart), np.nan)
    has_any = np.isfinite(apart).any(1)
    typical[has_any] = np.nanmedian(np.abs(apart[has_any]), axis=1)
    return typical


def _labeled_rows(n: int) -> list[int]:
    """Return which of so many neurons have their name at an axis: as many as can be read."""
    return list(range(0, n, max(1, -(-n // MOST_NAMES))))


def trace_figure(comparison: TraceComparison) -> str:
    """Return pairs of traces above each other: the best, those in the middle, and the worst.

    Parameters
    ----------
    comparison : TraceComparison
        What to draw.
    """
    shown = shown_neurons(comparison)
    names = tuple(item.neuron for item in shown)
    ours, other = comparison.ours.of(names), comparison.other.of(names)
    by_time = comparison.ours.has_times
    x = comparison.ours.time_s if by_time else comparison.ours.volume_index.astype(np.float64)
    n_rows = max(1, -(-len(shown) // 2))
    figure = new_figure(11.4, 1.3 * n_rows + 0.5)
    grid = figure.subplots(n_rows, 2, sharex=True, squeeze=False)
    for axes, item, number in zip(grid.ravel(), shown, range(len(shown)), strict=False):
        _draw_pair(axes, x, ours[:, number], other[:, number], item)
    for axes in grid.ravel()[len(shown) :]:
        axes.set_axis_off()
    for axes in grid[-1]:
        axes.set_xlabel("time, s" if by_time else "volume")
    return as_svg(figure)


def shown_neurons(comparison: TraceComparison) -> list[NeuronAgreement]:
    """Return the neurons whose traces are drawn, by their correlation, the best first.

    Parameters
    ----------
    comparison : TraceComparison
        All neurons.
    """
    known = [item for item in comparison.neurons if np.isfinite(item.correlation)]
    known.sort(key=lambda item: -item.correlation)
    if len(known) <= N_SHOWN:
        return known
    third = N_SHOWN // 3
    middle = (len(known) - third) // 2
    return [*known[:third], *known[middle : middle + third], *known[-third:]]


def _draw_pair(
    axes: "Axes", x: Floats, ours: Floats, other: Floats, item: NeuronAgreement
) -> None:
    axes.plot(x, _standard(other), color=OTHER, linewidth=1.0)
    axes.plot(x, _standard(ours), color=OURS, linewidth=0.8)
    axes.set_title(f"{item.neuron}, r = {item.correlation:.2f}", fontsize=9, color=INK, loc="left")
    axes.set_yticks([])


def _standard(values: Floats) -> Floats:
    """Return values less their mean, in standard deviations, as far as they are known."""
    known = values[np.isfinite(values)]
    spread = float(known.std()) if len(known) else 0.0
    standard: Floats = (values - (known.mean() if len(known) else 0.0)) / (spread or 1.0)
    return standard
