"""A comparison of traces as one page, as a table and as JSON."""

import csv
import json
import math
from collections.abc import Sequence
from dataclasses import astuple
from html import escape
from pathlib import Path

from napari_acll import __version__
from napari_acll.core import SessionError
from napari_acll.evaluation._elements import count, number, pair, percent, picture, section, table
from napari_acll.evaluation._page import page_of
from napari_acll.evaluation._trace_comparison import (
    AGREEMENT_COLUMNS,
    LEAST_FIT,
    LEAST_GAIN,
    Exchange,
    NeuronAgreement,
    TraceComparison,
)
from napari_acll.evaluation._trace_figures import (
    correlation_figure,
    difference_figure,
    matrix_figure,
    trace_figure,
)

PAGE, TABLE, JSON = "comparison.html", "comparison.csv", "comparison.json"


def write_comparison(
    comparison: TraceComparison, folder: str | Path, *, overwrite: bool = False
) -> Path:
    """Write a comparison as `comparison.html`, `comparison.csv` and `comparison.json`.

    Parameters
    ----------
    comparison : TraceComparison
        What to report.
    folder : str or Path
        Where to; it is made if it is not there.
    overwrite : bool
        Whether an older comparison there is replaced.

    Returns
    -------
    Path
        The page, which holds its figures.

    Raises
    ------
    SessionError
        If there is one already that is not to be replaced, or it cannot be written.
    """
    folder = Path(folder)
    check_new_comparison(folder, overwrite=overwrite)
    text = json.dumps(comparison.as_dict(), indent=2, allow_nan=False) + "\n"
    page = comparison_page(comparison)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        (folder / PAGE).write_text(page, encoding="utf-8")
        (folder / JSON).write_text(text, encoding="utf-8")
        with (folder / TABLE).open("w", encoding="utf-8", newline="") as file:
            writer = csv.writer(file, lineterminator="\n")
            writer.writerow(AGREEMENT_COLUMNS)
            writer.writerows(_fields(item) for item in comparison.neurons)
    except OSError as error:
        raise SessionError(
            f"{folder} cannot be written ({error.strerror or error}); choose another folder."
        ) from error
    return folder / PAGE


def check_new_comparison(folder: Path, *, overwrite: bool) -> None:
    """Check that a comparison could be written.

    Raises
    ------
    SessionError
        If there is one already that is not to be replaced, or the folder is a file.
    """
    if folder.exists() and not folder.is_dir():
        raise SessionError(f"{folder} is a file; choose a folder for the comparison.")
    taken = [name for name in (PAGE, TABLE, JSON) if (folder / name).exists()]
    if taken and not overwrite:
        raise SessionError(
            f"{folder} holds {' and '.join(taken)} already; choose another folder, or say that"
            " they may be replaced (--overwrite)."
        )


def comparison_page(comparison: TraceComparison) -> str:
    """Return the page.

    Parameters
    ----------
    comparison : TraceComparison
        What to report.
    """
    sections = [_agreement_section(comparison), _exchange_section(comparison)]
    if len(comparison.correlation):
        sections.insert(1, _trace_section(comparison))
    sections.append(_neuron_section(comparison))
    return page_of(
        f"{comparison.ours.source} and {comparison.other.source}",
        summary=comparison_sentence(comparison),
        terms=_terms(comparison),
        notes=comparison.notes,
        sections=sections,
    )


def comparison_sentence(comparison: TraceComparison) -> str:
    """Return what a comparison found, in a sentence or two.

    Parameters
    ----------
    comparison : TraceComparison
        What was found.
    """
    found = comparison.summary()
    both = count(int(found["n_neurons"]), "neuron")
    text = (
        f"{both} in both, {len(comparison.only_ours)} only in {comparison.ours.source},"
        f" {len(comparison.only_other)} only in {comparison.other.source}"
    )
    if not found["n_compared"]:
        return f"{text}; none has enough values in both to be compared."
    text += (
        f"; over {int(found['n_timepoints'])} timepoints the traces of one name correlate with"
        f" {found['median_correlation']:.2f} in the median, 10 % of them with less than"
        f" {found['tenth_percentile']:.2f}."
    )
    lag = found["median_lag_volumes"]
    if math.isfinite(lag) and lag:
        later = comparison.other.source if lag > 0 else comparison.ours.source
        how_far = "1 volume" if abs(lag) == 1 else f"{abs(lag):g} volumes"
        neurons = count(int(found["n_lags"]), "neuron")
        text += f" {later} is {how_far} later in the median of {neurons} that correlate well."
    if comparison.exchanges:
        text += f" {count(len(comparison.exchanges), 'name')} would fit another trace much better."
    return text


