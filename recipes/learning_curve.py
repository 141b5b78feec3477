"""Train identifiers on ever more real animals, to see whether more of them would help.

Run by hand::

    python recipes/learning_curve.py --data $ACLL_TEST_DATA --folder curve --n-steps 4000
    python recipes/evaluate_default.py --data $ACLL_TEST_DATA --n 0 --no-baselines \
        --model curve/animals_18.safetensors --model curve/animals_66.safetensors

For each share of the animals that are not held out, the anatomy is fitted again to these animals
alone (`fit_anatomy.py --exclude`), and an identifier learns from virtual animals of that anatomy
and from the same real heads, as many steps for each share. Every model finds nuclei with the
bundled detector and none is calibrated: only the most probable name can be compared.
"""

import argparse
import logging
import subprocess
import sys
import time
from collections import defaultdict
from collections.abc import Iterable, Sequence
from pathlib import Path

import torch

from napari_acll.label import PointModel, find_model_file
from napari_acll.simulate import held_out_animals
from napari_acll.training import Herd, IdentifierTraining, TrainSettings, read_heads
from napari_acll.training._animals import home_of
from napari_acll.training._identifier_training import train_identifier
from napari_acll.training._point_worlds import PointWorlds
from napari_acll.training._train_networks import loop_plan, new_model

logger = logging.getLogger("learning_curve")

POSITIONS = Path("positions") / "neuron_positions_84_animals.csv"
RECIPE = Path(__file__).parent / "fit_anatomy.py"
TOLD_EVERY = 200
LEAST_NAMED = 20


def animals_to_learn_from(path: Path) -> list[str]:
    """Return `LAB/ANIMAL` of the animals of a table that training may see."""
    held_out = {f"{lab}/{name}" for lab, names in held_out_animals().items() for name in names}
    heads = [head for head in read_heads(path) if len(head.names) >= LEAST_NAMED]
    return sorted({f"{head.lab}/{head.animal}" for head in heads} - held_out)


def every(animals: Iterable[str], n: int) -> list[str]:
    """Return every `n`-th animal of each lab, at least one of each."""
    by_lab: dict[str, list[str]] = defaultdict(list)
    for key in animals:
        by_lab[key.partition("/")[0]].append(key)
    return [key for keys in by_lab.values() for key in sorted(keys)[::n]]


def fit(data: Path, left_out: Sequence[str], out: Path) -> None:
    """Fit the anatomy without some animals, and without those that are held out."""
    command = [sys.executable, str(RECIPE), "--data", str(data), "--out", str(out)]
    subprocess.run([*command, "--exclude", *left_out], check=True)  # noqa: S603


def identifier_of(data: Path, anatomy: Path, left_out: Sequence[str], n_steps: int) -> PointModel:
    """Return a model whose identifier has learned from some of the animals only."""
    settings = TrainSettings(
        positions_file=str(data / POSITIONS),
        anatomy_file=str(anatomy),
        calibration_animals=tuple(left_out),  # these are kept apart
        identifier=IdentifierTraining(n_steps=n_steps),
    )
    herd = Herd.from_settings(settings)
    logger.info("%d heads, %d names", len(herd.heads), len(herd.anatomy.neurons.names))
    model = new_model(settings, herd)
    began_s = time.perf_counter()

    def on_step(step: int, loss: float) -> None:
        if step % TOLD_EVERY == 0:
            logger.info("step %d, loss %.3f, %.0f s", step, loss, time.perf_counter() - began_s)

    train_identifier(
        model.identifier,
        home_of(herd.anatomy),
        PointWorlds(herd.anatomy, herd.heads).detections,
        batch_size=settings.identifier.batch_size,
        seed=settings.seed,
        plan=loop_plan("identifier", settings, anatomy.parent),
        on_step=on_step,
    )
    return model


def with_bundled_detector(model: PointModel, note: str) -> PointModel:
    """Return the model with the detector of the bundled one and its thresholds."""
    bundled = PointModel.load(find_model_file("default"))
    card = model.card.model_copy(
        update={
            "detector_width": bundled.card.detector_width,
            "peak_threshold": bundled.card.peak_threshold,
            "foreground_threshold": bundled.card.foreground_threshold,
            "note": note,
        }
    )
    return PointModel(card, bundled.detector, model.identifier.eval())


def main() -> None:
    """Fit, train and write one model for each share."""
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True, help="folder of the real data")
    parser.add_argument("--folder", type=Path, required=True, help="where the models are written")
    parser.add_argument("--every", type=int, nargs="+", default=[4, 2, 1], help="one in so many")
    parser.add_argument("--n-steps", type=int, default=4000, help="of each identifier")
    parser.add_argument("--n-threads", type=int, default=1)
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.n_threads)
    animals = animals_to_learn_from(arguments.data / POSITIONS)
    for n in arguments.every:
        kept = every(animals, n)
        left_out = [key for key in animals if key not in kept]
        folder = arguments.folder / f"every_{n}"
        folder.mkdir(parents=True, exist_ok=True)
        fit(arguments.data, left_out, folder / "anatomy.npz")
        model = identifier_of(arguments.data, folder / "anatomy.npz", left_out, arguments.n_steps)
        out = arguments.folder / f"animals_{len(kept)}.safetensors"
        with_bundled_detector(model, f"Learned from {len(kept)} real animals.").save(out)
        logger.info("%s", out)


if __name__ == "__main__":
    main()
