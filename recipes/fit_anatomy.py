"""Fit the anatomy of the virtual worm to real heads and real traces.

Writes `src/napari_acll/simulate/anatomy.npz`: fitted parameters only, from which no single animal
can be read. Run by hand, once, with the data described in `docs/explanations/virtual-worm.md`::

    python recipes/fit_anatomy.py --data $ACLL_TEST_DATA

The animals and recordings of `src/napari_acll/simulate/held_out.json` are left out unless
`--use-all` is given; `--exclude` leaves out more: `LAB`, `LAB/ANIMAL` or `RECORDING`.

References
----------
Positions and counts: Sprague et al., WormID, and DANDI 000541, 000715, 000692, 000714, 000565,
000472, 000776. Traces: Dag et al., Cell 2023.
"""

import argparse
import csv
import json
import logging
import re
from dataclasses import dataclass
from pathlib import Path

import fit_activity
import numpy as np
from numpy.typing import NDArray
from scipy.linalg import logm

logger = logging.getLogger("fit_anatomy")

N_MODES = 12
TAIL_DEGREES = 4.0
"""Degrees of freedom of the residuals: real nuclei stray farther than a Gaussian lets them."""
MIN_ANIMALS = 6
ROOT = Path(__file__).resolve().parents[1] / "src" / "napari_acll" / "simulate"
COMPLETE_LABS = ("EY", "NP")
"""Labs that list nearly every nucleus, so that what they lack was not there."""


@dataclass
class Head:
    """One real animal: named nuclei only."""

    lab: str
    animal: str
    position: dict[str, NDArray[np.float64]]
    log_counts: dict[str, float]


def canonical_name(name: str) -> str:
    """Return a name as SF writes it (`VB2` -> `VB02`), empty where it is uncertain."""
    if "?" in name:
        return ""
    match = re.fullmatch(r"(VA|VB|VD|DA|DB|DD|AS)(\d)", name)
    return f"{match[1]}0{match[2]}" if match else name


def read_heads(path: Path, excluded: set[str]) -> list[Head]:
    """Return the animals of the table, without the excluded ones and without repeated names."""
    heads: dict[tuple[str, str], Head] = {}
    repeated: set[tuple[str, str, str]] = set()
    with path.open(newline="") as file:
        for row in csv.DictReader(file):
            key = (row["lab"], row["animal"])
            if row["lab"] in excluded or "/".join(key) in excluded:
                continue
            head = heads.setdefault(key, Head(*key, position={}, log_counts={}))
            name = canonical_name(row["ID"])
            if not name:
                continue
            if name in head.position:
                repeated.add((*key, name))
            head.position[name] = np.array([float(row[f"{axis}_um"]) for axis in "xyz"])
            if row["lab"] == "EY":
                head.log_counts[name] = float(np.log(max(float(row["c3"]), 1.0)))
    for lab, animal, name in repeated:
        heads[lab, animal].position.pop(name)
        heads[lab, animal].log_counts.pop(name, None)
    return list(heads.values())


def stack(heads: list[Head], names: list[str]) -> NDArray[np.float64]:
    """Return positions `(n_heads, n_names, 3)`, NaN where a name is missing."""
    stacked = np.full((len(heads), len(names), 3), np.nan)
    number = {name: index for index, name in enumerate(names)}
    for row, head in zip(stacked, heads, strict=True):
        for name, position in head.position.items():
            if name in number:
                row[number[name]] = position
    return stacked


def fit_affine(source: NDArray, target: NDArray) -> tuple[NDArray, NDArray]:
    """Return `A, t` with `target ~ source @ A.T + t`, robust to a few misplaced names."""
    valid = np.isfinite(source).all(1) & np.isfinite(target).all(1)
    design = np.c_[source[valid], np.ones(valid.sum())]
    weight = np.ones(valid.sum())
    for _ in range(5):
        root = np.sqrt(weight)[:, None]
        solution = np.linalg.lstsq(design * root, target[valid] * root, rcond=None)[0]
        error = np.linalg.norm(design @ solution - target[valid], axis=1)
        weight = 1 / (1 + (error / (2.0 * np.median(error) + 1e-9)) ** 2)
    return solution[:3].T, solution[3]


def fit_template(stacked: NDArray) -> NDArray[np.float64]:
    """Return mean positions in an arbitrary affine frame, by repeated affine fits."""
    most = int(np.argmax(np.isfinite(stacked[..., 0]).sum(1)))
    template = stacked[most].copy()
    for _ in range(25):
        moved = np.full_like(stacked, np.nan)
        for index, head in enumerate(stacked):
            if (np.isfinite(head[:, 0]) & np.isfinite(template[:, 0])).sum() >= 12:
                matrix, shift = fit_affine(head, template)
                moved[index] = head @ matrix.T + shift
        template = np.nanmedian(moved, axis=0)
    return template


