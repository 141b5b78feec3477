"""Fit the forecast of which neurons will be good, and measure how good it is.

Run by hand::

    python recipes/fit_forecast.py --cache FOLDER --fit
    python recipes/fit_forecast.py --cache FOLDER --data $ACLL_TEST_DATA --score scores.json

`--fit` draws and labels virtual animals, fits on them, and writes the file that the package
ships. Intervals are conformal: they are made of what a model that has not seen an animal says of
it, animal by animal, so that they hold for an animal as a whole and not for a mixture of those
that were fitted on. `--score` draws other virtual animals and, with `--data`, those of lab SF
that no part of the program has learned from, and compares the shipped forecast with what then
happened. Nothing is fitted on these.

After a change of the model delete the cache; after one of identities or traces, what begins with
`traces` in it.
"""

import argparse
import json
import logging
from pathlib import Path
from typing import Any

from forecast_fitting import CUTS, LEVEL, fit
from forecast_outcomes import Outcome, is_hardly_labeled, outcome
from forecast_recordings import LEARN, REAL, TEST, Traces, recordings, traces_of
from forecast_scores import Row, row_of, summary

from napari_acll.core import LabelSettings, NeuronTable
from napari_acll.label import load_labeler
from napari_acll.quality import FIRST_AT, ForecastModel

logger = logging.getLogger("fit_forecast")

SHIPPED = Path(__file__).parents[1] / "src" / "napari_acll" / "quality" / "forecast.json"
FILTERS = ("none", "evidence")


def main() -> None:
    """Draw, label, trace, fit or score."""
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--cache", type=Path, required=True, help="folder of labels and traces")
    parser.add_argument("--data", type=Path, help="folder of the real data")
    parser.add_argument("--fit", action="store_true", help="fit, and write what is shipped")
    parser.add_argument("--learn", type=int, default=21, help="animals to fit on")
    parser.add_argument("--test", type=int, default=7, help="virtual animals to score on")
    parser.add_argument("--real", type=int, default=8, help="real animals to score on")
    parser.add_argument("--score", type=Path, help="score, and write a JSON file")
    arguments = parser.parse_args()
    if arguments.fit:
        fit_all(arguments.cache, arguments.learn)
    if arguments.score:
        wanted = {TEST: arguments.test, REAL: arguments.real if arguments.data else 0}
        score_all(arguments.cache, arguments.data, wanted, arguments.score)


def fit_all(cache: Path, n: int) -> None:
    """Fit the model for each identity filter and write the file that is shipped."""
    labeler = load_labeler(LabelSettings(device="cpu"))
    filters = {}
    for identity in FILTERS:
        found = [
            cut_in_two(traces_of(recording, labeler, cache, identity), labeler.neurons)
            for recording in recordings(None, {LEARN: n})
        ]
        cuts = [one for one in found if one]
        filters[identity] = fit(cuts)
        left_out = summary([without(cuts, number) for number in range(len(cuts))])
        logger.info("%s, each animal left out of the fit in turn: %s", identity, left_out)
    content = {
        "made_by": "recipes/fit_forecast.py",
        "fitted_on": "simulation only",
        "n_animals": len(cuts),
        "level": LEVEL,
        "filters": filters,
    }
    SHIPPED.write_text(
        json.dumps(rounded(content), indent=1) + "\n", encoding="utf-8", newline="\n"
    )
    logger.info("%s", SHIPPED)


def cut_in_two(traces: Traces, neurons: NeuronTable) -> list[Outcome]:
    """Return what came after each cut; nothing where a session would not have forecast."""
    found = [one for cut in CUTS if (one := outcome(traces, neurons, cut)) is not None]
    if not found:
        _tell_untold(traces, neurons)
    return found


def _tell_untold(traces: Traces, neurons: NeuronTable) -> None:
    is_warned_of = is_hardly_labeled(traces, neurons)
    logger.info(
        "%s: too few labeled volumes for a forecast, so it is left out; a session %s of it",
        traces.name,
        "warns" if is_warned_of else "does not warn",
    )


def without(cuts: list[list[Outcome]], number: int) -> Row:
    """Return the forecast of an animal by a model that has not seen it."""
    content = fit([*cuts[:number], *cuts[number + 1 :]])
    model = ForecastModel.from_json({**content, "level": LEVEL, "fitted_on": "simulation only"})
    row = row_of(cuts[number][0], model)
    logger.info("%s", row.shown())
    return row


def rounded(content: Any) -> Any:
    """Return JSON values with numbers of five digits: more would be noise."""
    if isinstance(content, dict):
        return {key: rounded(value) for key, value in content.items()}
    if isinstance(content, list | tuple):
        return [rounded(value) for value in content]
    return float(f"{content:.5g}") if isinstance(content, float) else content


def score_all(cache: Path, data: Path | None, wanted: dict[str, int], out: Path) -> None:
    """Compare the shipped forecasts with what then happened."""
    labeler = load_labeler(LabelSettings(device="cpu"))
    result: dict[str, Any] = {}
    for identity in FILTERS:
        model = ForecastModel.load(identity)
        if model is None:
            raise SystemExit(f"{SHIPPED} has nothing for {identity!r}; run with --fit first.")
        for kind, n in wanted.items():
            rows = []
            for recording in recordings(data, {kind: n}):
                traced = traces_of(recording, labeler, cache, identity)
                came = outcome(traced, labeler.neurons, FIRST_AT)
                if came is None:
                    _tell_untold(traced, labeler.neurons)
                    continue
                rows.append(row_of(came, model))
                logger.info("%s: %s", identity, rows[-1].shown())
            if rows:
                result[f"{identity} {kind}"] = summary(rows)
                logger.info("%s, %s: %s", identity, kind, result[f"{identity} {kind}"])
    out.write_text(json.dumps(result, indent=1), encoding="utf-8")


if __name__ == "__main__":
    main()
