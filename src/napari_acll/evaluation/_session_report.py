"""What a session tells of its own traces, as one page that opens anywhere."""

from pathlib import Path

import numpy as np

from napari_acll import __version__
from napari_acll.core import SessionError
from napari_acll.evaluation._elements import (
    Row,
    count,
    number,
    pair,
    percent,
    picture,
    section,
    table,
)
from napari_acll.evaluation._page import page_of
from napari_acll.evaluation._session_figures import check_figure, names_figure
from napari_acll.evaluation._session_measures import SessionMeasures, measure_session
from napari_acll.export import SavedSession
from napari_acll.quality import Verdict

USUAL_PAIR_CORRELATION = (0.35, 0.63, 0.83)
"""Quartiles of real recordings, see `docs/explanations/virtual-worm.md`."""
_N_PAIRS = 30


def write_session_report(
    saved: SavedSession, page: str | Path, *, overwrite: bool = False
) -> SessionMeasures:
    """Write what a session tells of its own traces as an HTML page.

    Neither the recording nor any truth is needed. The page holds its figures and asks nothing of
    any other place.

    Parameters
    ----------
    saved : SavedSession
        The session, also one that still grows.
    page : str or Path
        The file to write.
    overwrite : bool
        Whether an older page is replaced.

    Returns
    -------
    SessionMeasures
        What is on the page.

    Raises
    ------
    SessionError
        If there is a file that is not to be replaced, it cannot be written, or the session is
        damaged or holds no values.
    """
    page = Path(page)
    if page.exists() and not overwrite:
        raise SessionError(
            f"{page} exists already; choose another file, or say that it may be replaced"
            " (--overwrite)."
        )
    measures = measure_session(saved)
    try:
        page.parent.mkdir(parents=True, exist_ok=True)
        page.write_text(_page(saved, measures), encoding="utf-8")
    except OSError as error:
        raise SessionError(
            f"{page} cannot be written ({error.strerror or error}); choose another place."
        ) from error
    return measures


def session_sentence(measures: SessionMeasures) -> str:
    """Return what a session tells of itself in a few sentences.

    Parameters
    ----------
    measures : SessionMeasures
        What was measured.
    """
    n_by_status = measures.n_by_status
    n_lost = sum(n_by_status[name] for name in ("skipped", "lost", "unlabelable"))
    n_traced = n_by_status["traced"] + n_by_status["backfilled"]
    text = (
        f"{count(n_traced, 'volume')} with values, {n_lost} without;"
        f" {number(float(measures.n_names[measures.n_names > 0].mean()))} names per volume at a"
        f" mean probability of {number(float(np.nanmean(measures.mean_confidence)), 2)}."
    )
    if measures.forecast is None:
        return f"{text} The session made no forecast."
    return f"{text} {measures.forecast.sentence()}"


def _page(saved: SavedSession, measures: SessionMeasures) -> str:
    sections = (
        _time_section(measures),
        _forecast_section(measures),
        _artifact_section(measures),
        _pair_section(measures),
        _neuron_section(measures),
    )
    return page_of(
        f"Traces of {saved.path.name}",
        summary=session_sentence(measures),
        terms="Nobody knows here which names are right: this page holds what a session tells of"
        f" itself. Probabilities were calibrated on: {saved.calibrated_on or 'nothing'}. Made"
        f" by napari-acll {__version__}.",
        notes=_notes(measures),
        sections=sections,
    )


def _notes(measures: SessionMeasures) -> list[str]:
    forecast = measures.forecast
    return [forecast.animal.why] if forecast is not None and forecast.animal.is_bad else []


def _time_section(measures: SessionMeasures) -> str:
    rows = [(name, str(n)) for name, n in measures.n_by_status.items() if n]
    drawing = picture(
        names_figure(measures), "Names of each volume, and the mean of their probabilities."
    )
    return section("What became of the volumes", pair(drawing, table(("", "volumes"), rows)))


