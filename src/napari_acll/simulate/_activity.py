"""Activity of every neuron over time, with the statistics of real freely moving animals."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from napari_acll.simulate._anatomy import load_parameters

Floats = NDArray[np.float64]
FITTED_LENGTH = 800
"""Volumes of the recordings that the statistics were taken from."""
STATE_HALF_S = 20.0
"""Half-decay of the slow state that many neurons share."""
RELIABILITY = 0.88
"""What the noise of the recordings leaves of a correlation."""
MAX_LENGTH = 4096
"""Longer traces run backward and forward again; an animal is recorded for some 1600 volumes."""
Reporter: TypeAlias = Literal["gcamp", "gfp"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ActivitySettings:
    """What the activity channel reports.

    Parameters
    ----------
    reporter : str
        `gcamp`, or `gfp` for an animal whose signal does not depend on activity.
    bleach_time_s : float
        Time constant of the bleaching of both channels; infinite for none.
    laser_step_s : float
        Time at which the laser power goes up; infinite for never.
    laser_step_factor : float
        By how much (the original rig goes from 13 to 15 %).
    """

    reporter: Reporter = "gcamp"
    bleach_time_s: float = 2000.0
    laser_step_s: float = float("inf")
    laser_step_factor: float = 15 / 13

    def light(self, time_s: float) -> float:
        """Return the brightness of everything at a time, relative to the start."""
        step = self.laser_step_factor if time_s >= self.laser_step_s else 1.0
        return float(step * np.exp(-time_s / self.bleach_time_s))


def sample_traces(
    names: Sequence[str],
    n_volumes: int,
    period_s: float,
    rng: np.random.Generator,
    *,
    settings: ActivitySettings,
) -> NDArray[np.float32]:
    """Return F/F20 of every neuron at every volume.

    Log activity is a mixture of a slow state that many neurons share, of reversing, of what a
    left/right pair shares, and of the neuron's own; their shares and speeds are drawn from the
    fitted quantiles.

    Parameters
    ----------
    names : sequence of str
        Neuron names; empty ones have no partner.
    n_volumes : int
        Number of volumes.
    period_s : float
        Time between them, in s.
    rng : numpy.random.Generator
        Decides everything.
    settings : ActivitySettings
        A GFP animal has 1 everywhere.

    Returns
    -------
    ndarray of float32, shape (n, n_volumes)
        At most `MAX_LENGTH` columns, see `trace_column`.
    """
    if settings.reporter == "gfp":
        return np.ones((len(names), min(n_volumes, MAX_LENGTH)), np.float32)
    n_time = min(max(n_volumes, FITTED_LENGTH), MAX_LENGTH)
    log_f = _log_activity(_pair_members(names), names, n_time, period_s, rng)
    ratio: Floats = np.exp(log_f)
    ratio /= np.quantile(ratio, 0.2, axis=1, keepdims=True)
    return ratio[:, :n_volumes].astype(np.float32)


def trace_column(index: int) -> int:
    """Return the column of `sample_traces` that holds a volume, however long the recording."""
    turn, rest = divmod(index, MAX_LENGTH)
    return rest if turn % 2 == 0 else MAX_LENGTH - 1 - rest


def _quantiles(table: dict[str, NDArray[np.generic]], key: str, rank: Floats) -> Floats:
    """Return the fitted quantiles at ranks between 0 and 1."""
    probabilities = np.asarray(table["activity_probabilities"], np.float64)
    return np.interp(rank, probabilities, np.asarray(table[key], np.float64))


def _noiseless(correlation: Floats) -> Floats:
    """Return correlations as they were without the noise of the recordings they come from."""
    return np.clip(correlation / RELIABILITY, 0.0, 0.97)


def _pair_members(names: Sequence[str]) -> NDArray[np.int64]:
    """Return a number for each neuron that it shares with its partner on the other side only."""
    classes = [
        name[:-1] if len(name) > 2 and name[-1] in "LR" else name or f"#{index}"
        for index, name in enumerate(names)
    ]
    unique = {key: index for index, key in enumerate(dict.fromkeys(classes))}
    return np.array([unique[key] for key in classes], np.int64)


def _log_activity(
    member: NDArray[np.int64],
    names: Sequence[str],
    n_time: int,
    period_s: float,
    rng: np.random.Generator,
) -> Floats:
    """Return log F of every neuron, shape `(n, n_time)`, with the fitted SDs."""
    table = load_parameters()
    n_classes = int(member.max()) + 1
    half_s = _quantiles(table, "activity_half_decay_s", rng.random(n_classes))[member]
    shared = _relaxations(half_s, n_time, period_s, rng, member)
    own = _relaxations(half_s, n_time, period_s, rng, np.arange(len(names)))
    state = _relaxations(np.array([STATE_HALF_S]), n_time, period_s, rng, np.zeros(1, int))
    reversing = _standardized(_reversals(n_time, period_s, rng, table))
    sign = rng.choice([-1.0, 1.0], n_classes)[member]
    # what follows the common state strongly is also what is alike on both sides
    rank = rng.random(n_classes)
    common = sign * _noiseless(_quantiles(table, "activity_common_loading", rank))[member]
    reversal = _reversal_loading(names, table, rng)
    partner = _noiseless(_quantiles(table, "activity_pair_correlation", rank))[member]
    given = np.minimum(common**2 + reversal**2, 0.95)
    pair_share = np.clip((partner - given) / (1 - given), 0.0, 1.0)[:, None]
    log_f: Floats = common[:, None] * state + reversal[:, None] * reversing
    rest = np.sqrt(pair_share) * shared + np.sqrt(1 - pair_share) * own
    log_f += np.sqrt(1 - given)[:, None] * rest
    log_sd = _quantiles(table, "activity_log_sd", rng.random(n_classes))[member]
    # the SDs were measured within recordings, in which slow neurons do not show all they can do
    log_f *= (log_sd / log_f.std(axis=1))[:, None]
    return log_f


def _standardized(trace: Floats) -> Floats:
    sd = trace.std()
    standardized: Floats = (trace - trace.mean()) / sd if sd > 0 else trace - trace.mean()
    return standardized


def _relaxations(
    half_s: Floats,
    n_time: int,
    period_s: float,
    rng: np.random.Generator,
    member: NDArray[np.int64],
) -> Floats:
    """Return unit-variance relaxations, one per member; equal members get the same one."""
    from scipy.signal import lfilter

    decay = 0.5 ** (period_s / half_s)
    n_before = int(np.ceil(5 * half_s.max() / period_s))
    drive = rng.standard_normal((int(member.max()) + 1, n_before + n_time))
    rows = np.empty((len(member), n_time))
    for row, (index, a) in enumerate(zip(member, decay, strict=True)):
        # a second, fast pole stands for the indicator: its rise is not instantaneous
        fast = min(0.5, float(a))
        filtered = lfilter([1.0], [1.0, -(a + fast), a * fast], drive[index])[n_before:]
        gain = (1 + a * fast) / ((1 - a * fast) * ((1 + a * fast) ** 2 - (a + fast) ** 2))
        rows[row] = filtered / np.sqrt(gain)
    return rows


def _reversals(
    n_time: int, period_s: float, rng: np.random.Generator, table: dict[str, NDArray[np.generic]]
) -> Floats:
    """Return 1 while the animal reverses, smoothed as an indicator would."""
    dwell = float(np.asarray(table["reversal_dwell_s"], np.float64))
    share = float(np.asarray(table["reversal_share"], np.float64))
    mean_s = {True: dwell, False: dwell * (1 - share) / share}
    state = bool(rng.random() < share)
    trace = np.empty(n_time)
    at = 0
    while at < n_time:
        length = max(1, int(rng.exponential(mean_s[state]) / period_s))
        trace[at : at + length] = float(state)
        at, state = at + length, not state
    kernel = np.exp(-np.arange(0, 10, period_s) / 1.5)
    return np.convolve(trace, kernel / kernel.sum())[:n_time]


def _reversal_loading(
    names: Sequence[str], table: dict[str, NDArray[np.generic]], rng: np.random.Generator
) -> Floats:
    known = {
        str(name): float(value)
        for name, value in zip(
            table["names"], np.asarray(table["reversal_loading"], np.float64), strict=True
        )
        if np.isfinite(value)
    }
    return np.array([known.get(name, rng.normal(0, 0.15)) for name in names])
