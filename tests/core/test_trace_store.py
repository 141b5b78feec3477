import dataclasses

import numpy as np
import pytest

from napari_acll.core import NeuronTable, TraceFlag, TraceSample, TraceStore, VolumeStatus

NEURONS = NeuronTable.from_names(["AVAL", "AVAR"])


def sample(index: int, ratio: float) -> TraceSample:
    empty = TraceSample.absent(index, index * 0.6, 2, VolumeStatus.TRACED)
    values = np.array([ratio, np.nan], np.float32)
    flags = np.array([TraceFlag.IMPULSE, 0], np.uint8)
    return dataclasses.replace(
        empty, ratio=values, confidence=values / 2, ratio_sd=values / 10, flags=flags
    )


def test_a_column_stands_at_the_index_of_its_volume():
    store = TraceStore(NEURONS)
    store.append(sample(0, 1.0))
    store.append(sample(2, 3.0))
    np.testing.assert_array_equal(store.ratio[0], [1.0, np.nan, 3.0])
    np.testing.assert_array_equal(
        store.status, [VolumeStatus.TRACED, VolumeStatus.PENDING, VolumeStatus.TRACED]
    )


def test_a_skipped_timepoint_is_a_nan_column_that_says_why():
    store = TraceStore(NEURONS)
    store.skip(0, VolumeStatus.SKIPPED)
    store.skip(1, VolumeStatus.LOST)
    assert np.isnan(store.ratio).all()
    assert list(store.status) == [VolumeStatus.SKIPPED, VolumeStatus.LOST]


def test_growing_keeps_what_was_written():
    store = TraceStore(NEURONS)
    for index in range(0, 1600, 7):
        store.append(sample(index, float(index)))
    assert store.n_timepoints == 1597
    np.testing.assert_array_equal(store.ratio[0, ::7], np.arange(0, 1600, 7))
    np.testing.assert_allclose(store.time_s[::7], np.arange(0, 1600, 7) * 0.6)
    assert np.isnan(store.ratio[0, 1])
    np.testing.assert_allclose(store.ratio_sd, store.ratio / 10)
    assert store.flags[0, ::7].tolist() == [TraceFlag.IMPULSE] * 229
    assert store.flags.sum() == 229 * TraceFlag.IMPULSE


def test_a_gap_larger_than_the_capacity_is_filled_with_nan():
    store = TraceStore(NEURONS)
    store.append(sample(5000, 1.0))
    assert store.n_timepoints == 5001
    assert np.isnan(store.ratio[0, :5000]).all()


def test_a_sample_of_another_model_is_refused():
    foreign = TraceSample.absent(0, 0.0, 3, VolumeStatus.TRACED)
    with pytest.raises(ValueError, match="Expected a sample of 2 neurons, got 3"):
        TraceStore(NEURONS).append(foreign)
