"""Probabilities against what came true, in closed form."""

import math

import numpy as np
import pytest

from napari_acll.evaluation import binned, equal_mass_bins, equal_width_bins
from napari_acll.evaluation._bins import RECORD_EDGES


@pytest.mark.parametrize("bins", [equal_width_bins, equal_mass_bins])
def test_honest_probabilities_have_no_error_and_boasting_ones_its_size(bins):
    rng = np.random.default_rng(0)
    probability = rng.uniform(0, 1, 200_000)
    is_right = rng.random(200_000) < probability
    assert bins(probability, is_right).error < 0.005
    # right half as often as said: the mean gap of p uniform in 0 to 1 is 1/4
    half = rng.random(200_000) < probability / 2
    assert bins(probability, half).error == pytest.approx(0.25, abs=0.005)


def test_bins_of_equal_number_hold_as_many_names():
    probability = np.random.default_rng(1).beta(5, 1, 1500)
    reliability = equal_mass_bins(probability, probability > 0.5)
    assert [b.n for b in reliability.bins] == [100] * 15
    assert sum(b.n for b in equal_width_bins(probability, probability > 0.5).bins) == 1500


def test_the_bins_of_the_record_begin_where_they_say():
    probability = np.array([0.2, 0.7499, 0.75, 0.95, 0.99, 1.0], np.float32)
    is_right = np.array([True, False, True, True, False, True])
    reliability = binned(probability, is_right, RECORD_EDGES)
    assert [b.n for b in reliability.bins] == [2, 1, 1, 2]
    assert [b.share_right for b in reliability.bins] == [0.5, 1.0, 1.0, 0.5]


def test_no_names_have_no_error():
    nothing = np.zeros(0), np.zeros(0, bool)
    assert math.isnan(equal_width_bins(*nothing).error)
    assert math.isnan(equal_mass_bins(*nothing).error)
