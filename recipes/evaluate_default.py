"""Score models on animals that they never saw, drawn by two renderers, beside position matching.

Run by hand::

    python recipes/evaluate_default.py --data $ACLL_TEST_DATA --cache FOLDER --out scores.json

Without `--data` only simulated animals are used. The real animals are those of `held_out_animals`
and the whole lab HL. Of these only where the nuclei lie is real; the nuclei that the table lacks
are filled in (see `benchmark_animals`), and the images are drawn, by the package's own renderer
and by `other_renderer`, which shares no code with it. `--validation` takes animals that research
may look at instead. Volumes are made once and kept in `--cache`, so that models are compared on
the same ones. `--robustness` adds curves under disturbances, `--unet3d` a network that classifies
voxels.
"""

import argparse
import json
import logging
import time
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from benchmark_baselines import baselines
from benchmark_cases import Case, benchmark_cases, disturbed_cases
from benchmark_scores import Tally, errors_of, summarize_tallies, tally
from benchmark_tables import markdown, write_figures
from benchmark_volumes import Bench, BenchmarkVolume

from napari_acll.core import Detections, Labeler, LabelSettings
from napari_acll.label import load_labeler
from napari_acll.simulate import Anatomy
from napari_acll.training import atlas_of

logger = logging.getLogger("evaluate_default")

Tallies = dict[str, list[Tally]]


def labeled_by(
    labelers: dict[str, Labeler], volume: BenchmarkVolume, anatomy: Anatomy, *, has_baselines: bool
) -> tuple[dict[str, Tally], float]:
    """Return the tally of each method on one volume, and how long the first labeler took, in s."""
    found: dict[str, Detections] = {}
    tallies, times_s = {}, []
    for name, labeler in labelers.items():
        start_s = time.perf_counter()
        (labeled,) = labeler.label([volume.rendered.volume])
        times_s.append(time.perf_counter() - start_s)
        found[name] = labeled.detections
        counted = tally(labeled.detections, volume, labeler.neurons)
        tallies[name] = replace(counted, is_refused=not labeled.is_labelable)
    if has_baselines:
        first = found[next(iter(labelers))]
        named = baselines(first, volume, atlas_of(anatomy), anatomy.neurons)
        for name, detections in named.items():
            tallies[name] = tally(detections, volume, anatomy.neurons)
    return tallies, times_s[0]


def score_cases(
    labelers: dict[str, Labeler], bench: Bench, cases: Sequence[Case], *, has_baselines: bool
) -> tuple[dict[str, Tallies], list[float]]:
    """Return the tallies of each set and method, and label times in s.

    A volume counts in three sets: its animals, these by its renderer, and these completed its way.
    """
    sets: dict[str, Tallies] = defaultdict(lambda: defaultdict(list))
    times_s = []
    for number, case in enumerate(cases):
        volume = bench.volume(case)
        tallies, took_s = labeled_by(labelers, volume, bench.anatomy, has_baselines=has_baselines)
        times_s.append(took_s)
        logger.info("%d of %d: %s, %s", number + 1, len(cases), case.animal, case.renderer)
        for method, row in tallies.items():
            for key in sets_of(case):
                sets[key][method].append(row)
    return sets, times_s


def sets_of(case: Case) -> list[str]:
    """Return the sets that a volume counts in."""
    if case.flavor == "simulated":
        return [case.group]
    by = f"{case.group}, {case.renderer} renderer"
    return [by, f"{by}, {case.flavor} fillers"]


def report_of(
    sets: dict[str, Tallies], labelers: dict[str, Labeler], anatomy: Anatomy
) -> dict[str, object]:
    """Return the scores of every set and method."""
    report: dict[str, dict[str, dict[str, object]]] = {}
    for key, methods in sets.items():
        report[key] = {}
        for method, rows in methods.items():
            scores = summarize_tallies(rows)
            neurons = labelers[method].neurons if method in labelers else anatomy.neurons
            scores["errors"] = errors_of(rows, neurons, anatomy)
            report[key][method] = scores
    return report


def robustness_of(
    labelers: dict[str, Labeler], bench: Bench, cases: Sequence[Case]
) -> dict[str, object]:
    """Return the scores of the first model under each disturbance, by renderer."""
    name = next(iter(labelers))
    only = {name: labelers[name]}
    curves: dict[str, dict[str, list[dict[str, object]]]] = {}
    logger.info("%d undisturbed volumes for the curves", len(cases))
    for renderer in sorted({case.renderer for case in cases}):
        own = [case for case in cases if case.renderer == renderer]
        curves[renderer] = {}
        for what, levels in disturbed_cases(own).items():
            logger.info("%s renderer: %s", renderer, what)
            curves[renderer][what] = [
                {"strength": strength, **_brief(only, bench, level)} for strength, level in levels
            ]
    return curves


