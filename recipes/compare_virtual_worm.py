"""Compare virtual worms with what is known of real ones; prints the table of the docs.

Run by hand::

    python recipes/compare_virtual_worm.py --data $ACLL_TEST_DATA

See `docs/explanations/virtual-worm.md`.
"""

import argparse
import json
import sys
import time
from pathlib import Path

import fit_activity
import fit_anatomy
import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import map_coordinates, mean
from scipy.spatial import cKDTree

from napari_acll.simulate import (
    Anatomy,
    HeadSettings,
    OpticsSettings,
    VirtualWorm,
    WormSettings,
    sample_points,
)

N_ANIMALS = 12
STRAY_QUANTILES = (0.25, 0.5, 0.75, 0.9, 0.95)


def row(what: str, real: str, simulated: str) -> None:
    """Write one line of the table."""
    sys.stdout.write(f"| {what} | {real} | {simulated} |\n")


def numbers(values: NDArray, digits: int = 1) -> str:
    """Return numbers separated by slashes."""
    return " / ".join(f"{value:.{digits}f}" for value in np.atleast_1d(values))


def spacing(position: NDArray) -> NDArray:
    """Return 5th percentile and median of the distance to the nearest neighbor."""
    return np.quantile(cKDTree(position).query(position, k=2)[0][:, 1], [0.05, 0.5])


def compare_shape(data: Path) -> None:
    """Compare number, spacing and extent of nuclei."""
    table = data / "positions" / "neuron_positions_84_animals.csv"
    heads = [head for head in fit_anatomy.read_heads(table, set()) if head.lab == "SF"]
    real = [np.array(list(head.position.values()))[:, ::-1] for head in heads]
    rng = np.random.default_rng(0)
    anatomy = Anatomy.load()
    shapes = [anatomy.sample(rng) for _ in range(60)]
    listed = [shape.position_um[shape.is_listed] for shape in shapes]
    row(
        "named nuclei, median (range)",
        *(
            f"{np.median([len(p) for p in ps]):.0f} ({min(map(len, ps))}-{max(map(len, ps))})"
            for ps in (real, listed)
        ),
    )
    for what, measure in (
        ("nearest named neighbor, um: 5th percentile / median", spacing),
        ("extent of the named nuclei x / y / z, um", lambda p: np.ptp(p, axis=0)[::-1]),
    ):
        row(what, *(numbers(np.mean([measure(p) for p in ps], axis=0)) for ps in (real, listed)))
    whole = complete_heads(fit_anatomy.read_heads(table, set()), anatomy)
    row(
        "nearest neighbor among all nuclei, um: 5th percentile / median (real: labs EY and NP,"
        " brought to the size of SF)",
        numbers(np.mean([spacing(position) for position in whole], axis=0)),
        numbers(np.mean([spacing(shape.position_um) for shape in shapes], axis=0)),
    )


def complete_heads(heads: list[fit_anatomy.Head], anatomy: Anatomy) -> list[NDArray]:
    """Return the heads that list nearly every nucleus, scaled to the size of the anatomy."""
    scaled = []
    for head in heads:
        if head.lab not in fit_anatomy.COMPLETE_LABS:
            continue
        names = [name for name in head.position if name in anatomy.neurons.names]
        known = np.array([head.position[name] for name in names])
        goal = anatomy.mean_um[anatomy.numbers(names)]
        size, wanted = (
            np.linalg.norm(place - place.mean(0), axis=1).mean() for place in (known, goal)
        )
        scaled.append(np.array(list(head.position.values())) * wanted / size)
    return scaled


def aligned(
    positions: list[dict[str, NDArray]], anatomy: Anatomy
) -> list[tuple[NDArray, NDArray]]:
    """Return rows and places of the named nuclei of each animal, rigidly aligned."""
    found = []
    for named in positions:
        names = [name for name in named if name in anatomy.neurons.names]
        if len(names) >= 30:
            place = anatomy.align(names, np.array([named[name] for name in names]))
            found.append((anatomy.numbers(names), place))
    return found


def stray(positions: list[dict[str, NDArray]], anatomy: Anatomy) -> NDArray:
    """Return quantiles of the distance of named nuclei to the mean animal."""
    distances = [
        np.linalg.norm(place - anatomy.mean_um[rows], axis=1)
        for rows, place in aligned(positions, anatomy)
    ]
    return np.quantile(np.concatenate(distances), STRAY_QUANTILES)


def unforeseen(positions: list[dict[str, NDArray]], anatomy: Anatomy) -> NDArray:
    """Return quantiles of the distance to where three quarters of the animal let one expect."""
    rng, distances = np.random.default_rng(0), []
    for rows, place in aligned(positions, anatomy):
        shown = rng.random(len(rows)) < 0.75
        mode = expected_modes(anatomy, rows[shown], place[shown])
        guess = anatomy.mean_um[rows[~shown]] + anatomy.modes_um[rows[~shown]] @ mode
        distances.append(np.linalg.norm(guess - place[~shown], axis=1))
    return np.quantile(np.concatenate(distances), STRAY_QUANTILES)