def _forecast_section(measures: SessionMeasures) -> str:
    forecast = measures.forecast
    if forecast is None:
        return section("Forecast", "<p>The session was too short for one, or made none.</p>")
    animal = forecast.animal
    rows = [
        ("names at 0.75 or more that are right", _interval(animal)),
        ("all names that are right", percent(animal.names_right)),
        ("neurons usable", str(animal.n_usable)),
        ("neurons doubtful", str(animal.n_doubtful)),
        ("neurons not to be used", str(animal.n_rejected)),
    ]
    body = table(("expected", ""), rows, caption=f"After {forecast.n_labeled} labeled volumes")
    if not measures.checks:
        return section("Forecast", body + "<p>Too little came after it to compare it with.</p>")
    header = ("what came", "neurons", "rank correlation", "inside of the interval")
    checks = [
        (name, str(int(check.known.sum())), number(check.correlation, 2), percent(check.held))
        for name, check in measures.checks.items()
    ]
    caption = f"Intervals are to hold {percent(forecast.level)}; accuracy needs a truth"
    body += table(header, checks, caption=caption)
    drawing = picture(check_figure(measures), "Each dot is a neuron; on the line all came true.")
    return section("Forecast, and what came", pair(drawing, body))


def _interval(animal: object) -> str:
    value, low, high = (
        percent(getattr(animal, name)) for name in ("accuracy", "accuracy_low", "accuracy_high")
    )
    return f"{value} ({low} to {high})"


def _artifact_section(measures: SessionMeasures) -> str:
    rows: list[Row] = [
        (
            artifact.name,
            number(artifact.correlation, 2),
            number(artifact.by_chance, 2),
            f"{artifact.n_beyond} of {artifact.n_neurons}",
        )
        for artifact in measures.artifacts
    ]
    header = ("ratio against", "median |r|", "by chance", "neurons beyond chance")
    text = (
        "<p>Neurons that hold GFP go with nothing of this. By chance: with copies that are shifted"
        " in time; one neuron in twenty lies beyond all of these. What goes with motion may be an"
        " artifact or behavior; what goes with depth or with the marker is an artifact.</p>"
        f"<p>Of a ratio's variance, the mean of all others explains"
        f" {percent(measures.shared)} (median).</p>"
    )
    return section("Artifacts", text + table(header, rows))


def _pair_section(measures: SessionMeasures) -> str:
    pairs = sorted(measures.pairs(), key=lambda item: item[2])
    if not pairs:
        return section("Left and right", "<p>No pair was seen together often enough.</p>")
    quartiles = np.quantile([correlation for *_, correlation in pairs], (0.25, 0.5, 0.75))
    rows = [
        ("here", *(number(float(value), 2) for value in quartiles)),
        ("usual", *(number(value, 2) for value in USUAL_PAIR_CORRELATION)),
    ]
    body = table(
        ("", "25 %", "median", "75 %"),
        rows,
        caption=f"Correlation of partners on both sides, {count(len(pairs), 'pair')}",
    )
    lowest = [(left, right, number(value, 2)) for left, right, value in pairs[:_N_PAIRS]]
    body += table(
        ("left", "right", "correlation"),
        lowest,
        caption="The lowest first: partners that differ by nature, noise, or a wrong name",
    )
    return section("Left and right", body)


def _neuron_section(measures: SessionMeasures) -> str:
    header = (
        "neuron",
        "verdict",
        "coverage",
        "mean probability",
        "jump, um",
        "size varies by",
        "brightness varies by",
        "noise",
        "signal to noise",
        "with its partner",
    )
    rows = [row for row in range(len(measures.neurons)) if measures.measures.n_found[row] > 0]
    rows.sort(key=lambda row: -float(measures.measures.coverage[row]))
    caption = "The most seen first; over the last minutes of the session, coverage over all of it"
    cells = (_neuron_row(measures, row) for row in rows)
    return section("Neurons", table(header, cells, caption=caption))


def _neuron_row(measures: SessionMeasures, row: int) -> Row:
    found, forecast = measures.measures, measures.forecast
    verdict = "" if forecast is None else Verdict(forecast.verdict[row]).words
    return (
        measures.neurons.names[row],
        verdict,
        percent(float(found.coverage[row])),
        number(float(found.mean_confidence[row]), 2),
        number(float(found.jump_um[row])),
        percent(float(found.size_variation[row])),
        percent(float(found.marker_variation[row])),
        percent(float(found.noise[row])),
        number(float(found.signal_to_noise[row])),
        number(float(found.partner_correlation[row]), 2),
    )
