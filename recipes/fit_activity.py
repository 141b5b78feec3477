"""Activity statistics of real freely moving animals, for the virtual worm.

References
----------
Dag et al., Cell 2023 (flavell-lab/NSM_5HTR_analysis): four recordings at 0.6 s per volume.
"""

import json
import logging
from pathlib import Path

import h5py
import numpy as np
from numpy.typing import NDArray

logger = logging.getLogger("fit_activity")

PERIOD_S = 0.6
MIN_CONFIDENCE = 3.0
PROBABILITIES = np.linspace(0.01, 0.99, 15)


def read(path: Path) -> tuple[NDArray, NDArray]:
    """Return F/F20 `(T, n)` and whether the animal reverses `(T,)`."""
    with h5py.File(path) as file:
        trace = file["gcamp/trace_array_original"][:]
        reversing = file["behavior/reversal_vec"][:] > 0
    return trace / np.quantile(trace, 0.2, axis=0), reversing


def half_decay_s(trace: NDArray) -> float:
    """Return the lag at which the autocorrelation, without its noise peak, has fallen to half."""
    centered = trace - trace.mean()
    lags = np.correlate(centered, centered, "full")[len(trace) :]
    return float(np.argmax(lags < lags[0] / 2) + 1) * PERIOD_S


def noise_share(trace: NDArray) -> float:
    """Return the SD of the white part of a log trace."""
    difference = np.diff(np.log(np.maximum(trace, 0.05)))
    return float(np.median(np.abs(difference)) / 0.6745 / np.sqrt(2))


def named_columns(labels: dict[str, dict]) -> dict[str, int]:
    """Return the column of every name that was given with some confidence."""
    return {
        entry["label"]: int(column)
        for column, entry in labels.items()
        if "?" not in entry["label"] and entry["confidence"] >= MIN_CONFIDENCE
    }


def pair_correlations(trace: NDArray, columns: dict[str, int]) -> list[float]:
    """Return the correlations of left/right pairs."""
    pairs = [(n, n[:-1] + "R") for n in columns if n.endswith("L") and n[:-1] + "R" in columns]
    return [float(np.corrcoef(trace[:, columns[a]], trace[:, columns[b]])[0, 1]) for a, b in pairs]


def dwell_s(state: NDArray) -> float:
    """Return the mean length of the true runs, in s."""
    starts = np.count_nonzero(np.diff(np.r_[0, state.astype(int)]) == 1)
    return float(state.sum() * PERIOD_S / max(starts, 1))


def fit(folder: Path, names: list[str], excluded: set[str]) -> dict[str, NDArray]:
    """Return the statistics of all recordings but the excluded ones as named arrays.

    Per neuron: `reversal_loading`, the mean correlation with reversing (NaN if never seen). For
    all: quantiles at `activity_probabilities` of the SD of log F, of the half-decay in s, of the
    correlation of left/right pairs and of the loadings of one common slow mode.
    """
    animals = json.loads((folder / "labels.json").read_text())["animals"]
    log_sd, decay, pairs, noise, common, dwell, share = [], [], [], [], [], [], []
    loadings: dict[str, list[float]] = {}
    pooled = []
    for key, labels in sorted(animals.items()):
        if key in excluded:
            continue
        trace, reversing = read(folder / f"{key}-data.h5")
        columns = named_columns(labels)
        pairs += pair_correlations(trace, columns)
        white = [noise_share(column) for column in trace.T]
        log_sd += list(
            np.sqrt(np.maximum(np.log(np.maximum(trace, 0.05)).var(0) - np.square(white), 1e-3))
        )
        noise += white
        decay += [half_decay_s(column) for column in trace.T]
        score = (trace - trace.mean(0)) / trace.std(0)
        mode = np.linalg.svd(score, full_matrices=False)[0][:, 0]
        common += [float(np.corrcoef(mode, column)[0, 1]) for column in score.T]
        dwell.append(dwell_s(reversing))
        share.append(reversing.mean())
        pooled.append(np.quantile(trace, [0.05, 0.5, 0.95]))
        for name, column in columns.items():
            value = float(np.corrcoef(trace[:, column], reversing)[0, 1])
            loadings.setdefault(name, []).append(value)
    logger.info("F/F20 5/50/95 %%: %s", np.round(pooled, 2).tolist())
    logger.info("L/R pairs %d, median correlation %.2f", len(pairs), np.median(pairs))
    logger.info("noise %s decay %s", np.median(noise), np.quantile(decay, [0.05, 0.5, 0.95]))
    return {
        "activity_probabilities": PROBABILITIES,
        "activity_log_sd": np.quantile(log_sd, PROBABILITIES),
        "activity_half_decay_s": np.quantile(decay, PROBABILITIES),
        "activity_pair_correlation": np.quantile(pairs, PROBABILITIES),
        "activity_common_loading": np.quantile(np.abs(common), PROBABILITIES),
        "activity_noise": np.quantile(noise, PROBABILITIES),
        "reversal_dwell_s": np.array(np.mean(dwell)),
        "reversal_share": np.array(np.mean(share)),
        "reversal_loading": np.array([np.mean(loadings.get(name, [np.nan])) for name in names]),
    }
