import numpy as np

from napari_acll.label._point_region import _block_means, bright_region


def test_the_box_holds_everything_bright_with_a_margin():
    image = np.random.default_rng(0).normal(0, 0.2, (80, 210, 322)).astype(np.float32)
    image[30:36, 90:96, 40:46] += 1.5
    image[44:50, 120:126, 240:246] += 1.5
    z, y, x = bright_region(image)
    assert z.start <= 22
    assert z.stop >= 58
    assert y.start <= 82
    assert y.stop >= 134
    assert x.start <= 32
    assert x.stop >= 254
    part = image[z, y, x]
    assert part.size < 0.5 * image.size
    assert part.shape[1] * part.shape[2] > 20_480


def test_a_nucleus_in_the_corner_keeps_the_box_inside_the_volume():
    image = np.zeros((20, 60, 70), np.float32)
    image[:5, :5, :5] = 2.0
    box = bright_region(image)
    assert all(0 <= part.start < part.stop <= n for part, n in zip(box, image.shape, strict=True))


def test_what_is_left_over_at_the_ends_counts_to_the_block_before_it():
    image = np.random.default_rng(1).normal(0, 1, (9, 14, 3)).astype(np.float32)
    means = _block_means(image)
    assert means.shape == (2, 3, 1)
    np.testing.assert_allclose(means[1, 2, 0], image[4:9, 8:14].mean(), rtol=1e-5)
    np.testing.assert_allclose(means[0, 1, 0], image[:4, 4:8].mean(), rtol=1e-5)


def test_a_dark_volume_is_kept_whole():
    image = np.zeros((7, 9, 11), np.float32)
    assert image[bright_region(image)].shape == image.shape
