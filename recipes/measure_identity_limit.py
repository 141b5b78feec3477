"""How many more names the evidence of a whole recording could get right: an oracle.

Run by hand::

    python recipes/measure_identity_limit.py --data $ACLL_TEST_DATA --kind held_out --volumes 60

The oracle knows which detections are of one nucleus, nameless ones included, and lays the mean
place, light and size of each over all volumes before the network of the bundled model, once ("mean
shape") and in the posture of every sixth volume, whose logits are averaged ("in postures").
Whatever follows nuclei over time and names them by the same network can hardly do better. Nothing
is kept: an animal of 60 volumes takes about a minute.
"""

import logging
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from measure_identity import MATCH_UM, animals, parser_of, rig
from numpy.typing import NDArray

from napari_acll.core import LabelSettings
from napari_acll.identity._warp import fit_warp
from napari_acll.label import NucleusTable, PointLabeler
from napari_acll.naming import assign_names
from napari_acll.simulate import AnimalShape, VirtualWorm, WormSettings
from napari_acll.training import match_nuclei

logger = logging.getLogger("measure_identity_limit")

Floats = NDArray[np.float64]
LEAST_SHARE = 0.3
"""A nucleus that is found in fewer of the volumes is left out of the mean shape."""
N_ROUNDS = 3
POSTURE_EVERY = 6
FEWEST_COMMON = 20


@dataclass(frozen=True, slots=True, eq=False)
class Found:
    """The nuclei of one volume.

    Parameters
    ----------
    nuclei : NucleusTable
        As the labeler finds them.
    true : ndarray of int64, shape (n,)
        Which nucleus of the animal each is, -1 for none.
    number : ndarray of int64, shape (k,)
        Class number of each nucleus of the animal, 0 unless it is a listed neuron.
    n_listed : int
        Listed neurons inside of the volume.
    """

    nuclei: NucleusTable
    true: NDArray[np.int64]
    number: NDArray[np.int64]
    n_listed: int


def found_in(shape: AnimalShape, settings: WormSettings, labeler: PointLabeler) -> list[Found]:
    """Return the nuclei of each volume of a recording."""
    worm = VirtualWorm(shape, settings, seed=7)
    result = []
    for index in range(settings.n_volumes):
        volume, truth = worm.render(index), worm.truth(index)
        _, nuclei = labeler.nuclei(volume)
        place_um = truth.centroid_px * np.asarray(volume.spec.voxel_size_um)
        true = match_nuclei(nuclei.position_um, place_um, max_distance_um=MATCH_UM)
        number = np.where(truth.is_listed, truth.class_numbers(labeler.neurons), 0)
        n_listed = int((number[truth.is_inside(volume.spec.shape)] > 0).sum())
        result.append(Found(nuclei, true, number, n_listed))
    return result


def mean_shape(volumes: Sequence[Found]) -> tuple[NucleusTable, NDArray[np.int64]]:
    """Return the mean nuclei of a recording, and which of the animal's they are."""
    n = len(volumes[0].number)
    first = max(volumes, key=lambda one: int((one.true >= 0).sum()))
    place = np.full((n, 3), np.nan)
    place[first.true[first.true >= 0]] = first.nuclei.position_um[first.true >= 0]
    count = np.zeros(n)
    looks = np.zeros((n, 3))
    for _ in range(N_ROUNDS):
        total, looks, count = np.zeros((n, 3)), np.zeros((n, 3)), np.zeros(n)
        for one in volumes:
            rows = np.flatnonzero(one.true >= 0)
            known = rows[np.isfinite(place[one.true[rows], 0])]
            warp = fit_warp(one.nuclei.position_um[known], place[one.true[known]])
            if warp is None or len(known) < FEWEST_COMMON:
                continue
            total[one.true[rows]] += warp.apply(one.nuclei.position_um[rows])
            looks[one.true[rows]] += looks_of(one.nuclei)[rows]
            count[one.true[rows]] += 1
        place = np.where(count[:, None] > 0, total / np.maximum(count, 1)[:, None], np.nan)
    kept = np.flatnonzero(count >= LEAST_SHARE * len(volumes))
    light, radius_um, height = (looks[kept] / count[kept, None]).T
    nuclei = NucleusTable(
        position_um=place[kept], brightness=np.exp(light), radius_um=radius_um, height=height
    )
    return nuclei, kept


