from dataclasses import replace

import numpy as np
import pytest

from napari_acll.core import (
    ChannelAlignment,
    Detections,
    LabeledVolume,
    NeuronTable,
    TraceEstimator,
    TraceFlag,
    TraceSample,
    TraceSettings,
    Volume,
    VolumeSpec,
    VoxelGrid,
)
from napari_acll.testing import (
    TraceEstimatorContract,
    expected_ratio,
    fake_labeled,
    fake_volume,
)
from napari_acll.trace import NaiveTraceEstimator, RatioTraceEstimator

NEURONS = NeuronTable(("AVAL", "AVAR"))
SHAPE = (6, 20, 30)


class TestRatioTraceEstimator(TraceEstimatorContract):
    def make_estimator(self, neurons: NeuronTable) -> TraceEstimator:
        return RatioTraceEstimator(neurons, TraceSettings())


class TestNaiveTraceEstimator(TraceEstimatorContract):
    def make_estimator(self, neurons: NeuronTable) -> TraceEstimator:
        return NaiveTraceEstimator(neurons, TraceSettings())


def volume_of(marker, activity, *, grid=None, **fields) -> Volume:
    grid = grid or VoxelGrid.as_stored(marker.shape, (0.5, 0.25, 0.4))
    return Volume(
        index=0,
        timestamp_s=10.0,
        marker=marker,
        activity=activity,
        spec=VolumeSpec(grid=grid, period_s=0.6),
        slice_times_s=10.0 + 0.01 * np.arange(len(marker)),
        **fields,
    )


def labeled_boxes(volume: Volume, *boxes: tuple[slice, slice, slice]) -> LabeledVolume:
    instances = np.zeros(volume.marker.shape, np.uint16)
    for row, box in enumerate(boxes):
        instances[box] = row + 1
    n = len(boxes)
    centroids = [np.argwhere(instances == row + 1).mean(0) for row in range(n)]
    return LabeledVolume(
        index=0,
        spec=volume.spec,
        instances=instances,
        detections=Detections(
            centroid_px=np.array(centroids, np.float32),
            n_voxels=np.bincount(instances.ravel(), minlength=n + 1)[1:].astype(np.int32),
            neuron=np.arange(1, n + 1, dtype=np.int32),
            probability=np.linspace(0.5, 0.9, n, dtype=np.float32),
            candidate_neuron=np.zeros((n, 5), np.int32),
            candidate_probability=np.zeros((n, 5), np.float32),
        ),
    )


def estimate(volume, labeled, alignment=None, **settings) -> TraceSample:
    estimator = RatioTraceEstimator(NEURONS, TraceSettings(**settings))
    return estimator.estimate(volume, labeled, alignment or ChannelAlignment.identity())


BOX = (slice(1, 4), slice(5, 10), slice(8, 15))


def test_the_values_are_those_of_the_closed_form():
    volume = replace(fake_volume(5), marker_background=100.0, activity_background=50.0)
    names = NeuronTable(("AVAL", "AVAR", "RIBL", "OLLR"))
    sample = RatioTraceEstimator(names, TraceSettings()).estimate(
        volume, fake_labeled(volume), ChannelAlignment.identity()
    )
    np.testing.assert_allclose(sample.ratio[:3], expected_ratio(5), rtol=1e-6)
    np.testing.assert_allclose(sample.marker[:3], [40, 50, 60])
    np.testing.assert_allclose(sample.activity[:3], [25, 30, 35])
    np.testing.assert_allclose(sample.marker_sum[:3], [18 * 140, 18 * 150, 18 * 160])
    np.testing.assert_allclose(sample.activity_sum[:3], [18 * 75, 18 * 80, 18 * 85])
    np.testing.assert_allclose(sample.confidence[:3], [0.9, 0.8, 0.7])
    assert sample.n_voxels.tolist() == [18, 18, 18, 0]


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.uint32])
@pytest.mark.parametrize(
    "alignment",
    [
        ChannelAlignment(dy_um=0.125, dx_um=-0.2),
        ChannelAlignment(dy_um=0.6, dx_um=1.1, theta_deg=3.0),
        ChannelAlignment(theta_deg=-7.5),
    ],
    ids=["half a pixel", "shift and rotation", "rotation"],
)
def test_a_ramp_is_sampled_where_the_alignment_says(alignment, dtype):
    # Bilinear interpolation of a ramp is exact, so the formula in the docs gives the answer.
    z, y, x = np.indices(SHAPE)
    ramp = (3 + 5 * y + 2 * x + 7 * z).astype(dtype)
    volume = volume_of(np.full(SHAPE, 100, dtype), ramp)
    labeled = labeled_boxes(volume, BOX)
    sample = estimate(volume, labeled, alignment)
    theta = np.deg2rad(alignment.theta_deg)
    y_um, x_um = (y[BOX] - 9.5) * 0.25, (x[BOX] - 14.5) * 0.4
    moved_y = (np.cos(theta) * y_um + np.sin(theta) * x_um + alignment.dy_um) / 0.25 + 9.5
    moved_x = (-np.sin(theta) * y_um + np.cos(theta) * x_um + alignment.dx_um) / 0.4 + 14.5
    expected = (3 + 5 * moved_y + 2 * moved_x + 7 * z[BOX]).sum()
    np.testing.assert_allclose(sample.activity_sum[0], expected, rtol=1e-9)
    assert sample.n_voxels[0] == volume.marker[BOX].size


