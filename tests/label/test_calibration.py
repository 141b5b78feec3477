import numpy as np
import pytest

from napari_acll.label import Calibration


def test_a_fresh_calibration_shows_probabilities_as_they_are():
    probability = np.array([0.01, 0.3, 0.75, 0.99])
    np.testing.assert_allclose(Calibration().shown(probability), probability, atol=1e-6)


def test_the_shown_logit_is_that_of_beta_calibration():
    calibration = Calibration(gain_sure=0.8, gain_unsure=1.4, offset=-0.3)
    p = np.array([0.2, 0.6, 0.9])
    shown = calibration.shown(p)
    expected = p**0.8 * np.exp(-0.3) / (p**0.8 * np.exp(-0.3) + (1 - p) ** 1.4)
    np.testing.assert_allclose(shown, expected, rtol=1e-9)
    assert (np.diff(shown) > 0).all()


def test_what_a_name_loses_its_rivals_get_in_proportion():
    chance = np.array([[0.1, 0.6, 0.3], [0.7, 0.2, 0.1]])
    applied = Calibration(offset=-1.0, gain_agreement=0.0).applied(chance, np.array([1, 0]))
    np.testing.assert_allclose(applied.sum(1), 1)
    assert applied[0, 1] < 0.6
    assert applied[0, 2] / applied[0, 0] == pytest.approx(3)
    np.testing.assert_array_equal(applied[1], chance[1])


def test_bending_twice_is_bending_the_shown_logits():
    calibration = Calibration(gain_sure=0.8, gain_unsure=1.4, offset=-0.3)
    p = np.linspace(0.05, 0.95, 7)
    shown = calibration.shown(p)
    logit = np.log(shown / (1 - shown))
    expected = 1 / (1 + np.exp(-(0.5 * logit + 0.7)))
    np.testing.assert_allclose(calibration.bent(0.5, 0.7).shown(p), expected)


def test_where_names_contradict_each_other_all_of_them_are_less_sure():
    calibration = Calibration(gain_agreement=1.5)
    p = np.array([0.3, 0.9])
    assert (calibration.shown(p, 0.3) < calibration.shown(p, 0.5)).all()
    np.testing.assert_allclose(calibration.shown(p, 0.5), p, atol=1e-6)
    expected = p / (1 - p) * (0.8 / 0.2) ** 1.5
    np.testing.assert_allclose(calibration.shown(p, 0.8), expected / (1 + expected))


def test_a_name_that_is_certain_stays_finite():
    applied = Calibration(gain_unsure=2.0).applied(np.array([[0.0, 1.0]]), np.array([1]))
    assert np.isfinite(applied).all()
