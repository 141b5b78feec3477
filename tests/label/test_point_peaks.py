import numpy as np

from napari_acll.label._point_maps import sparse_maps, unfolded
from napari_acll.label._point_peaks import find_peaks, grow_instances, mean_around


def logit(probability):
    clipped = np.clip(probability, 1e-6, 1 - 1e-6)
    return np.log(clipped / (1 - clipped)).astype(np.float32)


def bumps(centers, shape=(20, 24, 30), sd=1.1, height=0.95):
    axes = np.indices(shape).astype(float)
    volume = np.zeros(shape)
    for center in centers:
        square = ((axes - np.reshape(center, (3, 1, 1, 1))) ** 2).sum(0)
        volume = np.maximum(volume, height * np.exp(-0.5 * square / sd**2))
    return volume


def folded(center, foreground):
    """What heads say whose maps `(z, y, x)` are these; the last voxels are made up."""
    shape = center.shape
    whole = [
        np.pad(heat, [(0, n % 2) for n in shape], mode="edge") for heat in (center, foreground)
    ]
    n_z, n_y, n_x = (n // 2 for n in whole[0].shape)
    split = np.stack(whole).reshape(2, n_z, 2, n_y, 2, n_x, 2)
    return np.ascontiguousarray(split.transpose(5, 3, 1, 0, 6, 4, 2)).reshape(n_x, n_y, n_z, 16)


def peaks_of(heat, threshold):
    maps = sparse_maps(folded(heat, heat), heat.shape, foreground_logit=0.0)
    return find_peaks(maps, threshold)


def test_sparse_maps_are_the_whole_ones_where_these_say_anything():
    rng = np.random.default_rng(0)
    center, foreground = rng.normal(-4, 2, (2, 9, 12, 15)).astype(np.float32)
    heads = folded(center, foreground)
    np.testing.assert_array_equal(unfolded(heads)[:, :9, :12, :15], [center, foreground])
    maps = sparse_maps(heads, center.shape, foreground_logit=-3.0)
    np.testing.assert_array_equal(maps.is_foreground, foreground >= -3.0)
    expected = np.where(center > -4.0, 1 / (1 + np.exp(-center)), 0.0)
    np.testing.assert_allclose(maps.probability[1:-1, 1:-1, 1:-1], expected, rtol=1e-5)
    assert maps.probability.shape == (11, 14, 17)
    assert maps.probability.sum() == maps.probability[1:-1, 1:-1, 1:-1].sum()
    np.testing.assert_array_equal(sorted(maps.active.tolist()), np.argwhere(center > -4.0))


def test_the_center_of_a_bump_is_found_to_a_fraction_of_a_voxel():
    truth = np.array([[9.3, 11.8, 14.4]])
    position, height = peaks_of(logit(bumps(truth)), threshold=0.2)
    np.testing.assert_allclose(position, truth, atol=0.03)
    assert len(height) == 1


def test_touching_bumps_are_two_peaks():
    truth = np.array([[9.0, 11.0, 12.0], [9.0, 11.0, 16.0]])
    position, _ = peaks_of(logit(bumps(truth)), threshold=0.2)
    np.testing.assert_allclose(sorted(position[:, 2]), [12.0, 16.0], atol=0.3)


def test_a_plateau_is_one_peak():
    heat = np.full((8, 8, 8), -5.0, np.float32)
    heat[3:5, 3:5, 3:5] = 2.0
    position, _ = peaks_of(heat, threshold=0.05)
    assert len(position) == 1


def test_a_nucleus_at_the_border_is_found():
    position, _ = peaks_of(logit(bumps([[0, 10, 29]])), threshold=0.1)
    np.testing.assert_array_equal(position, [[0, 10, 29]])


def test_peaks_below_the_threshold_do_not_count_and_the_highest_comes_first():
    volume = np.maximum(bumps([[5, 5, 5]], height=0.6), bumps([[14, 14, 14]], height=0.9))
    both, height = peaks_of(logit(volume), threshold=0.2)
    # smoothed by a Gaussian of SD s, a bump of SD 1.1 falls to (1.21 / (1.21 + s^2))^1.5 of it
    one, _ = peaks_of(logit(volume), threshold=0.55)
    assert len(both) == 2
    assert height[0] > height[1]
    np.testing.assert_allclose(one, [[14, 14, 14]], atol=0.05)


def test_no_peak_gives_empty_arrays():
    position, height = peaks_of(np.full((5, 5, 5), -9.0, np.float32), threshold=0.1)
    assert position.shape == (0, 3)
    assert height.shape == (0,)


def grow(foreground, centers, radius=5.0):
    position = np.asarray(centers, np.float32)
    return grow_instances(foreground >= 0, position, radius_px=(radius,) * 3)


def test_two_touching_balls_are_parted_in_the_middle():
    centers = [[10, 12, 11], [10, 12, 17]]
    axes = np.indices((20, 24, 30))
    inside = np.zeros((20, 24, 30), bool)
    for center in centers:
        inside |= ((axes - np.reshape(center, (3, 1, 1, 1))) ** 2).sum(0) <= 16
    instances, n_voxels = grow(np.where(inside, 3.0, -3.0).astype(np.float32), centers)
    assert (instances[:, :, :14][inside[:, :, :14]] == 1).all()
    assert (instances[:, :, 15:][inside[:, :, 15:]] == 2).all()
    assert (instances[~inside] == 0).all()
    np.testing.assert_array_equal(n_voxels, np.bincount(instances.ravel())[1:])


def test_nothing_grows_beyond_the_largest_radius():
    foreground = np.ones((15, 15, 15), np.float32)
    instances, n_voxels = grow(foreground, [[7, 7, 7]], radius=3.0)
    axes = np.indices(foreground.shape) - 7
    np.testing.assert_array_equal(instances > 0, (axes**2).sum(0) <= 9)
    assert n_voxels[0] == (instances == 1).sum()


def test_a_nucleus_without_foreground_keeps_its_central_voxel():
    instances, n_voxels = grow(np.full((9, 9, 9), -3.0, np.float32), [[4.2, 4.4, 3.8]])
    assert n_voxels.tolist() == [1]
    assert instances[4, 4, 4] == 1


def test_the_mean_around_a_corner_uses_what_is_there():
    volume = np.zeros((4, 4, 4), np.float32)
    volume[:2, :2, :2] = np.arange(8).reshape(2, 2, 2)
    mean = mean_around(volume, 0.0, np.zeros((1, 3), np.float32), (1, 1, 1))
    np.testing.assert_allclose(mean, [3.5])


def test_sizes_are_the_voxels_that_nuclei_have_in_the_end():
    rng = np.random.default_rng(5)
    position = rng.uniform(4, 20, (40, 3)).astype(np.float32)  # many overlap
    foreground = rng.normal(1, 1, (24, 25, 26)).astype(np.float32)
    instances, n_voxels = grow_instances(foreground >= 0, position, radius_px=(3.0, 4.0, 4.0))
    np.testing.assert_array_equal(n_voxels, np.bincount(instances.ravel(), minlength=41)[1:])
    inside = np.argwhere((instances > 0) & (foreground >= 0))
    square = (((inside[:, None] - position[None]) / np.array([3.0, 4.0, 4.0])) ** 2).sum(2)
    centers = {tuple(row) for row in np.rint(position).astype(int)}
    for voxel, owner, far in zip(inside, instances[tuple(inside.T)], square, strict=True):
        if tuple(voxel) not in centers:  # the central voxel always belongs to its nucleus
            assert far[owner - 1] <= far.min() + 1e-5
