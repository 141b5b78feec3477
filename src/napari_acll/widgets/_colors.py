"""The one color map of confidence, shared by labels, traces and tables; and that of ratios.

Confidence runs from a dim gray to a bright yellow through blue-green: brightness alone tells it,
so it also reads without color vision and in print.
"""

from typing import TYPE_CHECKING, Final

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from napari.utils.colormaps import CyclicLabelColormap

N_CONFIDENCE_BINS: Final = 8
"""Colors a trace is drawn in: one plot item per color, so more would cost drawing time."""

_CONFIDENCE_STOPS: Final = np.array(
    [
        (0.00, 96, 98, 108),
        (0.40, 92, 110, 138),
        (0.60, 38, 140, 160),
        (0.75, 40, 174, 128),
        (0.90, 150, 214, 62),
        (1.00, 253, 231, 37),
    ]
)
_RATIO_STOPS: Final = np.array(
    [
        (0.00, 40, 60, 190),
        (0.25, 126, 3, 168),
        (0.50, 204, 71, 120),
        (0.75, 248, 149, 64),
        (1.00, 240, 249, 33),
    ]
)


def _interpolate(stops: NDArray[np.float64], value: NDArray[np.floating]) -> NDArray[np.uint8]:
    known = np.clip(np.nan_to_num(np.asarray(value, np.float64)), 0.0, 1.0)
    channels = [np.interp(known, stops[:, 0], stops[:, column]) for column in (1, 2, 3)]
    return np.stack(channels, axis=-1).round().astype(np.uint8)


def confidence_rgb(confidence: NDArray[np.floating]) -> NDArray[np.uint8]:
    """Return the color of confidences.

    Parameters
    ----------
    confidence : ndarray of float, any shape
        Probability that a name is right, 0 to 1; NaN counts as 0.

    Returns
    -------
    ndarray of uint8, shape (..., 3)
        Red, green and blue.
    """
    return _interpolate(_CONFIDENCE_STOPS, confidence)


def confidence_label_colors(confidence: NDArray[np.floating]) -> NDArray[np.float32]:
    """Return the color of every class number of a label map, as napari wants it.

    Parameters
    ----------
    confidence : ndarray of float, shape (n_neurons,)
        Confidence of every neuron of the model, NaN where it is absent.

    Returns
    -------
    ndarray of float32, shape (n_neurons + 1, 4)
        RGBA, 0 to 1, of each class number; the background is transparent.
    """
    rgba = np.ones((len(confidence) + 1, 4), np.float32)
    rgba[0] = 0
    rgba[1:, :3] = confidence_rgb(confidence) / np.float32(255)
    return rgba


def label_colormap(confidence: NDArray[np.floating]) -> "CyclicLabelColormap":
    """Return the colormap of a label map.

    Parameters
    ----------
    confidence : ndarray of float, shape (n_neurons,)
        Confidence of every neuron of the model, at least one; NaN where it is absent.
    """
    from napari.utils.colormaps import CyclicLabelColormap

    # no class number is beyond the last color, so nothing cycles; a colormap made from a
    # dictionary would take several times as long
    return CyclicLabelColormap(colors=confidence_label_colors(confidence))


def confidence_bins(confidence: NDArray[np.floating]) -> NDArray[np.uint8]:
    """Return which of the `N_CONFIDENCE_BINS` equal bins of 0 to 1 each confidence lies in.

    Parameters
    ----------
    confidence : ndarray of float, any shape
        NaN counts as 0.

    Returns
    -------
    ndarray of uint8, same shape
    """
    known = np.clip(np.nan_to_num(confidence), 0.0, 1.0)
    bins: NDArray[np.uint8] = (known * N_CONFIDENCE_BINS).astype(np.uint8)
    return np.minimum(bins, np.uint8(N_CONFIDENCE_BINS - 1), out=bins)


def bin_colors() -> NDArray[np.uint8]:
    """Return the color of each confidence bin, uint8, shape `(N_CONFIDENCE_BINS, 3)`."""
    centers = (np.arange(N_CONFIDENCE_BINS) + 0.5) / N_CONFIDENCE_BINS
    # the outermost bins show the ends of the map, so that lines and labels agree there
    centers[-1] = 1.0
    return confidence_rgb(centers)


def ratio_lookup() -> NDArray[np.uint8]:
    """Return the colors of normalized ratios, uint8, shape `(256, 3)`, low to high."""
    return _interpolate(_RATIO_STOPS, np.linspace(0.0, 1.0, 256))
