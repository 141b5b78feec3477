import logging

import numpy as np
import pytest

from napari_acll.core import SettingsError
from napari_acll.label import Calibration
from napari_acll.training._calibration import (
    GivenProbabilities,
    _bent_to,
    _with_offsets,
    calibration_error,
    fit_calibration,
    joined,
)
from napari_acll.training._name_calibration import CheckedNames, refit


def overconfident(n, rng, *, n_volumes=20):
    """Names whose true odds are the square root of those that are shown."""
    shown = rng.uniform(0.05, 0.99, n)
    odds = np.sqrt(shown / (1 - shown)) * 0.6
    is_right = rng.random(n) < odds / (1 + odds)
    return CheckedNames(probability=shown, is_right=is_right, volume=rng.integers(0, n_volumes, n))


def test_many_checked_names_make_probabilities_right():
    rng = np.random.default_rng(0)
    result = refit(Calibration(), overconfident(6000, rng), rig="mine", about="here")
    fresh = overconfident(20_000, rng)
    shown = result.calibration.shown(fresh.probability)
    assert calibration_error(fresh.probability, fresh.is_right) > 0.1
    assert calibration_error(shown, fresh.is_right) < 0.02
    assert result.error_after < 0.03 < result.error_before
    assert (result.calibration.domain, result.calibration.rig) == ("rig", "mine")


def test_few_checked_names_move_the_old_calibration_little():
    rng = np.random.default_rng(1)
    few = refit(Calibration(), overconfident(25, rng, n_volumes=1), rig="", about="")
    many = refit(Calibration(), overconfident(5000, rng), rig="", about="")
    at = np.array([0.95])
    assert at > few.calibration.shown(at) > many.calibration.shown(at)


def test_names_that_were_right_as_often_as_they_said_stay():
    rng = np.random.default_rng(2)
    p = rng.uniform(0.05, 0.95, 5000)
    fair = CheckedNames(
        probability=p, is_right=rng.random(5000) < p, volume=rng.integers(0, 9, 5000)
    )
    shown = refit(Calibration(), fair, rig="", about="").calibration.shown(p)
    assert np.abs(shown - p).max() < 0.03


def test_too_few_names_are_refused_with_what_to_do():
    with pytest.raises(SettingsError, match="at least 20 checked names"):
        refit(Calibration(), overconfident(19, np.random.default_rng(0)), rig="", about="")


def test_a_table_of_nothing_but_corrections_is_warned_of(caplog):
    wrong = CheckedNames(
        probability=np.full(30, 0.8), is_right=np.zeros(30, bool), volume=np.zeros(30, np.int64)
    )
    with caplog.at_level(logging.WARNING):
        refit(Calibration(), wrong, rig="", about="")
    assert "30 checked names are wrong" in caplog.text


def made_up(rng, n_volumes=25):
    """Volumes whose names are drawn from odds that the logits overstate by 2.5."""
    logits, true = [], []
    for _ in range(n_volumes):
        part = rng.normal(0, 2, (40, 60))
        chance = np.exp(part) / np.exp(part).sum(1, keepdims=True)
        true.append(np.array([rng.choice(60, p=row) for row in chance]))
        logits.append(part * 2.5)
    return logits, true


def test_animals_that_are_named_worse_than_others_are_told_from_their_agreement():
    rng = np.random.default_rng(5)
    parts = []
    for index in range(60):
        agreement = 0.9 if index % 2 else 0.6
        p = rng.uniform(0.1, 0.95, 120)
        chance = p if index % 2 else 0.5 * p
        parts.append(
            GivenProbabilities(
                probability=p,
                agreement=np.full(120, agreement),
                neuron=np.ones(120, int),
                is_right=rng.random(120) < chance,
            )
        )
    fitted = _bent_to(Calibration(), joined(parts))
    for half in (parts[::2], parts[1::2]):
        names = joined(half)
        before = calibration_error(names.probability, names.is_right)
        after = calibration_error(fitted.shown(names.probability, names.agreement), names.is_right)
        assert after < 0.06
        assert after < max(before, 0.06)


def test_rows_whose_truth_nobody_knows_count_for_nothing():
    logits, true = made_up(np.random.default_rng(1))
    spoiled = [np.where(np.arange(40) % 2 == 0, -1, rows) for rows in true]
    kept = [part[rows >= 0] for part, rows in zip(logits, spoiled, strict=True)]
    known = fit_calibration(logits, true, fitted_on="")
    half = fit_calibration(logits, spoiled, fitted_on="")
    assert half.n_names < 0.6 * known.n_names
    assert len(kept[0]) == 20
    assert half.temperature == pytest.approx(known.temperature, rel=0.2)


def test_the_error_that_is_kept_is_that_of_volumes_left_out():
    logits, true = made_up(np.random.default_rng(4))
    calibration = fit_calibration(logits, true, fitted_on="made up")
    assert calibration.error is not None
    assert 0 < calibration.error < 0.08
    assert calibration.domain == "simulation"


def test_without_any_truth_nothing_is_fitted():
    nothing = fit_calibration([np.zeros((3, 4))], [np.full(3, -1)], fitted_on="nobody")
    assert nothing == Calibration(fitted_on="nobody")


def test_a_name_that_is_right_less_often_than_others_as_sure_is_shown_as_less_sure():
    rng = np.random.default_rng(8)
    neuron = rng.integers(1, 4, 3000)
    p = rng.uniform(0.2, 0.9, 3000)
    chance = np.where(neuron == 2, 0.5 * p, p)
    names = GivenProbabilities(
        probability=p,
        agreement=np.full(3000, 0.8),
        neuron=neuron,
        is_right=rng.random(3000) < chance,
    )
    fitted = _with_offsets(Calibration(), names, 3)
    doubtful = neuron == 2
    for group in (doubtful, ~doubtful):
        shown = names.shown(fitted)[group]
        assert abs(shown.mean() - chance[group].mean()) < 0.04
    assert fitted.name_offsets[1] < min(fitted.name_offsets[0], fitted.name_offsets[2]) - 0.5


def test_an_offset_of_a_name_that_was_seen_once_stays_small():
    names = GivenProbabilities(
        probability=np.array([0.99]),
        agreement=np.array([0.8]),
        neuron=np.array([2]),
        is_right=np.array([False]),
    )
    offsets = _with_offsets(Calibration(), names, 3).name_offsets
    assert offsets[0] == offsets[2] == 0
    assert -0.5 < offsets[1] < 0