def exchange_sentence(exchange: Exchange) -> str:
    """Return what would fit better, as a sentence.

    Parameters
    ----------
    exchange : Exchange
        What was found.
    """
    as_named = exchange.correlation_as_named
    before = f", {as_named:.2f} with its own" if math.isfinite(as_named) else ""
    fit = f"{exchange.neuron} fits the other's {exchange.fits} (r = {exchange.correlation:.2f}"
    end = "; the two names seem to be exchanged." if exchange.is_mutual else "."
    return f"{fit}{before}){end}"


def _terms(comparison: TraceComparison) -> str:
    return (
        f"Ours is {comparison.ours.source}, the other {comparison.other.source}. Timepoints are"
        f" the same by {comparison.by.value}. A lag above 0 means that the other"
        " trace comes later. The scale is the ratio of the standard deviations, ours over the"
        f" other's. Made by napari-acll {__version__}."
    )


def _agreement_section(comparison: TraceComparison) -> str:
    if not len(comparison.correlation):
        return section("Agreement", "<p>Nothing can be compared.</p>")
    caption = (
        "Correlation of the traces of one name, and the lags at which it is best, of neurons that"
        f" correlate there with at least {LEAST_FIT}."
    )
    matrix = (
        "Correlation of our traces (rows) with the other's (columns), by name. Names that are"
        " exchanged lie off the diagonal."
    )
    apart = (
        "Difference of the two traces of each neuron, each in standard deviations, the neuron that"
        " correlates worst at the top; gray where one has no value; above, the median of all. A"
        " stretch of one color is a name that went to another nucleus, a column a volume that one"
        " of both got wrong."
    )
    lacking = "".join(
        f"<p>Only in {escape(source)}: {escape(', '.join(names) or 'none')}.</p>"
        for source, names in (
            (comparison.ours.source, comparison.only_ours),
            (comparison.other.source, comparison.only_other),
        )
    )
    beside = pair(
        picture(matrix_figure(comparison), matrix),
        picture(difference_figure(comparison), apart),
    )
    return section(
        "Agreement", picture(correlation_figure(comparison), caption) + beside + lacking
    )


def _trace_section(comparison: TraceComparison) -> str:
    caption = (
        f"Traces in standard deviations: {comparison.ours.source} blue, {comparison.other.source}"
        " orange; the best, those in the middle, and the worst."
    )
    return section("Traces", picture(trace_figure(comparison), caption))


def _exchange_section(comparison: TraceComparison) -> str:
    about = (
        f"<p>Traces of other names that correlate at least {LEAST_FIT}, and {LEAST_GAIN} better"
        " than those of the same name. Partners of the two sides are often too alike to be told"
        " apart by this.</p>"
    )
    items = "".join(f"<li>{escape(exchange_sentence(item))}</li>" for item in comparison.exchanges)
    return section("Names that would fit better", f"{about}<ul>{items or '<li>None.</li>'}</ul>")


def agreement_rows(neurons: Sequence[NeuronAgreement]) -> list[list[str]]:
    """Return the rows of a table for people, the worst neurons first.

    Parameters
    ----------
    neurons : sequence of NeuronAgreement
        What to tell.
    """
    order = sorted(neurons, key=lambda item: (math.isnan(item.correlation), item.correlation))
    return [
        [
            item.neuron,
            str(item.n_shared),
            percent(item.share_ours),
            percent(item.share_other),
            number(item.correlation, 2),
            number(item.correlation_at_lag, 2),
            f"{item.lag_volumes:+d}" if math.isfinite(item.correlation_at_lag) else "not known",
            number(item.scale, 3),
        ]
        for item in order
    ]


AGREEMENT_HEADER = (
    "neuron",
    "timepoints",
    "ours has",
    "other has",
    "correlation",
    "at best lag",
    "lag, volumes",
    "scale",
)


def _neuron_section(comparison: TraceComparison) -> str:
    return section("Neurons", table(AGREEMENT_HEADER, agreement_rows(comparison.neurons)))


def _fields(item: NeuronAgreement) -> list[str]:
    """Return the fields of a row of the table, empty for what is not known."""
    return [
        "" if isinstance(value, float) and math.isnan(value) else str(value)
        for value in astuple(item)
    ]
