"""Sections of a report."""

import math
from html import escape

from napari_acll.evaluation._elements import (
    Row,
    count,
    interval,
    number,
    pair,
    percent,
    picture,
    section,
    shown,
    table,
)
from napari_acll.evaluation._figures import (
    BIN_LABELS,
    PUBLISHED_BINS,
    detection_figure,
    outcome_figure,
    record_figure,
    reliability_figure,
    series_shown,
    time_figure,
)
from napari_acll.evaluation._measures import ABOUT, Measure
from napari_acll.evaluation._result import Evaluation
from napari_acll.evaluation._tables import Confusion, NeuronScore

N_CONFUSIONS = 40
PUBLISHED = {
    "right_if_confident": "93.1 %",
    "confident_names_per_volume": "68.6",
    "confident_listed_per_volume": "46.6",
}
"""Of the published AutoCellLabeler in freely moving animals; see `docs/how-to/evaluate.md`."""
ANIMAL_COLUMNS = {
    "right": "right, %",
    "right_in_3": "in first 3, %",
    "right_if_confident": "confident: right, %",
    "share_confident": "confident: share, %",
    "confident_names_per_volume": "confident names per volume",
    "nameless_confident": "nameless named, %",
    "detection_f1": "detection F1, %",
    "calibration_error": "calibration error, %",
    "confident_switches": "switches, %",
    "warned": "warned of, %",
    "duplicates_per_volume": "duplicates per volume",
}


def record_section(evaluation: Evaluation) -> str:
    """Return the section on how the names compare with the published figures."""
    rows: list[Row] = [
        (ABOUT[name], shown(name, evaluation.measures[name]), published)
        for name, published in PUBLISHED.items()
    ]
    bins = zip(BIN_LABELS, evaluation.record_bins.bins, PUBLISHED_BINS, strict=True)
    rows += [
        (
            f"right of the names at {label} ({count(b.n, 'name')})",
            percent(b.share_right),
            percent(published),
        )
        for label, b, published in bins
    ]
    text = (
        "<p>The published figures are of AutoCellLabeler on real, freely moving animals, scored on"
        " the names that meet a confident human label. Other animals, other truth: they say where"
        " one stands, not who wins.</p>"
    )
    measures = table(("", "here", "published"), rows, caption="Names of listed nuclei")
    return section(
        "Against the record",
        text
        + pair(
            measures,
            picture(
                record_figure(evaluation),
                "Names that are right, by the probability that they came with.",
            ),
        ),
    )


def animal_section(evaluation: Evaluation) -> str:
    """Return the section on each animal, the worst first."""
    header = ("animal", "volumes", "not labeled", *ANIMAL_COLUMNS.values())
    rows = [
        (
            animal.name,
            str(animal.n_volumes),
            str(animal.n_unlabelable + animal.n_skipped + animal.n_lost),
            *(shown(name, animal.measures[name], unit="") for name in ANIMAL_COLUMNS),
        )
        for animal in evaluation.animals
    ]
    drawing = picture(
        outcome_figure(evaluation),
        "What became of each listed nucleus. Left/right: it has the name of the same neuron on the"
        " other side; neighbor: of a neuron within 6 um; not there: of one that the truth lacks.",
    )
    caption = (
        "The worst animal first. Volumes that were flagged, skipped or lost are not compared."
    )
    return section("Animals", table(header, rows, caption=caption) + drawing)


def calibration_section(evaluation: Evaluation) -> str:
    """Return the section on how far probabilities can be believed."""
    errors = (
        ("names of listed nuclei, equal width", evaluation.reliability.error),
        ("names of listed nuclei, equal number", evaluation.reliability_equal_mass.error),
        ("all names given, equal width", evaluation.reliability_of_all_names.error),
    )
    rows = [(label, percent(error)) for label, error in errors]
    header = ("from", "to", "names", "mean probability", "right")
    bins = [
        (
            percent(b.low),
            percent(b.high),
            str(b.n),
            percent(b.mean_probability),
            percent(b.share_right),
        )
        for b in evaluation.reliability.bins
        if b.n
    ]
    tables = table(("15 bins", "calibration error"), rows) + table(
        header, bins, caption="Names of listed nuclei, 15 bins of equal width"
    )
    drawing = picture(
        reliability_figure(evaluation),
        "On the line, a probability of 80 % means that 80 % are right; below it the model is too"
        " sure. Bars: one standard error, as if names were independent.",
    )
    return section("Can the probabilities be believed?", pair(drawing, tables))


def time_section(evaluation: Evaluation) -> str:
    """Return the section on how names hold over time."""
    rows = [
        (ABOUT[name], shown(name, evaluation.measures[name]))
        for name in ("switches", "confident_switches", "jumps", "confident_jumps")
    ]
    n_shown, n_animals = len(series_shown(evaluation)), len(evaluation.animals)
    which = "" if n_shown == n_animals else f" The {n_shown} worst of {n_animals} animals."
    drawing = picture(
        time_figure(evaluation),
        f"Confident names over time; running means in long recordings.{which}",
    )
    traces = (
        ("all volumes", evaluation.trace_correlation),
        ("without those in which the name is wrong", evaluation.trace_correlation_if_right),
    )
    known = [(label, number(value, 3)) for label, value in traces if math.isfinite(value)]
    caption = "Correlation of traces with the true activity, median over neurons"
    tables = table(("from one sighting to the next", ""), rows)
    tables += table(("volumes", "correlation"), known, caption=caption) if known else ""
    return section("Over time", drawing + tables)


