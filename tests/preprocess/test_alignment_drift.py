"""The drift is what the channels were drawn with, beyond the alignment that is applied."""

from dataclasses import replace

import numpy as np
import pytest
from tests.preprocess.alignment_pairs import ORIGINAL, Animal, Scene, as_volume, make_pair

from napari_acll.core import ChannelAlignment, VolumeSpec, VoxelGrid
from napari_acll.preprocess import channel_drift

PX = 0.54
SPEC = VolumeSpec(grid=ORIGINAL, period_s=0.6)
TRUTH = ChannelAlignment(dy_um=2.3, dx_um=-1.9, theta_deg=0.7)


def shifted(alignment, dy_px, dx_px):
    moved = {"dy_um": alignment.dy_um + dy_px * PX, "dx_um": alignment.dx_um + dx_px * PX}
    return alignment.model_copy(update=moved)


def drawn(seed, truth=TRUTH, scene=None):
    """Return a volume of a moving animal and where its nuclei are."""
    scene = scene or Scene()
    rng = np.random.default_rng(seed)
    animal = Animal.random(rng, scene).posed(rng)
    volume = as_volume(*make_pair(rng, animal, truth, scene), SPEC, index=seed)
    return volume, animal.position_px + (np.array(ORIGINAL.shape) - 1) / 2


@pytest.fixture(scope="module")
def seen():
    return drawn(1)


@pytest.mark.parametrize("seed", range(4))
def test_channels_that_lie_as_the_alignment_says_do_not_drift(seed):
    volume, centroid = drawn(seed)
    drift = channel_drift(volume, centroid, TRUTH)
    assert drift is not None
    assert drift.index == seed
    assert drift.distance_um < 0.5 * PX
    assert drift.agreement > 0.2


@pytest.mark.parametrize(
    ("dy_px", "dx_px"), [(3.0, 0.0), (0.0, -3.0), (-2.0, 2.4), (1.5, 0.25), (-7.0, 6.0)]
)
def test_a_shift_is_measured_to_half_a_pixel(seen, dy_px, dx_px):
    volume, centroid = seen
    drift = channel_drift(volume, centroid, shifted(TRUTH, -dy_px, -dx_px))
    assert drift is not None
    assert drift.dy_um == pytest.approx(dy_px * PX, abs=0.5 * PX)
    assert drift.dx_um == pytest.approx(dx_px * PX, abs=0.5 * PX)


def test_unrelated_channels_tell_nothing(seen):
    volume, centroid = seen
    other, _ = drawn(2)
    assert channel_drift(replace(volume, activity=other.activity), centroid, TRUTH) is None


def test_a_dark_activity_channel_tells_nothing(seen):
    volume, centroid = seen
    rng = np.random.default_rng(0)
    noise = rng.poisson(130, volume.activity.shape).astype(np.uint16)
    assert channel_drift(replace(volume, activity=noise), centroid, TRUTH) is None


@pytest.mark.parametrize("value", [0, 65535])
def test_even_channels_tell_nothing(seen, value):
    volume, centroid = seen
    even = np.full_like(volume.marker, value)
    assert channel_drift(replace(volume, marker=even, activity=even), centroid, TRUTH) is None


def test_few_nuclei_tell_nothing(seen):
    volume, centroid = seen
    assert channel_drift(volume, centroid[:7], TRUTH) is None
    assert channel_drift(volume, np.zeros((0, 3), np.float32), TRUTH) is None
    assert channel_drift(volume, np.full((20, 3), np.nan), TRUTH) is None


def test_nuclei_at_the_edge_of_the_frame_and_missing_slices_do_no_harm(seen):
    volume, centroid = seen
    marker, activity = volume.marker.copy(), volume.activity.copy()
    marker[20:24] = activity[20:24] = 0
    corners = np.array([[0.0, 0.0, 0.0], [63.4, 119.4, 283.4], [-3.0, 500.0, 10.0]])
    drift = channel_drift(
        replace(volume, marker=marker, activity=activity), np.vstack([corners, centroid]), TRUTH
    )
    assert drift is not None
    assert drift.distance_um < 0.5 * PX


@pytest.mark.parametrize("shape", [(1, 5, 5), (4, 12, 20), (1, 200, 300)])
def test_a_volume_that_is_too_small_tells_nothing_and_does_no_harm(shape):
    grid = VoxelGrid.as_stored(shape, (1.0, 0.54, 0.54))
    rng = np.random.default_rng(0)
    counts = rng.poisson(100, shape).astype(np.uint8)
    volume = as_volume(counts, counts[:, ::-1], VolumeSpec(grid=grid, period_s=1.0))
    centroid = rng.uniform(0, np.array(shape) - 1, (40, 3))
    assert channel_drift(volume, centroid, ChannelAlignment.identity()) is None


def test_eight_bit_counts_do_not_overflow(seen):
    volume, centroid = seen
    marker, activity = (
        np.clip(channel // 4, 0, 255).astype(np.uint8)
        for channel in (volume.marker, volume.activity)
    )
    drift = channel_drift(replace(volume, marker=marker, activity=activity), centroid, TRUTH)
    assert drift is not None
    assert drift.distance_um < 0.5 * PX