def test_the_alignment_turns_about_the_full_frame_also_in_a_binned_crop():
    grid = VoxelGrid(
        shape=SHAPE,
        voxel_size_um=(0.5, 0.75, 0.75),
        stored_shape=(6, 90, 120),
        start_px=(0, 12, 21),
        bin_px=(1, 3, 3),
    )
    y_stored = 12 + 3 * np.indices(SHAPE)[1] + 1
    x_stored = 21 + 3 * np.indices(SHAPE)[2] + 1
    binned = (9 * (2 * y_stored + x_stored)).astype(np.uint16)
    volume = volume_of(np.full(SHAPE, 900, np.uint16), binned, grid=grid)
    sample = estimate(volume, labeled_boxes(volume, BOX), ChannelAlignment(theta_deg=2.0))
    y_um = (y_stored[BOX] - 44.5) * 0.25
    x_um = (x_stored[BOX] - 59.5) * 0.25
    theta = np.deg2rad(2.0)
    moved_y = (np.cos(theta) * y_um + np.sin(theta) * x_um) / 0.25 + 44.5
    moved_x = (-np.sin(theta) * y_um + np.cos(theta) * x_um) / 0.25 + 59.5
    np.testing.assert_allclose(sample.activity_sum[0], (9 * (2 * moved_y + moved_x)).sum())


def test_voxels_that_leave_the_frame_count_in_neither_channel():
    marker = np.full(SHAPE, 200, np.uint16)
    marker[:, :, 28:] = 1000
    volume = volume_of(marker, np.full(SHAPE, 50, np.uint16))
    labeled = labeled_boxes(volume, (slice(0, 2), slice(0, 3), slice(26, 30)))
    two_px_right = ChannelAlignment(dx_um=2 * 0.4)
    sample = estimate(volume, labeled, two_px_right)
    assert sample.n_voxels[0] == 2 * 3 * 2
    assert sample.marker[0] == 200
    assert sample.activity[0] == 50


def test_a_neuron_that_leaves_the_frame_as_a_whole_is_absent():
    volume = volume_of(np.full(SHAPE, 200, np.uint16), np.full(SHAPE, 50, np.uint16))
    labeled = labeled_boxes(volume, (slice(0, 2), slice(0, 3), slice(28, 30)))
    sample = estimate(volume, labeled, ChannelAlignment(dx_um=4.0))
    assert sample.n_voxels[0] == 0
    assert np.isnan([sample.ratio[0], sample.confidence[0], sample.activity_sum[0]]).all()