def stretch_of(matrix: NDArray) -> tuple[NDArray, NDArray]:
    """Return orthogonal `R` and symmetric `S` with `matrix = R S`."""
    u, singular, vt = np.linalg.svd(matrix)
    return u @ vt, vt.T @ np.diag(singular) @ vt


def symmetric_exp(matrix: NDArray) -> NDArray:
    """Return the exponential of a symmetric matrix."""
    value, vector = np.linalg.eigh((matrix + matrix.T) / 2)
    return vector @ np.diag(np.exp(value)) @ vector.T


def mean_log_stretch(stacked: NDArray, template: NDArray) -> NDArray:
    """Return the mean logarithm of the stretches that take the template to these heads."""
    logs = []
    for head in stacked:
        if np.isfinite(head[:, 0]).sum() < 20:
            continue
        _, stretch = stretch_of(fit_affine(template, head)[0])
        logs.append(logm(stretch).real)
    return np.median(logs, axis=0)


def to_anatomical_axes(template: NDArray, names: list[str], handed: float) -> NDArray:
    """Turn the template: x from nose to tail, z from left to right, y completing the frame."""
    number = {name: index for index, name in enumerate(names)}
    pairs = [
        (number[n], number[n[:-1] + "R"]) for n in names if n[-1] == "L" and n[:-1] + "R" in number
    ]
    centered = template - template.mean(0)
    x_axis = np.linalg.svd(centered, full_matrices=False)[2][0]
    nose = centered[[number[n] for n in ("IL2DL", "IL2DR", "I1L", "I1R", "OLLL", "OLLR")]].mean(0)
    x_axis = -x_axis * np.sign(nose @ x_axis)
    z_axis = np.mean([centered[right] - centered[left] for left, right in pairs], axis=0)
    z_axis -= x_axis * (x_axis @ z_axis)
    z_axis /= np.linalg.norm(z_axis)
    y_axis = np.cross(z_axis, x_axis) * handed
    return centered @ np.stack([x_axis, y_axis, z_axis]).T


def sf_frame(stacked: NDArray, labs: NDArray, names: list[str]) -> NDArray[np.float64]:
    """Return the template with the size and the handedness of lab SF."""
    template = fit_template(stacked)
    sf = stacked[labs == "SF"]
    handed = np.sign(np.median([np.linalg.det(fit_affine(template, head)[0]) for head in sf]))
    template = (template - template.mean(0)) @ symmetric_exp(mean_log_stretch(sf, template)).T
    if handed < 0:
        template = template * [1, 1, -1]
    template = to_anatomical_axes(template, names, 1.0)
    return template @ symmetric_exp(mean_log_stretch(sf, template)).T


def align_rigidly(head: NDArray, target: NDArray, mirrored: bool) -> NDArray:
    """Return the head turned and shifted (and mirrored) onto the target."""
    valid = np.isfinite(head[:, 0]) & np.isfinite(target[:, 0])
    weight = np.ones(valid.sum())
    for _ in range(5):
        share = (weight / weight.sum())[:, None]
        center, goal = (share * head[valid]).sum(0), (share * target[valid]).sum(0)
        u, _, vt = np.linalg.svd(((head[valid] - center) * share).T @ (target[valid] - goal))
        sign = np.sign(np.linalg.det(u @ vt)) * (-1 if mirrored else 1)
        rotation = u @ np.diag([1, 1, sign]) @ vt
        moved = (head - center) @ rotation + goal
        error = np.linalg.norm(moved[valid] - target[valid], axis=1)
        weight = 1 / (1 + (error / (2.5 * np.median(error))) ** 2)
    return moved


def align_all(stacked: NDArray, labs: NDArray, template: NDArray) -> NDArray[np.float64]:
    """Return all heads in the canonical frame, each lab's mean stretch taken out."""
    aligned = np.full_like(stacked, np.nan)
    for lab in np.unique(labs):
        rows = np.flatnonzero(labs == lab)
        stretch = symmetric_exp(mean_log_stretch(stacked[rows], template))
        sign = np.median([np.linalg.det(fit_affine(template, stacked[r])[0]) for r in rows])
        logger.info("%s: stretch %s mirrored %s", lab, np.diag(stretch).round(2), sign < 0)
        for row in rows:
            moved = align_best(stacked[row], template @ stretch, mirrored=bool(sign < 0))
            aligned[row] = moved @ np.linalg.inv(stretch)
    return aligned


def align_best(head: NDArray, target: NDArray, mirrored: bool) -> NDArray:
    """Return the head aligned as its lab is mirrored, unless the other way is far better."""
    usual = align_rigidly(head, target, mirrored)
    other = align_rigidly(head, target, not mirrored)
    errors = [np.nanmedian(np.linalg.norm(moved - target, axis=1)) for moved in (usual, other)]
    return other if errors[1] < 0.6 * errors[0] else usual