def expected_modes(anatomy: Anatomy, rows: NDArray, place: NDArray) -> NDArray:
    """Return the most likely modes of deformation given where some neurons lie."""
    loading = anatomy.modes_um[rows].reshape(-1, anatomy.n_modes)
    scaled = loading / anatomy.residual_sd_um[rows].reshape(-1, 1) ** 2
    off = (place - anatomy.mean_um[rows]).reshape(-1)
    return np.linalg.solve(np.eye(anatomy.n_modes) + scaled.T @ loading, scaled.T @ off)


def compare_variation(data: Path) -> None:
    """Compare how far animals are from the mean one; real ones were held out of the fit."""
    held_out = json.loads((fit_anatomy.ROOT / "held_out.json").read_text())["animals"]["SF"]
    table = data / "positions" / "neuron_positions_84_animals.csv"
    heads = fit_anatomy.read_heads(table, set())
    anatomy, rng = Anatomy.load(), np.random.default_rng(1)
    real = [
        {name: place[::-1] for name, place in head.position.items()}
        for head in heads
        if head.lab == "SF" and head.animal in held_out
    ]
    drawn = [
        {
            name: place
            for name, place, is_listed in zip(
                shape.names, shape.position_um, shape.is_listed, strict=True
            )
            if is_listed
        }
        for shape in (anatomy.sample(rng) for _ in range(60))
    ]
    for what, measure in (
        ("distance of a named nucleus to the mean animal", stray),
        ("the same to where three quarters of its animal let one expect it", unforeseen),
    ):
        row(
            f"{what}, um: quartiles, 90th and 95th percentile (real: held out of the fit)",
            *(numbers(measure(positions, anatomy)) for positions in (real, drawn)),
        )


def compare_activity(data: Path) -> None:
    """Compare statistics of F/F20."""
    animals = json.loads((data / "traces" / "labels.json").read_text())["animals"]
    real = []
    for key, labels in animals.items():
        trace = fit_activity.read(data / "traces" / f"{key}-data.h5")[0]
        real.append((trace, fit_activity.named_columns(labels)))
    simulated = []
    for seed in range(6):
        worm = VirtualWorm.sample(seed, settings=WormSettings(n_volumes=1600))
        columns = {name: index for index, name in enumerate(worm.shape.names) if name}
        noise = np.random.default_rng(seed).normal(0, 0.055, worm.ratios.T.shape)
        simulated.append((worm.ratios.T * (1 + noise), columns))
    for what, measure in ACTIVITY_MEASURES.items():
        values = [
            np.mean([measure(trace, columns) for trace, columns in recordings], axis=0)
            for recordings in (real, simulated)
        ]
        row(what, *(numbers(value, 2) for value in values))


def _correlated_share(trace: NDArray, _columns: dict[str, int]) -> float:
    correlation = np.corrcoef(trace.T)[np.triu_indices(trace.shape[1], 1)]
    return float((np.abs(correlation) > 0.5).mean())


ACTIVITY_MEASURES = {
    "F/F20: 5th percentile / median / 95th percentile": lambda trace, _: np.quantile(
        trace / np.quantile(trace, 0.2, axis=0), [0.05, 0.5, 0.95]
    ),
    "half-decay of the autocorrelation, s: 5 / 50 / 95 %": lambda trace, _: np.quantile(
        [fit_activity.half_decay_s(column) for column in trace.T], [0.05, 0.5, 0.95]
    ),
    "correlation of left/right pairs: 25 / 50 / 75 %": lambda trace, columns: np.quantile(
        fit_activity.pair_correlations(trace, columns), [0.25, 0.5, 0.75]
    ),
    "share of pairs with a correlation beyond 0.5": _correlated_share,
}


def compare_volumes() -> None:
    """Compare the counts of rendered volumes."""
    found = []
    for seed in range(N_ANIMALS):
        optics = OpticsSettings.sample(np.random.default_rng([seed, 9]))
        worm = VirtualWorm.sample(seed, settings=WormSettings(optics=optics))
        counts = worm.render(0).marker
        found.append([np.median(counts), counts.min(), counts.std(), counts.max()])
    low, high = np.min(found, axis=0), np.max(found, axis=0)
    names = ("median", "minimum", "SD", "maximum")
    for name, real, a, b in zip(
        names, ("125-137", "24-81", "10-50", "361-3555"), low, high, strict=True
    ):
        row(f"counts of a binned volume: {name}", real, f"{a:.0f}-{b:.0f}")