def is_for_curves(case: Case) -> bool:
    """Return whether a volume serves the curves: one of each animal of lab SF and renderer."""
    return case.group.startswith("SF") and case.pose == 0 and case.flavor == "unlisted"


def _brief(labelers: dict[str, Labeler], bench: Bench, cases: Sequence[Case]) -> dict[str, object]:
    rows = [
        row
        for case in cases
        for row in labeled_by(labelers, bench.volume(case), bench.anatomy, has_baselines=False)[
            0
        ].values()
    ]
    scores = summarize_tallies(rows)
    wanted = ("right", "right_if_confident", "share_confident", "detection_f1", "refused")
    return {name: scores[name] for name in wanted}


def open_labelers(arguments: argparse.Namespace) -> dict[str, Labeler]:
    """Return the models to score by name; the first one's detections serve the baselines."""
    models: Iterable[str] = arguments.model or ["default"]
    labelers = {
        Path(model).stem: load_labeler(LabelSettings(model=model, device="cpu"))
        for model in models
    }
    if arguments.unet3d:
        checkpoint, config, names = arguments.unet3d
        labelers["dense network"] = load_labeler(
            LabelSettings(model=checkpoint, config_file=config, names_file=names, device="cpu")
        )
    return labelers


def parse() -> argparse.Namespace:
    """Return the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, help="folder of the real data")
    parser.add_argument(
        "--model", action="append", help="model file, may be repeated; else the bundled one"
    )
    parser.add_argument(
        "--unet3d", nargs=3, metavar=("CHECKPOINT", "CONFIG", "NAMES"), help="a dense network"
    )
    parser.add_argument("--validation", action="store_true", help="animals for research choices")
    parser.add_argument("--sets", nargs="*", help="only sets whose name begins so, such as SF")
    parser.add_argument("--renderer", choices=("own", "other"), help="only this renderer")
    parser.add_argument("--n", type=int, default=40, help="simulated animals")
    parser.add_argument("--n-poses", type=int, default=1, help="times each animal is posed")
    parser.add_argument("--no-baselines", action="store_true", help="only the models")
    parser.add_argument("--robustness", action="store_true", help="curves under disturbances")
    parser.add_argument(
        "--n-animals", nargs="*", type=int, help="real animals that each model learned from"
    )
    parser.add_argument("--cache", type=Path, help="folder to keep volumes in")
    parser.add_argument("--out", type=Path, help="JSON file to write")
    parser.add_argument("--markdown", type=Path, help="file to write the tables to")
    parser.add_argument("--figures", type=Path, help="folder to write figures to")
    return parser.parse_args()


def chosen_cases(arguments: argparse.Namespace, bench: Bench) -> list[Case]:
    """Return the volumes that the command line asks for."""
    cases = benchmark_cases(
        bench.keys,
        n_simulated=arguments.n,
        n_poses=arguments.n_poses,
        is_validation=arguments.validation,
    )
    return [
        case
        for case in cases
        if (not arguments.sets or case.group.startswith(tuple(arguments.sets)))
        and (not arguments.renderer or case.renderer == arguments.renderer)
    ]


def main() -> None:
    """Score and write."""
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    arguments = parse()
    bench = Bench(arguments.data, arguments.cache)
    labelers = open_labelers(arguments)
    cases = chosen_cases(arguments, bench)
    sets, times_s = score_cases(labelers, bench, cases, has_baselines=not arguments.no_baselines)
    result: dict[str, object] = {
        "models": {name: dict(labeler.describe()) for name, labeler in labelers.items()},
        "is_validation": arguments.validation,
        "n_animals": arguments.n_animals,
        "label_s": {
            "median": round(float(np.median(times_s[1:] or times_s)), 3),
            "best": round(float(np.min(times_s)), 3),
        },
        "sets": report_of(sets, labelers, bench.anatomy),
    }
    if arguments.robustness:
        undisturbed = [case for case in cases if is_for_curves(case)]
        result["robustness"] = robustness_of(labelers, bench, undisturbed)
    text = markdown(result)
    logger.info("%s", text)
    if arguments.markdown:
        arguments.markdown.write_text(text, encoding="utf-8")
    if arguments.out:
        arguments.out.write_text(json.dumps(result, indent=2, default=str), encoding="utf-8")
    if arguments.figures:
        write_figures(result, arguments.figures)


if __name__ == "__main__":
    main()
