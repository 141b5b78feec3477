"""Batches drawn ahead by other processes."""

import numpy as np
import pytest

from napari_acll.training._ahead import Ahead


def draw(step):
    return np.random.default_rng(step).random(3)


@pytest.mark.parametrize("n_workers", [0, 2])
def test_every_step_has_its_own_batch_however_many_processes_draw(n_workers):
    batches = Ahead(draw, n_steps=6, n_workers=n_workers)
    for step in range(6):
        np.testing.assert_array_equal(np.asarray(batches(step)), draw(step))


def test_a_resumed_training_goes_on_with_the_batch_of_its_step():
    batches = Ahead(draw, n_steps=9, n_workers=1)
    np.testing.assert_array_equal(np.asarray(batches(5)), draw(5))
    np.testing.assert_array_equal(np.asarray(batches(6)), draw(6))
    np.testing.assert_array_equal(np.asarray(batches(2)), draw(2))