def test_missing_slices_do_not_count():
    marker = np.full(SHAPE, 200, np.uint16)
    marker[2] = 0
    volume = volume_of(marker, marker // 2, missing_z=(2,))
    sample = estimate(volume, labeled_boxes(volume, BOX))
    assert sample.n_voxels[0] == 2 * 5 * 7
    assert sample.marker[0] == 200
    assert sample.ratio[0] == 0.5


def test_a_neuron_knows_when_its_own_slice_was_taken():
    volume = volume_of(np.full(SHAPE, 200, np.uint16), np.full(SHAPE, 50, np.uint16))
    boxes = (slice(1, 3), slice(0, 4), slice(0, 4)), (slice(4, 6), slice(0, 4), slice(0, 4))
    sample = estimate(volume, labeled_boxes(volume, *boxes))
    np.testing.assert_allclose(sample.neuron_time_s, [10.015, 10.045])


def test_times_of_slices_that_nobody_measured_are_interpolated():
    times_s = 10.0 + 0.01 * np.arange(6)
    times_s[2] = 0.0
    volume = replace(
        volume_of(np.full(SHAPE, 200, np.uint16), np.full(SHAPE, 50, np.uint16), missing_z=(2,)),
        slice_times_s=times_s,
    )
    sample = estimate(volume, labeled_boxes(volume, (slice(1, 4), slice(0, 4), slice(0, 4))))
    np.testing.assert_allclose(sample.neuron_time_s[0], 10.02)


def test_the_center_is_given_in_voxels_as_stored():
    grid = VoxelGrid(
        shape=SHAPE,
        voxel_size_um=(0.5, 0.75, 0.75),
        stored_shape=(10, 90, 120),
        start_px=(2, 12, 21),
        bin_px=(1, 3, 3),
    )
    volume = volume_of(np.full(SHAPE, 9, np.uint16), np.full(SHAPE, 9, np.uint16), grid=grid)
    sample = estimate(volume, labeled_boxes(volume, (slice(1, 2), slice(4, 5), slice(8, 9))))
    # The binned pixel 4 sums the stored rows 24, 25, 26.
    np.testing.assert_allclose(sample.centroid_px[0], [3, 25, 46])


def test_a_weak_marker_gives_no_ratio_but_keeps_what_was_measured():
    marker = np.full(SHAPE, 104, np.uint16)
    volume = volume_of(marker, np.full(SHAPE, 50, np.uint16), marker_background=100.0)
    labeled = labeled_boxes(volume, BOX)
    assert np.isnan(estimate(volume, labeled, min_marker_counts=5.0).ratio[0])
    assert estimate(volume, labeled, min_marker_counts=5.0).marker[0] == 4
    assert estimate(volume, labeled, min_marker_counts=4.0).ratio[0] == 12.5


def test_an_activity_below_its_background_stays_negative():
    volume = volume_of(
        np.full(SHAPE, 140, np.uint16),
        np.full(SHAPE, 45, np.uint16),
        marker_background=100.0,
        activity_background=50.0,
    )
    assert estimate(volume, labeled_boxes(volume, BOX)).ratio[0] == -0.125


def test_all_can_be_recomputed_from_the_sums():
    rng = np.random.default_rng(0)
    marker, activity = rng.integers(100, 900, (2, *SHAPE)).astype(np.uint16)
    volume = volume_of(marker, activity, marker_background=95.5, activity_background=80.0)
    sample = estimate(volume, labeled_boxes(volume, BOX))
    recomputed = (sample.activity_sum / sample.n_voxels - 80.0)[0] / (
        sample.marker_sum / sample.n_voxels - 95.5
    )[0]
    np.testing.assert_allclose(sample.ratio[0], recomputed, rtol=1e-6)
    assert sample.marker_sum[0] == marker[BOX].sum()


def test_labels_of_another_shape_are_refused():
    volume = volume_of(np.zeros(SHAPE, np.uint16), np.zeros(SHAPE, np.uint16))
    other = volume_of(np.zeros((5, 20, 30), np.uint16), np.zeros((5, 20, 30), np.uint16))
    with pytest.raises(ValueError, match="shape"):
        estimate(volume, labeled_boxes(other, BOX))


def test_the_original_divides_by_whatever_marker_there_is():
    activity = np.full(SHAPE, 150, np.uint16)
    for marker, expected in ((101, 50.0), (98, -25.0)):
        volume = volume_of(
            np.full(SHAPE, marker, np.uint16),
            activity,
            marker_background=100.0,
            activity_background=100.0,
        )
        naive = NaiveTraceEstimator(NEURONS, TraceSettings(min_marker_counts=10.0))
        sample = naive.estimate(volume, labeled_boxes(volume, BOX), ChannelAlignment.identity())
        assert sample.ratio[0] == expected


def test_a_weak_marker_is_said_to_be_one():
    marker = np.full(SHAPE, 104, np.uint16)
    volume = volume_of(marker, marker, marker_background=100.0)
    flags = estimate(volume, labeled_boxes(volume, BOX), min_marker_counts=5.0).flags
    assert flags.tolist() == [TraceFlag.WEAK_MARKER, 0]
