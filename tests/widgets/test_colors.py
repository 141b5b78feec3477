import colorsys

import numpy as np

from napari_acll.widgets._colors import (
    N_CONFIDENCE_BINS,
    bin_colors,
    confidence_bins,
    confidence_label_colors,
    confidence_rgb,
)


def _luminance(rgb: np.ndarray) -> np.ndarray:
    """Relative luminance (ITU-R BT.709) of sRGB colors."""
    value = rgb / 255.0
    linear = np.where(value <= 0.04045, value / 12.92, ((value + 0.055) / 1.055) ** 2.4)
    return linear @ np.array([0.2126, 0.7152, 0.0722])


def test_brightness_alone_tells_confidence():
    luminance = _luminance(confidence_rgb(np.linspace(0, 1, 101)))
    assert np.all(np.diff(luminance) > -1e-3)
    assert luminance[-1] > 4 * luminance[0]


def test_low_confidence_is_gray_and_high_confidence_is_not():
    saturation = [
        colorsys.rgb_to_hsv(*(confidence_rgb(np.array(value)) / 255))[1] for value in (0.0, 1.0)
    ]
    assert saturation[0] < 0.2 < saturation[1]


def test_an_absent_neuron_has_the_color_of_no_confidence():
    assert np.array_equal(confidence_rgb(np.array(np.nan)), confidence_rgb(np.array(0.0)))


def test_the_background_is_transparent_and_nothing_else():
    colors = confidence_label_colors(np.array([0.1, np.nan, 0.9], np.float32))
    assert colors[:, 3].tolist() == [0, 1, 1, 1]


def test_a_label_and_its_trace_have_the_same_color_at_full_confidence():
    label = confidence_label_colors(np.array([1.0], np.float32))[1, :3] * 255
    assert np.allclose(label, bin_colors()[-1], atol=1)


def test_bins_split_zero_to_one_evenly():
    edges = np.arange(N_CONFIDENCE_BINS) / N_CONFIDENCE_BINS
    assert confidence_bins(edges + 1e-6).tolist() == list(range(N_CONFIDENCE_BINS))
    assert confidence_bins(np.array([1.0, np.nan])).tolist() == [N_CONFIDENCE_BINS - 1, 0]
