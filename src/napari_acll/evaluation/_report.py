"""An evaluation as one page that opens anywhere, and as JSON."""

from pathlib import Path

from napari_acll import __version__
from napari_acll.core import SessionError
from napari_acll.evaluation._elements import count, interval, number, percent
from napari_acll.evaluation._page import page_of
from napari_acll.evaluation._report_sections import (
    animal_section,
    calibration_section,
    confusion_section,
    detection_section,
    measure_section,
    neuron_section,
    record_section,
    time_section,
)
from napari_acll.evaluation._result import Evaluation

PAGE, JSON = "report.html", "evaluation.json"


def write_report(
    evaluation: Evaluation,
    folder: str | Path,
    *,
    title: str = "Evaluation of names",
    overwrite: bool = False,
) -> Path:
    """Write an evaluation as `report.html` and `evaluation.json`.

    The page holds its figures and asks nothing of any other place, so it can be mailed and opens
    without a network.

    Parameters
    ----------
    evaluation : Evaluation
        What to report.
    folder : str or Path
        Where to; it is made if it is not there.
    title : str
        Heading of the page.
    overwrite : bool
        Whether an older report there is replaced.

    Returns
    -------
    Path
        The page.

    Raises
    ------
    SessionError
        If there is a report already that is not to be replaced, or it cannot be written.
    """
    folder = Path(folder)
    page = folder / PAGE
    check_new_report(folder, overwrite=overwrite)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        page.write_text(render_page(evaluation, title=title), encoding="utf-8")
    except OSError as error:
        raise SessionError(
            f"{page} cannot be written ({error.strerror or error}); choose another folder."
        ) from error
    evaluation.write_json(folder / JSON)
    return page


def check_new_report(folder: Path, *, overwrite: bool) -> None:
    """Check that a report could be written, before hours of work.

    Raises
    ------
    SessionError
        If there is a report already that is not to be replaced, or the folder is a file.
    """
    if folder.exists() and not folder.is_dir():
        raise SessionError(f"{folder} is a file; choose a folder for the report.")
    taken = [name for name in (PAGE, JSON) if (folder / name).exists()]
    if taken and not overwrite:
        raise SessionError(
            f"{folder} holds {' and '.join(taken)} already; choose another folder, or say that"
            " they may be replaced (--overwrite)."
        )


def render_page(evaluation: Evaluation, *, title: str) -> str:
    """Return the page.

    Parameters
    ----------
    evaluation : Evaluation
        What to report.
    title : str
        Its heading.
    """
    sections = (
        record_section(evaluation),
        animal_section(evaluation),
        calibration_section(evaluation),
        time_section(evaluation),
        detection_section(evaluation),
        confusion_section(evaluation),
        neuron_section(evaluation),
        measure_section(evaluation),
    )
    return page_of(
        title,
        summary=summary_sentence(evaluation),
        terms=_terms(evaluation),
        notes=evaluation.notes,
        sections=sections,
    )


def summary_sentence(evaluation: Evaluation) -> str:
    """Return what an evaluation found, in a sentence or two.

    Parameters
    ----------
    evaluation : Evaluation
        What was found.
    """
    n_animals = len(evaluation.animals)
    n_volumes = evaluation.measures["names_per_volume"].n
    sure = evaluation.measures["right_if_confident"]
    worst, ends = evaluation.animals[0], interval("right_if_confident", sure)
    spread = f" (95 % interval over animals: {ends})" if ends else ""
    text = (
        f"Over {count(n_animals, 'animal')} and {count(n_volumes, 'volume')},"
        f" {percent(sure.value)} of the confident names of listed nuclei are right"
        f"{spread}; {percent(evaluation.value('share_confident'))} of the listed nuclei"
        f" have one, {number(evaluation.value('confident_names_per_volume'))} names per volume in"
        f" all. By the most probable name, {percent(evaluation.value('right'))} are right."
    )
    if n_animals > 1:
        text += (
            f" Worst animal: {worst.name}, {percent(worst.measures['right_if_confident'].value)}."
        )
    return text


def _terms(evaluation: Evaluation) -> str:
    return (
        "Listed nuclei are those that an annotator named and whose name the model has; a name is"
        f" confident from a probability of {evaluation.confident:g} on; a detection is the nucleus"
        f" that it lies nearest to, within {evaluation.match_um:g} um, one to one. A missed"
        f" nucleus is not right. Made by napari-acll {__version__}."
    )
