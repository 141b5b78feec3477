"""Score a point model on animals that it never saw, beside matching positions to the atlas.

Run by hand::

    python recipes/evaluate_default.py --data $ACLL_TEST_DATA --model FILE

Without `--data` only simulated animals are used. The real animals are those of `held_out_animals`:
the bundled anatomy was fitted without them. Of these only where their named nuclei lie is real;
their other nuclei, their brightness and the images are simulated.
"""

import argparse
import json
import logging
import time
from collections.abc import Iterator
from itertools import chain
from pathlib import Path

import numpy as np

from napari_acll.core import LabelSettings
from napari_acll.label import PointLabeler
from napari_acll.simulate import Anatomy, WormSettings, held_out_animals
from napari_acll.training import (
    RenderedVolume,
    VolumeScore,
    atlas_of,
    match_to_atlas,
    match_with_oracle,
    read_heads,
    render_shape,
    score_detections,
    simulated_volumes,
    summarize,
)

logger = logging.getLogger("evaluate_default")

METHODS = ("model", "atlas", "oracle")


def real_volumes(
    data: Path, anatomy: Anatomy, *, is_sf: bool, seed: int
) -> Iterator[RenderedVolume]:
    """Yield one rendered volume of each real animal that the anatomy was fitted without."""
    held_out = held_out_animals()
    rng = np.random.default_rng(seed)
    for head in read_heads(data / "positions" / "neuron_positions_84_animals.csv"):
        if head.animal not in held_out.get(head.lab, ()) or (head.lab == "SF") != is_sf:
            continue
        shape = head.shape(anatomy, rng)
        yield render_shape(shape, WormSettings(n_volumes=1), seed=int(rng.integers(2**31)))


def score_all(
    labeler: PointLabeler, volumes: Iterator[RenderedVolume], anatomy: Anatomy
) -> dict[str, dict[str, float]]:
    """Return the scores of the model and of both baselines on the same detections."""
    atlas = atlas_of(anatomy)
    scores: dict[str, list[VolumeScore]] = {method: [] for method in METHODS}
    took_s = []
    for rendered in volumes:
        start_s = time.perf_counter()
        found = labeler.label([rendered.volume])[0].detections
        took_s.append(time.perf_counter() - start_s)
        named = {
            "model": found,
            "atlas": match_to_atlas(found, rendered, atlas),
            "oracle": match_with_oracle(found, rendered, atlas, labeler.neurons),
        }
        for method, detections in named.items():
            scores[method].append(score_detections(detections, rendered, labeler.neurons))
    logger.info("label time %.0f ms (median)", 1e3 * float(np.median(took_s[1:])))
    return {method: summarize(rows).as_dict() for method, rows in scores.items()}


def _drop_unknowable(values: dict[str, float]) -> None:
    """Drop what takes the names of nuclei that the real list lacks, which nobody knows."""
    for key in ("unlisted_wrong", "calibration_error"):
        values.pop(key)


def main() -> None:
    """Score and write."""
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, help="folder of the real data")
    parser.add_argument("--model", type=Path, help="model file; the bundled one if not given")
    parser.add_argument("--n", type=int, default=40, help="simulated animals")
    parser.add_argument("--n-real", type=int, default=3, help="times that each real one is posed")
    parser.add_argument("--seed", type=int, default=1000)
    parser.add_argument("--out", type=Path, help="JSON file to write")
    arguments = parser.parse_args()
    anatomy = Anatomy.load()
    model = str(arguments.model) if arguments.model else "default"
    labeler = PointLabeler.from_settings(LabelSettings(model=model, device="cpu"))
    sets = {"simulated": simulated_volumes(anatomy, arguments.n, seed=(arguments.seed,))}
    if arguments.data:
        for name, is_sf in (("held out, SF", True), ("held out, other labs", False)):
            seeds = range(arguments.seed, arguments.seed + arguments.n_real)
            each = [real_volumes(arguments.data, anatomy, is_sf=is_sf, seed=s) for s in seeds]
            sets[name] = chain.from_iterable(each)
    results = {}
    for name, volumes in sets.items():
        results[name] = score_all(labeler, volumes, anatomy)
        if name != "simulated":
            for values in results[name].values():
                _drop_unknowable(values)
        for method, values in results[name].items():
            logger.info("%s, %s: %s", name, method, {k: round(v, 3) for k, v in values.items()})
    if arguments.out:
        arguments.out.write_text(json.dumps(results, indent=2), encoding="utf-8")


if __name__ == "__main__":
    main()
