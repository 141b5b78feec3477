"""Figures of the report of a session."""

import numpy as np

from napari_acll.evaluation._drawing import GRID, OTHER, OURS, as_svg, new_figure
from napari_acll.evaluation._session_measures import SessionMeasures


def names_figure(measures: SessionMeasures) -> str:
    """Return names per volume and their mean probability over time.

    Parameters
    ----------
    measures : SessionMeasures
        What to draw.
    """
    figure = new_figure(6.4, 3.4)
    top, below = figure.subplots(2, 1, sharex=True)
    top.plot(measures.n_names, color=OURS, linewidth=0.9)
    top.set_ylabel("names")
    top.set_ylim(bottom=0)
    below.plot(measures.mean_confidence, color=OURS, linewidth=0.9)
    below.set(ylim=(0, 1), xlabel="volume", ylabel="mean probability")
    return as_svg(figure)


def check_figure(measures: SessionMeasures) -> str:
    """Return what came against what was expected, one dot per neuron.

    Parameters
    ----------
    measures : SessionMeasures
        What to draw.
    """
    figure = new_figure(6.4, 3.4)
    for axes, (name, check) in zip(figure.subplots(1, 2), measures.checks.items(), strict=True):
        known = check.known
        expected, actual = check.expected[known], check.actual[known]
        end = max(1.0, float(np.max([expected, actual]))) if len(expected) else 1.0
        axes.plot([0, end], [0, end], color=GRID, linewidth=1.5, zorder=1)
        order = np.argsort(expected)
        low, high = check.low[known][order], check.high[known][order]
        axes.fill_between(expected[order], low, high, color=OTHER, alpha=0.2, linewidth=0)
        axes.scatter(expected, actual, s=9, color=OURS, linewidths=0)
        axes.set(xlabel=f"{name}, expected", ylabel=f"{name}, as it came")
    return as_svg(figure)
