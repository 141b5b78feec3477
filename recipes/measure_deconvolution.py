# ruff: noqa: T201  (a script that prints)
"""What deconvolution buys and costs: virtual traces whose driving signal is known.

Run by hand, needs the extra `deconvolution`::

    python recipes/measure_deconvolution.py --which 20 21 22 23

Activity of virtual animals (`napari_acll.simulate`) at a tenth of the volume period is the driving
signal. It goes through an exponential decay, is seen at the end of each volume with noise, and
now and then a neuron is absent. F/F0 and what is made of it are compared with the mean of the
driving signal over each volume, over its own running baseline.
"""

import argparse
import time
from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.signal import lfilter

from napari_acll.simulate import ActivitySettings, Anatomy, sample_traces
from napari_acll.trace import CausalDeconvolution, RunningBaseline

FINE = 10
N_FINE = 4090
ABSENT_SHARE = 0.05
N_UNSCORED = 20
NEAR_VOLUMES = 8
HYSTERESIS = 0.15
"""Of the range from the 10th to the 90th percentile, to both sides of its middle."""
Values = NDArray[np.floating]
Rule = Callable[[NDArray[np.float32]], Values]


def over_baseline(values: Values, period_s: float) -> NDArray[np.float32]:
    """Return values over their running baseline."""
    return RunningBaseline(period_s).update(values.astype(np.float32), first=0).copy()


def virtual_traces(
    number: int, n_neurons: int, period_s: float, decay_s: float, noise: float
) -> tuple[Values, Values, NDArray[np.float32]]:
    """Return the drive of each volume, in the mean and at its end, and ratios, of one animal."""
    rng = np.random.default_rng((97, number))
    names = rng.choice(Anatomy.load().neurons.names, n_neurons, replace=False).tolist()
    step_s = period_s / FINE
    drive = sample_traces(names, N_FINE, step_s, rng, settings=ActivitySettings()).astype(float)
    left = np.exp(-step_s / decay_s)
    light, _ = lfilter([1 - left], [1, -left], drive, zi=left * drive[:, :1])
    seen = light[:, FINE - 1 :: FINE]
    ratio = seen * (1 + noise * rng.standard_normal(seen.shape))
    ratio[rng.random(ratio.shape) < ABSENT_SHARE] = np.nan
    mean_drive = drive.reshape(n_neurons, -1, FINE).mean(axis=2)
    return mean_drive, drive[:, FINE - 1 :: FINE], ratio.astype(np.float32)


def other_deconvolution(decay: float, n_window: int, offset: float, punished_sd: float) -> Rule:
    """Return OASIS on windows of F/F0 less `offset`, drives below some SD of noise punished.

    The noise is told by differences of the last minute, robustly.
    """
    from oasis.oasis_methods import oasisAR1

    def newest(known: Values, at: int) -> float:
        window = known[max(0, at - n_window + 1) : at + 1]
        steps = np.diff(known[max(0, at - 99) : at + 1])
        steps = steps[np.isfinite(steps)]
        sd = np.median(np.abs(steps)) / 0.6745 / np.sqrt(2) if steps.size else 0.0
        drives = oasisAR1(window, decay, lam=punished_sd * sd)[1]
        before = np.flatnonzero(np.isfinite(window[:-1]))
        n_since = len(window) - 1 - before[-1] if before.size else n_window
        return float(drives[-1] / (1 - decay**n_since))

    def rule(values: NDArray[np.float32]) -> Values:
        out = np.full(values.shape, np.nan)
        for row, at in np.argwhere(np.isfinite(values)):
            if at:
                out[row, at] = newest(values[row].astype(float) - offset, at)
        return out

    return rule


def correlations(values: Values, truth: Values) -> Values:
    """Return Pearson's r of each neuron."""
    found = []
    for value, true in zip(values[:, N_UNSCORED:], truth[:, N_UNSCORED:], strict=True):
        both = np.isfinite(value) & np.isfinite(true)
        found.append(np.corrcoef(value[both], true[both])[0, 1] if value[both].std() else 0.0)
    return np.array(found)


