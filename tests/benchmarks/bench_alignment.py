# ruff: noqa: T201  (a script that prints)
"""Errors and speed of the channel alignment; run by hand, it takes some minutes.

python tests/benchmarks/bench_alignment.py --animals 20

Three ways are compared on the same pairs: ours; a correlation of band-passed maximum
projections, refined continuously, median over the volumes; and the time of the exhaustive grid of
the original pipeline (16,384 candidates on the maximum projection), of which a slice is timed.
"""

import argparse
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
from scipy import ndimage, optimize

sys.path.insert(0, str(Path(__file__).parents[2]))

from tests.preprocess.alignment_pairs import (
    ORIGINAL,
    UNCROPPED,
    Animal,
    Scene,
    as_volume,
    errors_of,
    make_pair,
)

from napari_acll.core import AlignmentSettings, ChannelAlignment, VolumeSpec
from napari_acll.preprocess import AlignmentCalibrator, estimate_alignment

N_VOLUMES = 5
MAX_SHIFT_UM = 15 * 0.54
N_ORIGINAL_CANDIDATES = 32 * 32 * 16
N_TIMED_CANDIDATES = 64


def random_truth(rng):
    dy, dx = rng.uniform(-MAX_SHIFT_UM, MAX_SHIFT_UM, 2)
    return ChannelAlignment(dy_um=dy, dx_um=dx, theta_deg=rng.uniform(-2, 2))


def seconds(work: Callable[[], object]) -> tuple[object, float]:
    start = time.process_time()
    return work(), time.process_time() - start


def calibrated(pairs, grid):
    spec = VolumeSpec(grid=grid, period_s=0.6)
    calibrator = AlignmentCalibrator(spec, AlignmentSettings(n_volumes=len(pairs)))
    for index, (marker, activity) in enumerate(pairs):
        calibrator.add(as_volume(marker, activity, spec, index))
    return calibrator.result()


def projection(channel):
    image = channel.max(axis=0).astype(np.float32)
    band = ndimage.gaussian_filter(image, 1.5) - ndimage.gaussian_filter(image, 3.0)
    noise = 1.4826 * np.median(np.abs(band))
    return np.arcsinh(band / (2 * noise))


def by_projection(marker, activity, grid, start):
    """Correlate maximum projections; it is even told where to start."""
    fixed, moving = projection(marker), projection(activity)
    spline = ndimage.spline_filter(moving, 3)
    y, x = np.indices(fixed.shape).astype(float)

    def disagreement(p):
        alignment = ChannelAlignment(dy_um=p[0], dx_um=p[1], theta_deg=p[2])
        at = alignment.to_activity_px(y, x, grid=grid)
        moved = ndimage.map_coordinates(spline, at, order=3, prefilter=False)
        return -np.corrcoef(fixed.ravel(), moved.ravel())[0, 1]

    first = np.array([start.dy_um, start.dx_um, start.theta_deg])
    simplex = first + np.vstack([np.zeros(3), np.diag([0.5, 0.5, 0.3])])
    options = {"initial_simplex": simplex, "xatol": 1e-3, "fatol": 1e-6}
    return optimize.minimize(disagreement, first, method="Nelder-Mead", options=options).x


def median_by_projection(pairs, grid, start):
    found = np.median([by_projection(m, a, grid, start) for m, a in pairs], axis=0)
    return ChannelAlignment(dy_um=found[0], dx_um=found[1], theta_deg=found[2])


def original_seconds(marker, activity):
    """Time a slice of the original's exhaustive search and scale it up."""
    import torch
    from torch.nn import functional

    torch.set_num_threads(1)
    fixed, moving = (
        torch.from_numpy(c.max(axis=0).astype(np.float32)) for c in (marker, activity)
    )
    start = time.process_time()
    for index in range(N_TIMED_CANDIDATES):
        turn = torch.tensor([[[1.0, 0.0, 1e-4 * index], [0.0, 1.0, 0.0]]])
        grid = functional.affine_grid(turn, [1, 1, *fixed.shape], align_corners=False)
        moved = functional.grid_sample(moving[None, None], grid, align_corners=False)[0, 0]
        torch.corrcoef(torch.stack([fixed.ravel(), moved.ravel()]))
    return (time.process_time() - start) * N_ORIGINAL_CANDIDATES / N_TIMED_CANDIDATES


def describe(name, errors):
    center, edge, angle = np.array(errors).T
    text = "  ".join(
        f"{what} {np.median(v):.3f} / {np.percentile(v, 95):.3f} / {v.max():.3f}"
        for what, v in (("center px", center), ("corner px", edge), ("degrees", angle))
    )
    print(f"{name:34s} {text}", flush=True)


def measure(grid, n_animals, n_rivals):
    errors = {"one volume": [], "five volumes": [], "projections, five volumes": []}
    per_volume, at_end, scores, spreads, n_trusted = [], [], [], [], 0
    for seed in range(n_animals):
        rng = np.random.default_rng(seed)
        scene = Scene(grid=grid)
        animal, truth = Animal.random(rng, scene), random_truth(rng)
        pairs = [make_pair(rng, animal.posed(rng), truth, scene) for _ in range(N_VOLUMES)]
        settings = AlignmentSettings()
        one, duration = seconds(
            partial(estimate_alignment, *pairs[0], grid=grid, settings=settings)
        )
        per_volume.append(duration)
        joint, duration = seconds(partial(calibrated, pairs, grid))
        at_end.append(duration)
        errors["one volume"].append(errors_of(one, truth, grid))
        errors["five volumes"].append(errors_of(joint, truth, grid))
        scores.append(joint.score)
        spreads.append(joint.spread_um)
        n_trusted += joint.is_trusted
        if seed < n_rivals:
            rival = median_by_projection(pairs, grid, truth)
            errors["projections, five volumes"].append(errors_of(rival, truth, grid))
    size = "x".join(map(str, grid.shape))
    print(f"\n{size}, {n_animals} animals, median / 95th percentile / largest")
    for name, values in errors.items():
        describe(f"{name} (n={len(values)})", values)
    print(
        f"score {min(scores):.2f} to {max(scores):.2f}, spread up to {max(spreads) / 0.54:.2f} px"
    )
    print(f"trusted: {n_trusted} of {n_animals}")
    print(
        f"CPU time: one volume {1e3 * np.median(per_volume):.0f} ms, calibration on five"
        f" {1e3 * np.median(at_end):.0f} ms; the original's grid on one core"
        f" {original_seconds(*pairs[0]):.1f} s per volume"
    )


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--animals", type=int, default=20, help="animals per geometry")
    parser.add_argument("--rivals", type=int, default=5, help="animals for the projections")
    chosen = parser.parse_args()
    for grid in (ORIGINAL, UNCROPPED):
        measure(grid, chosen.animals, chosen.rivals)


if __name__ == "__main__":
    main()