def with_mirror_images(aligned: NDArray, names: list[str]) -> NDArray[np.float64]:
    """Return the heads and, behind them, their mirror images, left and right names exchanged.

    What is mirrored is how far each nucleus lies from its mean, so a side keeps what sets it
    apart on average. In five-fold cross-validation over animals the hidden quarter of an
    animal's nuclei then lies 2.5 instead of 2.6 um (lab SF, median) from where the others let
    one expect it, 3.4 instead of 3.7 um in other labs.
    """
    number = {name: index for index, name in enumerate(names)}
    other_side = [number.get(homologue(name), index) for index, name in enumerate(names)]
    mean = np.nanmedian(aligned, axis=0)
    mirrored = np.full_like(aligned, np.nan)
    mirrored[:, other_side] = (aligned - mean) * [1.0, 1.0, -1.0]
    return np.concatenate([aligned, mirrored + mean])


def homologue(name: str) -> str:
    """Return the name of the neuron on the other side; the same if there is none."""
    return name[:-1] + {"L": "R", "R": "L"}.get(name[-1], name[-1])


@dataclass
class FactorModel:
    """`position ~ mean + loading @ mode + residual`, the residual with heavy tails."""

    mean: NDArray[np.float64]
    loading: NDArray[np.float64]
    variance: NDArray[np.float64]


def expect_modes(
    model: FactorModel, row: NDArray, seen: NDArray, trust: NDArray
) -> tuple[NDArray, NDArray]:
    """Return mean and second moment of `(mode, 1)` given what was seen of one animal."""
    loading = model.loading[seen]
    scaled = loading * (trust[seen] / model.variance[seen])[:, None]
    n_modes = loading.shape[1]
    covariance = np.linalg.inv(np.eye(n_modes) + scaled.T @ loading)
    score = np.r_[covariance @ (scaled.T @ (row[seen] - model.mean[seen])), 1.0]
    second = np.outer(score, score)
    second[:-1, :-1] += covariance
    return score, second


def trust_of(model: FactorModel, score: NDArray, row: NDArray) -> NDArray[np.float64]:
    """Return the Student-t weight of each nucleus, repeated for its three coordinates."""
    predicted = model.loading @ score[:-1] + model.mean
    square = ((row - predicted) ** 2 / model.variance).reshape(-1, 3).sum(1)
    return np.repeat((TAIL_DEGREES + 3) / (TAIL_DEGREES + square), 3)


def maximize_column(
    model: FactorModel,
    column: int,
    values: NDArray,
    weight: NDArray,
    moments: tuple,
    n_values: float,
) -> None:
    """Update mean, loading and variance of one coordinate in place.

    `n_values` is how many values there are, each as often as its animal counts; `weight` is that
    times the trust in each.
    """
    score, second = moments
    total = np.tensordot(weight, second, 1)
    regular = total.copy()
    # a prior on the loadings keeps rarely seen neurons from swinging wildly
    n_modes = score.shape[1] - 1
    regular[np.arange(n_modes), np.arange(n_modes)] += 1.0
    cross = (weight * values) @ score
    solution = np.linalg.solve(regular, cross)
    rest = (weight * values**2).sum() - 2 * solution @ cross + solution @ total @ solution
    model.loading[column], model.mean[column] = solution[:-1], solution[-1]
    # an inverse-gamma prior worth 4 animals at 1 um
    model.variance[column] = (rest + 4.0) / (n_values + 4)


def fit_factors(data: NDArray, n_copies: NDArray, n_modes: int) -> FactorModel:
    """Return a factor model of data with missing entries, by EM with Student-t residuals.

    `data` is `(n_animals, 3 * n_names)` with NaN; `n_copies` counts each animal.

    References
    ----------
    Ghahramani & Hinton, The EM algorithm for mixtures of factor analyzers, 1996. Liu & Rubin,
    ML estimation of the t distribution using EM, Statistica Sinica 1995.
    """
    rng = np.random.default_rng(0)
    valid = np.isfinite(data)
    filled = np.where(valid, data, 0.0)
    model = FactorModel(
        np.nanmedian(data, axis=0),
        rng.normal(0, 0.5, (data.shape[1], n_modes)),
        np.full(data.shape[1], 2.0),
    )
    trust = np.ones_like(filled)
    for _ in range(120):
        expected = [expect_modes(model, *row) for row in zip(filled, valid, trust, strict=True)]
        score = np.stack([entry[0] for entry in expected])
        second = np.stack([entry[1] for entry in expected])
        for index, row in enumerate(filled):
            trust[index] = trust_of(model, score[index], row)
        for column in range(data.shape[1]):
            rows = valid[:, column]
            maximize_column(
                model,
                column,
                filled[rows, column],
                n_copies[rows] * trust[rows, column],
                (score[rows], second[rows]),
                float(n_copies[rows].sum()),
            )
    return model