def compare_motion(data: Path) -> None:
    """Compare displacements of nuclei between volumes, and of the animal between slices."""
    real = []
    for name in ("targettrack_ex2", "targettrack_ex3"):
        points = (
            np.load(data / "volumes" / name / "pts_gt.npy"),
            np.load(data / "volumes" / name / "pts_tar.npy"),
        )
        real.append(np.linalg.norm((points[1] - points[0])[..., :2], axis=-1).ravel())
    next_px, far_px, slice_px = [], [], []
    for seed in range(N_ANIMALS):
        worm = VirtualWorm.sample(seed)
        truths = [worm.truth(index) for index in (0, 1, 100)]
        for values, other in ((next_px, truths[1]), (far_px, truths[2])):
            moved = other.centroid_px - truths[0].centroid_px
            values.append(np.linalg.norm(moved[:, 1:], axis=1))
        step = np.diff(truths[0].slice_offset_um, axis=0) / worm.spec.voxel_size_um[1]
        slice_px.append(np.linalg.norm(step, axis=1))
    quantiles = [0.05, 0.5, 0.95]
    row(
        "in-plane displacement between two distant volumes, px: 5 / 50 / 95 %"
        " (real: another rig, its own pixels)",
        numbers(np.nanquantile(np.concatenate(real), quantiles)),
        numbers(np.quantile(np.concatenate(far_px), quantiles)),
    )
    row(
        "in-plane displacement between consecutive volumes, px: 5 / 50 / 95 %",
        "-",
        numbers(np.quantile(np.concatenate(next_px), quantiles)),
    )
    row(
        "shift of the animal between consecutive slices, px: 5 / 50 / 95 %",
        "-",
        numbers(np.quantile(np.concatenate(slice_px), quantiles), 2),
    )


def compare_noise(data: Path) -> None:
    """Measure the noise of a ratio read out with the true masks and alignment."""
    traces = [fit_activity.read(path)[0] for path in (data / "traces").glob("*.h5")]
    real = [fit_activity.noise_share(column) for trace in traces for column in trace.T]
    worm = VirtualWorm.sample(0, settings=WormSettings(n_volumes=25))
    ratios, peak = [], []
    for index in range(25):
        volume, masks, truth = worm.render(index), worm.instance_masks(index), worm.truth(index)
        z, y, x = np.nonzero(masks)
        moved_y, moved_x = worm.alignment.to_activity_px(y, x, grid=worm.spec.grid)
        activity = map_coordinates(
            volume.activity.astype(np.float32), [z, moved_y, moved_x], order=1
        )
        labels, rows = masks[z, y, x], np.arange(1, len(truth.names) + 1)
        green = mean(activity - np.median(volume.activity), labels, rows)
        red = mean(volume.marker[z, y, x] - np.median(volume.marker), labels, rows)
        with np.errstate(invalid="ignore", divide="ignore"):
            ratios.append(green / red / truth.ratio)
        peak.append(red)
    log_ratio = np.log(np.maximum(np.array(ratios), 1e-3))
    noise = np.nanmedian(np.abs(np.diff(log_ratio, axis=0)), axis=0) / 0.6745 / np.sqrt(2)
    row(
        "noise of a ratio per volume, %: quartiles",
        numbers(100 * np.quantile(real, [0.25, 0.5, 0.75])),
        numbers(100 * np.nanquantile(noise, [0.25, 0.5, 0.75])),
    )
    optics = worm.settings.optics
    signal = np.nanmedian(peak)
    voxel_noise = np.hypot(
        optics.read_noise_counts,
        np.sqrt((signal + optics.background_counts) * optics.counts_per_photon),
    )
    row("signal to noise of a voxel of a median nucleus", "-", f"{signal / voxel_noise:.1f}")


def report_speed() -> None:
    """Measure volumes per second on one core."""
    worm = VirtualWorm.sample(0)
    worm.render(0)
    start = time.process_time()
    for index in range(1, 11):
        worm.render(index)
    row("binned volumes per second and core", "-", f"{10 / (time.process_time() - start):.1f}")
    random = [
        VirtualWorm.sample(seed, settings=WormSettings.sample(np.random.default_rng(seed)))
        for seed in range(10)
    ]
    for worm in random[:2]:
        worm.render(0)
    start = time.process_time()
    for worm in random:
        worm.render(0)
    row(
        "the same on random rigs, first volumes",
        "-",
        f"{10 / (time.process_time() - start):.1f}",
    )
    anatomy, rng = Anatomy.load(), np.random.default_rng(0)
    sample_points(anatomy, rng)
    start = time.process_time()
    for _ in range(200):
        sample_points(anatomy, rng, head=HeadSettings.sample(rng))
    row("ms per animal as points", "-", f"{5 * (time.process_time() - start):.1f}")


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True, help="folder of the real data")
    data = parser.parse_args().data
    row("what", "real", "simulated")
    row("---", "---", "---")
    compare_shape(data)
    compare_variation(data)
    compare_activity(data)
    compare_volumes()
    compare_motion(data)
    compare_noise(data)
    report_speed()


if __name__ == "__main__":
    main()