def detection_section(evaluation: Evaluation) -> str:
    """Return the section on detections, names where none belong, and masks."""
    names = (
        "detection_precision",
        "detection_recall",
        "detection_f1",
        "listed_recall",
        "center_error_um",
        "nameless_confident",
        "unlisted_confident_right",
        "unlisted_confident_wrong",
        "false_confident",
        "duplicates_per_volume",
    )
    rows: list[Row] = [_measure_row(name, evaluation.measures[name]) for name in names]
    drawing = picture(detection_figure(evaluation), "Detections against nuclei, by animal.")
    body = table(("", "value", "of", "95 % interval"), rows) + drawing
    return section("Detections, and names where none belong", body + _mask_table(evaluation))


def _mask_table(evaluation: Evaluation) -> str:
    masks = evaluation.masks
    if masks is None:
        return '<p class="quiet">No masks on both sides, so nothing is said of outlines.</p>'
    regions = masks.neurofinder
    rows = (
        ("intersection over union, mean over pairs", number(masks.mean_overlap, 3)),
        ("average precision at 0.5", number(masks.average_precision, 3)),
        ("Neurofinder recall", number(regions.recall, 3)),
        ("Neurofinder precision", number(regions.precision, 3)),
        ("Neurofinder combined", number(regions.combined, 3)),
        ("Neurofinder inclusion", number(regions.inclusion, 3)),
        ("Neurofinder exclusion", number(regions.exclusion, 3)),
    )
    caption = f"Masks of named neurons, {count(masks.n_volumes, 'volume')}"
    return table(("", ""), rows, caption=caption)


def confusion_section(evaluation: Evaluation) -> str:
    """Return the section on which names stand where others belong."""
    if not evaluation.confusions:
        return section("Confusions", "<p>No listed nucleus got a wrong name.</p>")
    shown = evaluation.confusions[:N_CONFUSIONS]
    total = sum(item.n for item in evaluation.confusions)
    caption = (
        f"The {len(shown)} most frequent of {len(evaluation.confusions)} pairs; {total} wrong"
        " names in all"
    )
    header = ("neuron", "got the name", "times", "confident", "kind", "distance, um")
    return section("Confusions", table(header, map(_confusion_row, shown), caption=caption))


def _confusion_row(item: Confusion) -> Row:
    distance = number(item.distance_um)
    return item.true, item.given, str(item.n), str(item.n_confident), item.kind, distance


def neuron_section(evaluation: Evaluation) -> str:
    """Return the section on each neuron, the worst first."""
    header = (
        "neuron",
        "right, %",
        "listed in",
        "found",
        "named",
        "confident",
        "of these right",
        "mean probability, %",
        "most often taken for",
        "trace correlation",
    )
    worst_first = sorted(evaluation.neurons, key=lambda neuron: (neuron.right, neuron.name))
    rows = "".join(_neuron_row(neuron) for neuron in worst_first)
    head = "".join(f"<th>{escape(text)}</th>" for text in header)
    caption = "The worst neuron first; counts are volumes of all animals"
    return section(
        "Neurons",
        f'<div class="scroll"><table><caption>{caption}</caption><thead><tr>{head}</tr></thead>'
        f"<tbody>{rows}</tbody></table></div>",
    )


def _neuron_row(neuron: NeuronScore) -> str:
    share = 100 * neuron.right
    bar = f'<span class="bar"><span style="width:{share:.1f}%"></span></span>{share:.0f}'
    taken = f"{neuron.taken_for} ({neuron.n_taken_for})" if neuron.taken_for else ""
    counts = (
        neuron.n_listed,
        neuron.n_found,
        neuron.n_named,
        neuron.n_confident,
        neuron.n_confident_right,
    )
    cells = [
        *map(str, counts),
        percent(neuron.mean_probability, unit=""),
        taken,
        number(neuron.trace_correlation, 2),
    ]
    rest = "".join(f"<td>{escape(cell)}</td>" for cell in cells)
    return f"<tr><td>{escape(neuron.name)}</td><td>{bar}</td>{rest}</tr>"


def measure_section(evaluation: Evaluation) -> str:
    """Return the section on all measures."""
    rows = [_measure_row(name, value) for name, value in evaluation.measures.items()]
    caption = "Intervals are over animals (bootstrap), so a single animal has none"
    measures = table(("", "value", "of", "95 % interval"), rows, caption=caption)
    return section("All measures", f"<p>The same figures are in evaluation.json.</p>{measures}")


def _measure_row(name: str, value: Measure) -> Row:
    return ABOUT[name], shown(name, value), str(value.n), interval(name, value)
