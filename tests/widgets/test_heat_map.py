import numpy as np
import pyqtgraph as pg
import pytest

from napari_acll.widgets._heat_map import HeatMap
from napari_acll.widgets._trace_scaling import TraceScaling


@pytest.fixture
def heat_map(qtbot):  # noqa: ARG001  pyqtgraph items need the application
    return HeatMap(pg.ImageItem(axisOrder="row-major"))


def _update(heat_map, ratio, confidence):
    scaling = TraceScaling()
    scaling.update(ratio)
    heat_map.update(ratio, confidence, scaling, start_s=0.0, stop_s=float(ratio.shape[1]))
    return heat_map.item.image


def test_opacity_is_confidence_and_absence_is_empty(heat_map):
    ratio = np.array([[1, 2, np.nan]], np.float32)
    confidence = np.array([[1.0, 0.5, np.nan]], np.float32)
    assert _update(heat_map, ratio, confidence)[0, :, 3].tolist() == [255, 127, 0]


def test_a_volume_that_is_traced_late_is_drawn(heat_map):
    """Calibration volumes are traced after later ones are known to be skipped."""
    scaling = TraceScaling()
    ratio = np.full((2, 10), np.nan, np.float32)
    ratio[:, 5:] = 1
    scaling.update(ratio)
    heat_map.update(ratio, np.ones_like(ratio), scaling, start_s=0, stop_s=10)
    assert heat_map.item.image[0, 2, 3] == 0
    ratio[:, :5] = 1
    heat_map.update(ratio, np.ones_like(ratio), scaling, start_s=0, stop_s=10)
    assert heat_map.item.image[0, 2, 3] == 255


def test_growing_keeps_what_was_drawn(heat_map):
    scaling = TraceScaling()
    rng = np.random.default_rng(0)
    ratio = rng.random((3, 900)).astype(np.float32)
    ones = np.ones_like(ratio)
    for stop in (10, 300, 900):
        scaling.update(ratio[:, :10])
        heat_map.update(ratio[:, :stop], ones[:, :stop], scaling, start_s=0, stop_s=stop)
    once = HeatMap(pg.ImageItem(axisOrder="row-major"))
    once.update(ratio, ones, scaling, start_s=0, stop_s=900)
    assert np.array_equal(heat_map.item.image, once.item.image)


def test_it_lies_on_the_time_axis(heat_map):
    ratio = np.ones((4, 6), np.float32)
    scaling = TraceScaling()
    scaling.update(ratio)
    heat_map.update(ratio, ratio, scaling, start_s=-0.3, stop_s=3.3)
    place = heat_map.item.mapRectToParent(heat_map.item.boundingRect())
    assert np.allclose(place.getRect(), (-0.3, 0, 3.6, 4))
