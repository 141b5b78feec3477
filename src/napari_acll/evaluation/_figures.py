"""Figures of a report, as SVG that stands in a page; drawn without global state."""

import math
from typing import TYPE_CHECKING

import numpy as np

from napari_acll.evaluation._bins import Bin, Reliability
from napari_acll.evaluation._drawing import GRID, INK, OTHER, OURS, QUIET, as_svg, new_figure
from napari_acll.evaluation._errors_of_names import OUTCOMES
from napari_acll.evaluation._nuclei import Floats, Ints
from napari_acll.evaluation._result import Evaluation, VolumeSeries

if TYPE_CHECKING:
    from matplotlib.axes import Axes

PUBLISHED = "#9aa3b5"
# Okabe and Ito's colors, which the color-blind tell apart
OUTCOME_COLORS = ("#0072b2", "#56b4e9", "#e69f00", "#d55e00", "#cc79a7", "#c3c9d6", "#5f6778")
LIGHT_COLORS = ("#56b4e9", "#e69f00", "#cc79a7", "#c3c9d6")
PUBLISHED_BINS = (0.579, 0.807, 0.918, 0.977)
"""Share right of the published AutoCellLabeler in freely moving animals, in the record's bins."""
BIN_LABELS = ("under 75 %", "75 to 95 %", "95 to 99 %", "99 to 100 %")
N_ANIMALS = 6
"""Animals that are drawn over time: as many as can be told apart, the worst first."""
SMOOTHED = 15
"""Volumes over which lines over time are averaged in long recordings."""


def reliability_figure(evaluation: Evaluation) -> str:
    """Return share right against probability, and how many names there are of each.

    Parameters
    ----------
    evaluation : Evaluation
        What to draw.
    """
    figure = new_figure(5.6, 4.9)
    top, below = figure.subplots(2, 1, height_ratios=(4, 1), sharex=True)
    top.plot([0, 1], [0, 1], color=GRID, linewidth=1.5, zorder=1)
    _draw_reliability(top, evaluation.reliability, OURS, "names of listed nuclei", "o")
    mass = evaluation.reliability_equal_mass
    _draw_reliability(top, mass, OURS, "the same, bins of equal number", "_")
    everything = evaluation.reliability_of_all_names
    if math.isfinite(everything.error):
        _draw_reliability(top, everything, OTHER, "all names given", "s")
    bins = evaluation.reliability.bins
    width = bins[0].high - bins[0].low
    below.bar([(b.low + b.high) / 2 for b in bins], [b.n for b in bins], width * 0.9, color=OURS)
    top.set(xlim=(0, 1), ylim=(0, 1.02), ylabel="share right")
    below.set(xlabel="probability that the name is right", ylabel="names")
    top.legend(frameon=False, fontsize=8, loc="upper left", labelcolor=INK)
    return as_svg(figure)


def _draw_reliability(
    axes: "Axes", reliability: Reliability, color: str, label: str, marker: str
) -> None:
    bins = [b for b in reliability.bins if b.n]
    x, y = [b.mean_probability for b in bins], [b.share_right for b in bins]
    line = "-" if marker != "_" else ""
    axes.plot(x, y, marker=marker, linestyle=line, color=color, markersize=5, label=label)
    if marker == "o":
        error = [_binomial_error(b) for b in bins]
        axes.errorbar(x, y, yerr=error, fmt="none", ecolor=color, alpha=0.4, elinewidth=1)


def _binomial_error(bin_: Bin) -> float:
    return math.sqrt(bin_.share_right * (1 - bin_.share_right) / bin_.n)


def record_figure(evaluation: Evaluation) -> str:
    """Return the share of right names in the bins of the published figures, beside these.

    Parameters
    ----------
    evaluation : Evaluation
        What to draw.
    """
    figure = new_figure(5.6, 4.9)
    axes = figure.subplots()
    place = np.arange(len(BIN_LABELS))
    bins = evaluation.record_bins.bins
    share = [100 * b.share_right if b.n else 0.0 for b in bins]
    axes.bar(place - 0.2, share, 0.38, color=OURS, label="this evaluation")
    published = 100 * np.array(PUBLISHED_BINS)
    axes.bar(place + 0.2, published, 0.38, color=PUBLISHED, label="published")
    for x, b, height in zip(place, bins, share, strict=True):
        text = f"{height:.1f}\nn = {b.n}" if b.n else "none"
        axes.annotate(text, (x - 0.2, height), ha="center", va="bottom", fontsize=8, color=INK)
    for x, height in zip(place, published, strict=True):
        _note(axes, f"{height:.1f}", x + 0.2, height)
    axes.set(ylim=(0, 118), ylabel="names that are right, %", xlabel="probability of the name")
    axes.set_xticks(place, BIN_LABELS)
    axes.set_yticks(range(0, 101, 20))
    axes.legend(frameon=False, fontsize=8, loc="upper left", labelcolor=INK)
    return as_svg(figure)


def _note(axes: "Axes", text: str, x: float, y: float) -> None:
    axes.annotate(text, (x, y), ha="center", va="bottom", fontsize=8, color=QUIET)


