"""Correlation with a chosen trace, against NumPy's own."""

import dataclasses

import numpy as np
import pytest

from napari_acll.core import NeuronTable, TraceSample, TraceStore, VolumeStatus
from napari_acll.quality import FEWEST_PAIRS, ReferenceCorrelation, correlation_with


@pytest.fixture
def ratio():
    rng = np.random.default_rng(3)
    common = rng.normal(size=400)
    own = rng.normal(size=(6, 400))
    return (5 + np.outer([1, 0.8, 0.3, 0, -0.7, -1], common) + own).astype(np.float32)


def test_it_is_pearsons_correlation(ratio):
    np.testing.assert_allclose(correlation_with(ratio, 0), np.corrcoef(ratio)[0], atol=1e-5)


def test_only_what_a_pair_has_in_common_counts(ratio):
    ratio[0, ::7] = np.nan
    ratio[3, 10:200] = np.nan
    both = np.isfinite(ratio[0]) & np.isfinite(ratio[3])
    expected = np.corrcoef(ratio[0, both], ratio[3, both])[0, 1]
    assert correlation_with(ratio, 0)[3] == pytest.approx(expected, abs=1e-5)


def test_only_the_last_volumes_count(ratio):
    expected = np.corrcoef(ratio[:, -150:])[2]
    np.testing.assert_allclose(correlation_with(ratio, 2, n_volumes=150), expected, atol=1e-5)


def test_too_few_common_volumes_tell_nothing(ratio):
    ratio[1, FEWEST_PAIRS - 1 :] = np.nan
    ratio[2, FEWEST_PAIRS:] = np.nan
    found = correlation_with(ratio, 0)
    assert np.isnan(found[1])
    assert np.isfinite(found[2])


def test_a_trace_that_never_changes_is_like_none(ratio):
    ratio[1] = 2.0
    assert np.isnan(correlation_with(ratio, 0)[1])
    assert np.isnan(correlation_with(ratio, 1)).all()


def test_before_the_first_volume_there_is_nothing():
    assert np.isnan(correlation_with(np.zeros((3, 0), np.float32), 1)).all()


def test_a_new_volume_is_taken_in(ratio):
    store = TraceStore(NeuronTable.numbered(6))
    correlations = ReferenceCorrelation()
    for index in range(60):
        empty = TraceSample.absent(index, index * 0.6, 6, VolumeStatus.TRACED)
        store.append(dataclasses.replace(empty, ratio=ratio[:, index]))
        if index == 40:
            early = correlations.of(store, 0)
            assert correlations.of(store, 0) is early
    np.testing.assert_allclose(correlations.of(store, 0), np.corrcoef(ratio[:, :60])[0], atol=1e-5)
    assert correlations.of(store, 4)[4] == pytest.approx(1)


def test_a_volume_that_is_labeled_later_is_taken_in(ratio):
    store = TraceStore(NeuronTable.numbered(6))
    correlations = ReferenceCorrelation()
    samples = [
        dataclasses.replace(
            TraceSample.absent(index, index * 0.6, 6, VolumeStatus.BACKFILLED),
            ratio=ratio[:, index],
        )
        for index in range(60)
    ]
    for sample in samples[:30] + samples[31:]:
        store.append(sample)
    correlations.of(store, 0)
    store.append(samples[30])
    np.testing.assert_allclose(correlations.of(store, 0), np.corrcoef(ratio[:, :60])[0], atol=1e-5)
