"""Scores of the traces that `measure_traces.py` keeps, and the table of them."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from napari_acll.core import TraceFlag

FEWEST = 40
"""A neuron with fewer values has no correlation."""
OUTLIER_SD = 5.0
"""Off by more than so many robust SD of the oracle's own scatter, a sample is an outlier."""
LEAST_SD = 0.02
SAME = (
    "oracle",
    "naive",
    "ratio",
    "engine",
    "engine, masks",
    "engine, no memory",
    "naive, stray voxels",
    "engine, stray voxels",
    "naive, one laser changes",
    "engine, one laser changes, not corrected",
    "engine, one laser changes",
)
MAIN = (
    "oracle",
    "naive",
    "ratio",
    "engine",
    *(f"own {name}" for name in ("naive", "engine", "naive, filtered", "engine, filtered")),
)
"""What is measured where time is short."""
OWN = ("naive", "ratio", "engine", "naive, filtered", "engine, filtered")


def scores(
    saved: dict[str, NDArray], track: str, reference: str, rows: NDArray
) -> dict[str, NDArray]:
    """Return per neuron correlation, and per sample what is an outlier.

    Parameters
    ----------
    saved : dict
        What `record` wrote.
    track : str
        Which estimator and labels.
    reference : str
        The track whose scatter is the yardstick of outliers.
    rows : ndarray of bool, shape (n, n_volumes)
        Samples that count.
    """
    truth = saved["truth"].astype(np.float64)
    ratio = np.where(rows, saved[f"ratio {track}"].astype(np.float64), np.nan)
    given = rows & ~np.isnan(ratio)
    r = np.full(len(ratio), np.nan)
    scatter = relative(saved[f"ratio {reference}"].astype(np.float64), truth)
    sd = np.maximum(1.4826 * np.nanmedian(np.abs(scatter), axis=1), LEAST_SD)
    away = relative(ratio, truth)
    is_bad = given & ~(ratio > 0) | (given & np.isinf(ratio))
    for row in range(len(ratio)):
        use = given[row] & np.isfinite(ratio[row])
        if use.sum() >= FEWEST:
            r[row] = np.corrcoef(ratio[row, use], truth[row, use])[0, 1]
    flags = saved.get(f"flags {track}", np.zeros(given.shape, np.uint8))
    marked = (flags & TraceFlag.SUSPECT) > 0
    with np.errstate(invalid="ignore"):
        outlier = given & ((np.abs(away) > OUTLIER_SD * sd[:, None]) | is_bad)
        gross = given & ((away > 1.0) | (away < -0.5) | is_bad)
    return {
        "r": r,
        "given": given,
        "outlier": outlier,
        "gross": gross,
        "bad": is_bad,
        "marked": marked & given,
        "scatter": 1.4826 * np.nanmedian(np.abs(away), axis=1),
        "z": away * ratio / saved.get(f"sd {track}", np.float32(np.nan)),
    }


def relative(ratio: NDArray, truth: NDArray) -> NDArray:
    """Return by what part each sample is off, each neuron over its own median."""
    with np.errstate(all="ignore"):
        share = ratio / truth
        return share / np.nanmedian(share, axis=1, keepdims=True) - 1.0


def table(files: Sequence[Path], skip: int) -> list[dict[str, object]]:
    """Return a row of scores for each estimator and kind of labels, over all animals."""
    rows: dict[str, list[dict[str, NDArray]]] = {}
    took: dict[str, list[float]] = {}
    n_true = 0
    for file in files:
        with np.load(file) as stored:
            saved = {key: stored[key] for key in stored.files}
        is_scored = np.zeros(saved["truth"].shape, np.bool_)
        is_scored[:, skip:] = np.isfinite(saved["truth"][:, skip:])
        n_true += int(is_scored.sum())
        found = is_scored & np.isfinite(saved["ratio ratio"])
        for name in SAME:
            if f"ratio {name}" not in saved:
                continue
            use = found if name == "oracle" else is_scored
            rows.setdefault(name, []).append(scores(saved, name, "oracle", use))
        for kind in ("own", "filtered"):
            use = found & saved[f"right {kind}"]
            rows.setdefault(f"oracle, {kind}", []).append(scores(saved, "oracle", "oracle", use))
        for name in OWN:
            if f"ratio own {name}" not in saved:
                continue
            use = is_scored & saved["right filtered" if "filtered" in name else "right own"]
            rows.setdefault(f"own {name}", []).append(scores(saved, f"own {name}", "oracle", use))
            every = scores(saved, f"own {name}", "oracle", is_scored)
            rows.setdefault(f"own {name}, all names", []).append(every)
        for key, value in saved.items():
            if key.startswith("ms "):
                took.setdefault(key[3:], []).append(float(value))
    return [summary(name, of, n_true, took) for name, of in rows.items()]


def summary(
    name: str, of: list[dict[str, NDArray]], n_true: int, took: dict[str, list[float]]
) -> dict[str, object]:
    """Return one row of the table."""
    r = np.concatenate([scored["r"] for scored in of])
    r = r[np.isfinite(r)]
    total = {
        key: sum(int(scored[key].sum()) for scored in of)
        for key in ("given", "outlier", "gross", "bad", "marked")
    }
    left = sum(int((scored["outlier"] & ~scored["marked"]).sum()) for scored in of)
    gross_left = sum(int((scored["gross"] & ~scored["marked"]).sum()) for scored in of)
    per_1000 = 1000 / max(total["given"], 1)
    per_1000_unmarked = 1000 / max(total["given"] - total["marked"], 1)
    z = np.concatenate([scored["z"][scored["given"]] for scored in of])
    z = z[np.isfinite(z)]
    return {
        "name": name,
        "n": len(r),
        "median_r": float(np.median(r)) if len(r) else float("nan"),
        "p10_r": float(np.quantile(r, 0.1)) if len(r) else float("nan"),
        "scatter": float(np.nanmedian(np.concatenate([scored["scatter"] for scored in of]))),
        "outliers": total["outlier"] * per_1000,
        "outliers_unmarked": left * per_1000_unmarked,
        "gross": total["gross"] * per_1000,
        "gross_unmarked": gross_left * per_1000_unmarked,
        "impossible": total["bad"] * per_1000,
        "marked": total["marked"] * per_1000,
        "coverage": 100 * total["given"] / max(n_true, 1),
        "z": float(1.4826 * np.median(np.abs(z))) if len(z) else float("nan"),
        "ms": float(np.mean(took[name])) if name in took else float("nan"),
    }


def lines(rows: list[dict[str, object]]) -> list[str]:
    """Return the scores as a table in Markdown."""
    digits = {"median_r": 3, "p10_r": 3, "scatter": 3, "z": 2}
    names = list(rows[0])
    table = ["| " + " | ".join(names) + " |", "|" + "---|" * len(names)]
    for row in rows:
        cells = [
            f"{value:.{digits.get(name, 1)}f}" if isinstance(value, float) else str(value)
            for name, value in row.items()
        ]
        table.append("| " + " | ".join(cells) + " |")
    return table