def rotate_to_principal(loading: NDArray) -> NDArray:
    """Return the loadings with the modes ordered by what they explain."""
    u, singular, _ = np.linalg.svd(loading, full_matrices=False)
    return u * singular


def fit_brightness(heads: list[Head], names: list[str]) -> tuple[NDArray, NDArray]:
    """Return mean and SD over animals of the log counts relative to each animal's median."""
    table = np.full((len(heads), len(names)), np.nan)
    for row, head in zip(table, heads, strict=True):
        for name, value in head.log_counts.items():
            if name in names:
                row[names.index(name)] = value
    table = table[np.isfinite(table).sum(1) > 50]
    table -= np.nanmedian(table, axis=1, keepdims=True)
    n_seen = np.isfinite(table).sum(0)
    with np.errstate(invalid="ignore", divide="ignore"):
        sum_ = np.nansum(table, axis=0)
        mean = sum_ / (n_seen + 1.0)  # shrunk toward 0, the median neuron
        square = np.nansum((table - mean) ** 2, axis=0)
    typical = np.sqrt(square.sum() / n_seen.sum())
    sd = np.sqrt((square + 4 * typical**2) / (n_seen + 4))
    mean = np.where(n_seen > 0, mean, 0.0)
    logger.info("brightness: between names %.2f, between animals %.2f", mean.std(), typical)
    return mean, sd


def excluded_animals(arguments: argparse.Namespace) -> set[str]:
    """Return labs and `lab/animal` that are left out."""
    excluded = set(arguments.exclude)
    if not arguments.use_all:
        held_out = json.loads((ROOT / "held_out.json").read_text(encoding="utf-8"))
        for lab, animals in held_out["animals"].items():
            excluded |= {f"{lab}/{name}" for name in animals}
        excluded |= set(held_out["recordings"])
    return excluded


def main() -> None:
    """Fit and write."""
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True, help="folder of the real data")
    parser.add_argument("--exclude", nargs="*", default=[], help="LAB, LAB/ANIMAL or recording")
    parser.add_argument("--use-all", action="store_true", help="use the held-out animals too")
    parser.add_argument("--out", type=Path, default=ROOT / "anatomy.npz")
    arguments = parser.parse_args()
    excluded = excluded_animals(arguments)
    heads = read_heads(arguments.data / "positions" / "neuron_positions_84_animals.csv", excluded)
    labs = np.array([head.lab for head in heads])
    count: dict[str, int] = {}
    for head in heads:
        for name in head.position:
            count[name] = count.get(name, 0) + 1
    names = sorted(name for name, n in count.items() if n >= MIN_ANIMALS)
    logger.info("%d animals, %d names", len(heads), len(names))
    stacked = stack(heads, names)
    template = sf_frame(stacked, labs, names)
    aligned = align_all(stacked, labs, template)
    seen = np.isfinite(aligned[..., 0])
    weight = np.where(labs == "SF", 2.0, 1.0)
    both = with_mirror_images(aligned, names)
    model = fit_factors(both.reshape(len(both), -1), np.tile(weight, 2), N_MODES)
    loading, residual = rotate_to_principal(model.loading), np.sqrt(model.variance)
    mean_um = model.mean.reshape(-1, 3)
    center = mean_um.mean(0)
    brightness, brightness_sd = fit_brightness(heads, names)
    complete = np.isin(labs, COMPLETE_LABS)
    sf = labs == "SF"
    parameters = {
        "names": np.array(names),
        "mean_um": (mean_um - center)[:, ::-1],
        "modes_um": loading.reshape(len(names), 3, N_MODES)[:, ::-1],
        "residual_sd_um": residual.reshape(-1, 3)[:, ::-1],
        "tail_degrees": np.array(TAIL_DEGREES),
        "p_present": (seen[complete].sum(0) + 2.0) / (complete.sum() + 2.0),
        "p_listed": (seen[sf].sum(0) + 0.5) / (sf.sum() + 1.0),
        "log_brightness": brightness,
        "log_brightness_sd": brightness_sd,
        **fit_activity.fit(arguments.data / "traces", names, excluded),
    }
    logger.info("modes explain (um rms per nucleus) %s", np.sqrt((loading**2).sum(0) / len(names)))
    logger.info("residual sd median %.2f um", np.median(residual))
    np.savez_compressed(
        arguments.out,
        **{k: v if v.dtype.kind == "U" else v.astype(np.float32) for k, v in parameters.items()},
    )
    logger.info("%s: %d bytes", arguments.out, arguments.out.stat().st_size)


if __name__ == "__main__":
    main()