def outcome_figure(evaluation: Evaluation) -> str:
    """Return what became of the listed nuclei of each animal, the worst animal on top.

    Parameters
    ----------
    evaluation : Evaluation
        What to draw.
    """
    animals = evaluation.animals
    figure = new_figure(11.4, 1.5 + 0.34 * len(animals))
    axes = figure.subplots()
    left = np.zeros(len(animals))
    for outcome, color in zip(OUTCOMES, OUTCOME_COLORS, strict=True):
        key = f"listed_{outcome.name.lower()}" if outcome is not OUTCOMES[0] else "right"
        share = np.array([100 * animal.measures[key].value for animal in animals])
        axes.barh(range(len(animals)), share, 0.72, left, color=color, label=str(outcome))
        _write_shares(axes, left, share, is_light=color in LIGHT_COLORS)
        left = left + share
    axes.set_yticks(range(len(animals)), [_short(animal.name) for animal in animals])
    axes.set(xlim=(0, 100), xlabel="listed nuclei, %")
    axes.invert_yaxis()
    figure.legend(
        *axes.get_legend_handles_labels(),
        loc="outside upper center",
        ncols=len(OUTCOMES),
        frameon=False,
        fontsize=8,
        labelcolor=INK,
    )
    return as_svg(figure)


def _write_shares(axes: "Axes", left: Floats, share: Floats, *, is_light: bool) -> None:
    for row, (start, width) in enumerate(zip(left, share, strict=True)):
        if width >= 4:  # narrower ones have no room for a number
            axes.text(
                start + width / 2,
                row,
                f"{width:.0f}",
                ha="center",
                va="center",
                fontsize=7.5,
                color=INK if is_light else "white",
            )


def detection_figure(evaluation: Evaluation) -> str:
    """Return how many nuclei are found, and how many detections are nuclei, for each animal.

    Parameters
    ----------
    evaluation : Evaluation
        What to draw.
    """
    animals = evaluation.animals
    figure = new_figure(11.4, 1.5 + 0.3 * len(animals))
    axes = figure.subplots()
    marks = {
        "detection_precision": ("detections that are nuclei", "s", OTHER),
        "detection_recall": ("nuclei found", "o", OURS),
        "listed_recall": ("listed nuclei found", "D", PUBLISHED),
    }
    for name, (label, marker, color) in marks.items():
        share = [100 * animal.measures[name].value for animal in animals]
        rows = range(len(animals))
        axes.plot(share, rows, marker, color=color, label=label, markersize=6, clip_on=False)
    low = np.nanmin([100 * a.measures[name].value for a in animals for name in marks])
    axes.set_yticks(range(len(animals)), [_short(animal.name) for animal in animals])
    axes.set(xlim=(max(0, math.floor(low / 10) * 10 - 5), 100), ylim=(len(animals) - 0.5, -0.5))
    axes.set_xlabel(f"%, within {evaluation.match_um:g} um")
    figure.legend(
        *axes.get_legend_handles_labels(),
        loc="outside upper center",
        ncols=3,
        frameon=False,
        fontsize=8,
        labelcolor=INK,
    )
    return as_svg(figure)


def time_figure(evaluation: Evaluation) -> str:
    """Return share right and number of confident names over time.

    Parameters
    ----------
    evaluation : Evaluation
        What to draw; of many animals only the worst.
    """
    series = series_shown(evaluation)
    figure = new_figure(11.4, 5.2)
    top, below = figure.subplots(2, 1, sharex=True)
    colors = (*OUTCOME_COLORS[:5], OUTCOME_COLORS[6])
    for color, item in zip(colors, series, strict=False):
        x = item.volume
        right = _ratio(item.counts["n_confident_right"], item.counts["n_listed_confident"])
        label = _short(item.animal)
        top.plot(x, 100 * _smooth(right), color=color, linewidth=1.4, label=label)
        number = item.counts["n_confident"].astype(np.float64)
        below.plot(x, _smooth(number), color=color, linewidth=1.4)
    top.set(ylim=(-3, 103), ylabel="confident names\nthat are right, %")
    below.set(xlabel="volume", ylabel="confident names")
    below.set_ylim(bottom=0)
    below.xaxis.get_major_locator().set_params(integer=True)
    figure.legend(
        *top.get_legend_handles_labels(),
        loc="outside upper center",
        ncols=3,
        frameon=False,
        fontsize=8,
        labelcolor=INK,
    )
    return as_svg(figure)


def series_shown(evaluation: Evaluation) -> list[VolumeSeries]:
    """Return the animals that are drawn over time, the worst first.

    Parameters
    ----------
    evaluation : Evaluation
        All animals.
    """
    by_name = {series.animal: series for series in evaluation.volumes}
    return [by_name[animal.name] for animal in evaluation.animals[:N_ANIMALS]]


def _smooth(values: Floats) -> Floats:
    """Return running means over known values, where there are many."""
    if len(values) < 10 * SMOOTHED:
        return values
    known = np.isfinite(values)
    kernel = np.ones(SMOOTHED)
    sums = np.convolve(np.where(known, values, 0.0), kernel, mode="same")
    counts = np.convolve(known.astype(np.float64), kernel, mode="same")
    result: Floats = _ratio(sums, counts)
    return result


def _ratio(part: Ints | Floats, whole: Ints | Floats) -> Floats:
    result = np.full(len(part), np.nan)
    np.divide(part, whole, out=result, where=np.asarray(whole) > 0)
    return result


def _short(name: str) -> str:
    return name if len(name) <= 28 else f"{name[:25]}..."
