from itertools import permutations

import numpy as np

from napari_acll.naming import (
    NONE_ODDS,
    assign_names,
    name_probabilities,
    top_candidates,
)


def random_logits(n=4, n_names=4, seed=0):
    return np.random.default_rng(seed).normal(0, 2, (n, n_names + 1))


def best_by_trying_all(probability):
    """The most probable one-to-one naming, any number being none of these, at odds."""
    n, n_names = probability.shape[0], probability.shape[1] - 1
    probability = probability / np.r_[NONE_ODDS, np.ones(n_names)]
    best, best_log = None, -np.inf
    for choice in set(permutations([*range(1, n_names + 1), *([0] * n)], n)):
        log = np.log(probability[np.arange(n), choice]).sum()
        if log > best_log:
            best, best_log = choice, log
    return best


def test_the_naming_is_the_most_probable_of_all():
    for seed in range(8):
        probability = name_probabilities(random_logits(3, 3, seed), temperature=1.0, none_bias=0.0)
        neuron, _ = assign_names(probability)
        assert tuple(neuron) == best_by_trying_all(probability)


def test_a_name_is_given_unless_none_is_far_more_probable():
    just, too_little = 0.9 / (0.9 * NONE_ODDS), 0.8 / (NONE_ODDS + 1)
    probability = np.array([[0.8, just, 0.0], [0.8, 0.0, too_little * 0.9]])
    neuron, given = assign_names(probability)
    assert tuple(neuron) == (1, 0)
    np.testing.assert_allclose(given, [just, 0.0], rtol=1e-6)


def test_two_nuclei_never_get_one_name():
    logits = np.full((5, 4), -2.0)
    logits[:, 2] = 6.0
    neuron, _ = assign_names(name_probabilities(logits, temperature=1.0, none_bias=0.0))
    named = neuron[neuron > 0]
    assert len(set(named)) == len(named)


def test_the_probabilities_of_a_name_sum_to_at_most_one():
    logits = random_logits(30, 8, seed=1)
    probability = name_probabilities(logits, temperature=0.5, none_bias=0.0)
    np.testing.assert_allclose(probability.sum(1), 1.0)
    assert probability[:, 1:].sum(0).max() <= 1 + 1e-9


def test_without_competition_the_probabilities_are_the_softmax():
    logits = np.array([[0.0, 3.0, -4.0], [0.0, -4.0, 3.0]])
    probability = name_probabilities(logits, temperature=2.0, none_bias=0.5)
    scaled = logits / 2.0 + [0.5, 0.0, 0.0]
    softmax = np.exp(scaled) / np.exp(scaled).sum(1, keepdims=True)
    np.testing.assert_allclose(probability, softmax, rtol=1e-3, atol=0.03)


def test_the_logits_are_not_changed():
    logits = random_logits()
    before = logits.copy()
    name_probabilities(logits, temperature=1.0, none_bias=3.0)
    np.testing.assert_array_equal(logits, before)


def test_a_nucleus_without_a_name_has_no_probability():
    logits = np.array([[9.0, 0.0, 0.0], [0.0, 9.0, 0.0]])
    neuron, probability = assign_names(name_probabilities(logits, temperature=1.0, none_bias=0.0))
    assert neuron.tolist() == [0, 1]
    assert probability[0] == 0.0
    assert probability[1] > 0.99


def test_candidates_come_sorted_and_are_filled_up():
    neuron, probability = top_candidates(np.array([[0.1, 0.7, 0.2]]))
    assert neuron.tolist() == [[1, 2, 0, -1, -1]]
    np.testing.assert_allclose(probability[0, :3], [0.7, 0.2, 0.1], rtol=1e-6)
    assert np.isnan(probability[0, 3:]).all()