def looks_of(nuclei: NucleusTable) -> Floats:
    """Return logarithm of the light against the volume's median, radius, and sureness."""
    light = np.log(np.maximum(nuclei.brightness / np.median(nuclei.brightness), 1e-3))
    return np.column_stack([light, nuclei.radius_um, nuclei.height])


def logits_in_postures(
    shape: NucleusTable, kept: NDArray[np.int64], volumes: Sequence[Found], labeler: PointLabeler
) -> Floats:
    """Return the mean logits of the mean shape laid on every sixth volume."""
    row_of = np.full(len(volumes[0].number), -1)
    row_of[kept] = np.arange(len(kept))
    logits = []
    for one in volumes[::POSTURE_EVERY]:
        rows = np.flatnonzero(one.true >= 0)
        rows = rows[row_of[one.true[rows]] >= 0]
        there_um = one.nuclei.position_um[rows]
        warp = fit_warp(shape.position_um[row_of[one.true[rows]]], there_um)
        if warp is None:
            continue
        posed = NucleusTable(
            position_um=warp.apply(shape.position_um),
            brightness=shape.brightness,
            radius_um=shape.radius_um,
            height=shape.height,
        )
        said = labeler.namer.look(posed).logits
        logits.append(said - np.logaddexp.reduce(said, axis=1)[:, None])
    mean: Floats = np.mean(logits, axis=0)
    return mean


def right_of(volumes: Sequence[Found], name_of: NDArray[np.integer]) -> float:
    """Return which share of the listed neurons is found and has its name, in %."""
    right = 0
    for one in volumes:
        true = one.true[one.true >= 0]
        right += int(((name_of[true] == one.number[true]) & (one.number[true] > 0)).sum())
    return 100 * right / sum(one.n_listed for one in volumes)


def alone(volumes: Sequence[Found], labeler: PointLabeler) -> float:
    """Return the same for each volume by itself."""
    right = 0
    for one in volumes:
        neuron, _ = assign_names(labeler.namer.probabilities(one.nuclei))
        is_known = one.true >= 0
        number = np.where(is_known, one.number[np.maximum(one.true, 0)], 0)
        right += int(((neuron == number) & (number > 0)).sum())
    return 100 * right / sum(one.n_listed for one in volumes)


def measured(volumes: Sequence[Found], labeler: PointLabeler, skip: int) -> dict[str, float]:
    """Return how many names are right, in %, each way."""
    shape, kept = mean_shape(volumes)
    scored = volumes[skip:]
    result = {"alone": alone(scored, labeler)}
    for way, logits in (
        ("mean shape", labeler.namer.look(shape).logits),
        ("in postures", logits_in_postures(shape, kept, volumes, labeler)),
    ):
        neuron, _ = assign_names(labeler.namer.calibrated(logits))
        name_of = np.zeros(len(volumes[0].number), np.int64)
        name_of[kept] = neuron
        result[way] = right_of(scored, name_of)
    n_found = sum(int((one.number[one.true[one.true >= 0]] > 0).sum()) for one in scored)
    result["found"] = 100 * n_found / sum(one.n_listed for one in scored)
    return result


def main() -> None:
    """Draw, find, name and print."""
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    arguments = parser_of(__doc__, volumes=60, skip=15).parse_args()
    labeler = PointLabeler.from_settings(LabelSettings(device="cpu"))
    settings = rig(arguments.rig, arguments.volumes)
    rows = []
    for name, shape in animals(arguments.kind, arguments.n, arguments.data):
        rows.append(measured(found_in(shape, settings, labeler), labeler, arguments.skip))
        logger.info("%s %s", name, {key: round(value, 1) for key, value in rows[-1].items()})
    for key in rows[0]:
        logger.info("mean %s: %.1f", key, np.mean([row[key] for row in rows]))


if __name__ == "__main__":
    main()