def turns(trace: Values) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Return at which volumes transients begin and end: the middle is passed for good."""
    low, high = np.nanpercentile(trace, [10, 90])
    middle, margin = (low + high) / 2, HYSTERESIS * (high - low)
    seen = np.flatnonzero(np.abs(trace - middle) >= margin)  # NaN is not
    is_high = trace[seen] > middle
    turn = np.flatnonzero(np.diff(is_high.astype(np.int8)))
    at = seen[turn + 1]
    return at[is_high[turn + 1]], at[~is_high[turn + 1]]


def n_matched(found: Sequence[int], true: Sequence[int]) -> int:
    """Return how many true turns have a found one near."""
    return sum(bool(np.any(np.abs(np.asarray(found) - turn) <= NEAR_VOLUMES)) for turn in true)


def mean_turn(trace: Values, at: Sequence[int]) -> Values:
    """Return the traces around some volumes, one a row; those at the ends are left out."""
    near = np.arange(-NEAR_VOLUMES, NEAR_VOLUMES + 1)
    inside = [i for i in at if NEAR_VOLUMES <= i < len(trace) - NEAR_VOLUMES]
    low, high = np.nanpercentile(trace, [10, 90])
    return (trace[np.array(inside, int)[:, None] + near] - low) / (high - low)


def halfway(profiles: Sequence[Values]) -> float:
    """Return at which place the mean of all profiles is halfway between its ends, in volumes."""
    profile = np.nanmean(np.concatenate(profiles), axis=0)
    if profile[0] > profile[-1]:
        profile = -profile
    low, high = int(np.argmin(profile)), int(np.argmax(profile))
    rising = profile[low : high + 1]
    return float(np.interp((rising[0] + rising[-1]) / 2, rising, np.arange(low, high + 1)))


def row(name: str, values: Values, truth: Values, period_s: float) -> str:
    """Return one line of the table."""
    r = correlations(values, truth)
    around: dict[str, list[list[Values]]] = {"found": [[], []], "true": [[], []]}
    n_true = n_found = n_near = 0
    for value, true in zip(values[:, N_UNSCORED:], truth[:, N_UNSCORED:], strict=True):
        for kind, (found, wanted) in enumerate(zip(turns(value), turns(true), strict=True)):
            around["found"][kind].append(mean_turn(value, wanted))
            around["true"][kind].append(mean_turn(true, wanted))
            n_true, n_found = n_true + len(wanted), n_found + len(found)
            n_near += n_matched(found, wanted)
    late_s = [
        period_s * (halfway(found) - halfway(true))
        for found, true in zip(around["found"], around["true"], strict=True)
    ]
    minutes = values.shape[0] * (values.shape[1] - N_UNSCORED) * period_s / 60
    return (
        f"| {name} | {np.median(r):.3f} | {np.percentile(r, 10):.3f} | {late_s[0]:+.2f} |"
        f" {late_s[1]:+.2f} | {n_near / n_true:.0%} | {(n_found - n_near) / minutes:.1f} |"
    )


def compare(options: argparse.Namespace, decay_s: float, noise: float) -> None:
    """Print the table of one indicator and one noise."""
    period_s = options.period_s
    made = [virtual_traces(n, options.neurons, period_s, decay_s, noise) for n in options.which]
    truth = np.concatenate([over_baseline(drive, period_s) for drive, _, _ in made])
    ideal = np.concatenate([over_baseline(end, period_s) for _, end, _ in made])
    ratio = np.concatenate([ratio for _, _, ratio in made])
    values = over_baseline(ratio, period_s)
    deconvolution = CausalDeconvolution(period_s, decay_s=decay_s)
    start = time.process_time()
    deconvolved = deconvolution.update(ratio, first=0)
    cost_us = 1e6 * (time.process_time() - start) / ratio.size
    print(f"\ndecay {decay_s:g} s, noise {noise:.0%}; {cost_us:.1f} us per value\n")
    print("| | median r | p10 | onset, s | offset, s | found | too many per min |")
    print("|---|---|---|---|---|---|---|")
    print(row("no decay, no noise", ideal, truth, period_s))
    print(row("F/F0", values, truth, period_s))
    print(row("deconvolved", deconvolved, truth, period_s), flush=True)
    if options.others:
        settings = {"F/F0 - 1": (1.0, 0.0), "F/F0 - 1, below 1 SD punished": (1.0, 1.0)}
        for name, (offset, punished_sd) in settings.items():
            rule = other_deconvolution(
                deconvolution.decay, deconvolution.n_window, offset, punished_sd
            )
            print(row(name, rule(values), truth, period_s), flush=True)


def main() -> None:
    """Print a table for each indicator and noise."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--which", type=int, nargs="+", default=[20, 21, 22, 23])
    parser.add_argument("--neurons", type=int, default=40, help="of each animal")
    parser.add_argument("--period-s", type=float, default=0.6)
    parser.add_argument("--decay-s", type=float, nargs="+", default=[0.52, 1.5])
    parser.add_argument("--noise", type=float, nargs="+", default=[0.03, 0.08])
    parser.add_argument("--others", action="store_true", help="what was tried, too")
    options = parser.parse_args()
    for decay_s in options.decay_s:
        for noise in options.noise:
            compare(options, decay_s, noise)


if __name__ == "__main__":
    main()
