"""A model calibrated anew on names that somebody checked, on the rig where it is used."""

import logging
import os
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize

from napari_acll.core import ModelError, SessionError, SettingsError, live_session_runs
from napari_acll.evaluation import GivenNames, TrueNuclei, match_volumes, read_truth
from napari_acll.label import Calibration, PointModel, take_fingerprint
from napari_acll.training._calibration import Bools, Floats, calibration_error, log_loss
from napari_acll.training._given_names import given_by_model, model_file_of, rig_of

logger = logging.getLogger(__name__)

MATCH_UM = 3.0
LEAST_NAMES = 20
"""Fewer checked names tell nothing that the calibration does not know better."""
N_FOLDS = 5
_N_OTHER_STEPS = 3
"""Beside the volumes: fitting, the fingerprint, the file."""
_SLOPE_SD, _SHIFT_SD = 0.4, 0.6
"""How far rigs are believed to lie from each other before any name was checked: with twenty names
the old calibration decides, with some hundred the names do."""


def _tell_nobody(n_done: int, n_all: int) -> None:
    """Tell nobody how far it is."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NameCalibration:
    """What came of calibrating a model on checked names.

    Parameters
    ----------
    calibration : Calibration
        The new one.
    n_names, n_right, n_volumes : int
        Names that were given and checked, those that were right, and volumes that they are from.
    n_not_found : int
        Checked names at whose place nothing was found or named: they tell nothing.
    error_before, error_after : float
        Expected calibration error of the old calibration, and of the new one on names left out of
        its fit; 0 to 1.
    """

    calibration: Calibration
    n_names: int
    n_right: int
    n_volumes: int
    n_not_found: int
    error_before: float
    error_after: float

    def summary(self) -> str:
        """Return what was done, in one sentence."""
        return (
            f"Calibrated on {self.n_names} checked names of {self.n_volumes} volumes,"
            f" {self.n_right / self.n_names:.0%} of them right ({self.n_not_found} more lie where"
            f" nothing was named); calibration error {self.error_before:.1%} before,"
            f" {self.error_after:.1%} after (on names left out of the fit)."
        )


def calibrate_names(
    session: str | Path,
    names: str | Path,
    *,
    out: Path,
    model: str | None = None,
    rig: str = "",
    progress: Callable[[int, int], None] = _tell_nobody,
) -> NameCalibration:
    """Write a model whose probabilities hold on the rig of a session, and return what was done.

    The networks stay as they are, and so do the names that they give; the probability that is
    shown with a name changes. Probabilities kept in the session are used if they are those of
    this model, otherwise the recording is labeled again. A live session of this computer needs
    it more: one that starts ends the calibration at its next step.

    Parameters
    ----------
    session : str or Path
        A session folder, or a recording.
    names : str or Path
        Table of names that somebody checked, right ones as well as corrected ones: columns
        `volume`, `name`, `z_px`, `y_px`, `x_px`, an empty name for a nucleus without one.
    out : Path
        Model file to write (`.safetensors`).
    model : str, optional
        Model file, `default`, or a model of the user folder; the session's own if None.
    rig : str
        What the rig is called; the name that the session gives it if empty.
    progress : callable
        Called with the number of steps that are done and of all. What it raises ends the
        calibration, and no file is left.

    Raises
    ------
    ModelError
        If the model is no point model, or `out` exists already.
    RecordingError
        If the table of names is missing or damaged, or the recording cannot be read.
    SessionError
        If the session is damaged, or a live session runs on this computer or starts meanwhile.
    SettingsError
        If fewer than 20 of the checked places were given a name.
    """
    if out.exists():
        raise ModelError(f"{out} exists already and is not overwritten; choose another name.")
    step = _giving_way(progress, out)
    step(0, 1)
    file = model_file_of(session, model)
    old = PointModel.load(file)
    truth = read_truth(names)
    volumes = np.unique(truth.volume)
    n_all = len(volumes) + _N_OTHER_STEPS
    given = given_by_model(
        session, file, old, volumes, on_volume=lambda n_done: step(n_done, n_all)
    )
    checked = check_names(given, truth)
    step(n_all - 3, n_all)
    result = refit(old.card.calibration, checked, rig=rig or rig_of(session), about=str(session))
    step(n_all - 2, n_all)
    new = _calibrated(old, result.calibration)
    step(n_all - 1, n_all)
    _save(new, out, last_step=lambda: step(n_all, n_all))
    return result


def _giving_way(progress: Callable[[int, int], None], out: Path) -> Callable[[int, int], None]:
    """Return what tells of a step, unless a live session has to go first."""

    def step(n_done: int, n_all: int) -> None:
        if live_session_runs():
            raise SessionError(
                "A live session runs on this computer and needs all of it, so the calibration of"
                f" names ended and {out.name} was not written; calibrate again when the session"
                " is over."
            )
        progress(n_done, n_all)

    return step


def _calibrated(old: PointModel, calibration: Calibration) -> PointModel:
    card = old.card.model_copy(update={"calibration": calibration})
    new = replace(old, card=card)
    fingerprint = take_fingerprint(new) if old.card.fingerprint is not None else None
    return replace(old, card=card.model_copy(update={"fingerprint": fingerprint}))


def _save(model: PointModel, out: Path, *, last_step: Callable[[], None]) -> None:
    """Write a model under its name only once it is whole, and nobody has changed their mind."""
    out.parent.mkdir(parents=True, exist_ok=True)
    unfinished = out.with_name(f"{out.name}.{os.getpid()}.tmp")
    try:
        model.save(unfinished)
        last_step()
        unfinished.replace(out)
    finally:
        unfinished.unlink(missing_ok=True)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class CheckedNames:
    """Names that were given where somebody knows the truth; one row per name.

    Parameters
    ----------
    probability : ndarray of float64, shape (n,)
        That was shown with the name.
    is_right : ndarray of bool, shape (n,)
        Whether it is the true one.
    volume : ndarray of int64, shape (n,)
        Volume that it was given in.
    n_not_found : int
        Known places at which no name was given.
    """

    probability: Floats
    is_right: Bools
    volume: NDArray[np.int64]
    n_not_found: int = 0


def check_names(given: GivenNames, truth: TrueNuclei) -> CheckedNames:
    """Return the names that were given where the truth is known.

    Parameters
    ----------
    given : GivenNames
        What a model said.
    truth : TrueNuclei
        What is known; a name that ends in `?` is not.
    """
    size_um = np.ones(3) if truth.is_in_um else np.asarray(given.voxel_size_um or (1.0, 1.0, 1.0))
    is_certain = np.array([not str(name).endswith("?") for name in truth.name], bool)
    matched = match_volumes(
        given.position_um,
        given.volume,
        truth.position * size_um,
        truth.volume,
        max_distance_um=MATCH_UM,
    )
    rows = np.flatnonzero((matched >= 0) & (given.neuron > 0))
    rows = rows[is_certain[matched[rows]]]
    said = np.array([given.neurons.name(int(number)) for number in given.neuron[rows]], np.str_)
    return CheckedNames(
        probability=given.probability[rows],
        is_right=said == truth.name[matched[rows]],
        volume=given.volume[rows],
        n_not_found=int(is_certain.sum()) - len(rows),
    )


def refit(old: Calibration, checked: CheckedNames, *, rig: str, about: str) -> NameCalibration:
    """Return a calibration under which checked names are as often right as they say.

    The shown probabilities are bent by two numbers, drawn toward no change by as much as rigs are
    believed to differ; the error is measured on fifths of the volumes that were left out (of the
    names, where there are fewer than five volumes).

    Parameters
    ----------
    old : Calibration
        That the probabilities were shown with.
    checked : CheckedNames
        Names and whether they are right.
    rig, about : str
        Kept with the result.

    Raises
    ------
    SettingsError
        If there are fewer than 20 names.
    """
    _check_enough(checked)
    probability, is_right = checked.probability, checked.is_right
    after = calibration_error(_left_out(checked), is_right)
    n, n_volumes = len(probability), len(np.unique(checked.volume))
    calibration = old.bent(*_bend(probability, is_right)).model_copy(
        update={
            "domain": "rig",
            "rig": rig,
            "fitted_on": f"{n} checked names in {n_volumes} volumes of {about}; before that"
            f" {old.fitted_on}",
            "n_names": n,
            "error": after,
        }
    )
    return NameCalibration(
        calibration=calibration,
        n_names=n,
        n_right=int(is_right.sum()),
        n_volumes=n_volumes,
        n_not_found=checked.n_not_found,
        error_before=calibration_error(probability, is_right),
        error_after=after,
    )


def _check_enough(checked: CheckedNames) -> None:
    n, is_right = len(checked.probability), checked.is_right
    if n < LEAST_NAMES:
        raise SettingsError(
            f"Expected at least {LEAST_NAMES} checked names where the model gave one, got {n}"
            f" ({checked.n_not_found} lie where nothing was named); check whole volumes, right"
            " names as well as wrong ones, with positions in voxels of the recording as stored."
        )
    if is_right.all() or not is_right.any():
        logger.warning(
            "All %d checked names are %s: a table of corrections alone, or of confirmations"
            " alone, says nothing about how often names are right.",
            n,
            "right" if is_right.all() else "wrong",
        )


def _left_out(checked: CheckedNames) -> Floats:
    """Return the probability that each name gets from a fit to the other fifths."""
    shown, groups = np.empty(len(checked.probability)), _groups(checked.volume)
    for fold in range(N_FOLDS):
        rest = groups != fold
        slope, shift = _bend(checked.probability[rest], checked.is_right[rest])
        shown[~rest] = _bent(checked.probability[~rest], slope, shift)
    return shown


def _groups(volume: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the fold of each name: names of one volume stay together where there are enough."""
    values, number = np.unique(volume, return_inverse=True)
    rows = number if len(values) >= N_FOLDS else np.arange(len(volume))
    return np.asarray(rows % N_FOLDS, np.int64)


def _bent(probability: Floats, slope: float, shift: float) -> Floats:
    inside = np.clip(probability, 1e-6, 1 - 1e-6)
    logit = np.log(inside) - np.log1p(-inside)
    bent: Floats = 1 / (1 + np.exp(-(slope * logit + shift)))
    return bent


def _bend(probability: Floats, is_right: Bools) -> tuple[float, float]:
    """Return slope and shift of the logits that make the truth most probable."""

    def loss(parameters: Floats) -> float:
        log_slope, shift = parameters
        surprise = log_loss(_bent(probability, float(np.exp(log_slope)), shift), is_right)
        doubt = float((log_slope / _SLOPE_SD) ** 2 + (shift / _SHIFT_SD) ** 2)
        return surprise + 0.5 * doubt

    best: Floats = minimize(loss, np.zeros(2), method="Nelder-Mead").x
    return float(np.exp(best[0])), float(best[1])
