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
    stop = float(ratio.shape[1])
    heat_map.update(ratio, confidence, scaling, first=0, start=0.0, stop=stop)
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
    heat_map.update(ratio, np.ones_like(ratio), scaling, first=0, start=0, stop=10)
    assert heat_map.item.image[0, 2, 3] == 0
    ratio[:, :5] = 1
    heat_map.update(ratio, np.ones_like(ratio), scaling, first=0, start=0, stop=10)
    assert heat_map.item.image[0, 2, 3] == 255


def test_growing_keeps_what_was_drawn(heat_map):
    scaling = TraceScaling()
    rng = np.random.default_rng(0)
    ratio = rng.random((3, 900)).astype(np.float32)
    ones = np.ones_like(ratio)
    for first, stop in ((0, 10), (10, 300), (300, 900)):
        scaling.update(ratio[:, :10])
        heat_map.update(ratio[:, :stop], ones[:, :stop], scaling, first=first, start=0, stop=stop)
    once = HeatMap(pg.ImageItem(axisOrder="row-major"))
    once.update(ratio, ones, scaling, first=0, start=0, stop=900)
    assert np.array_equal(heat_map.item.image, once.item.image)


def test_it_lies_on_the_time_axis(heat_map):
    ratio = np.ones((4, 6), np.float32)
    scaling = TraceScaling()
    scaling.update(ratio)
    heat_map.update(ratio, ratio, scaling, first=0, start=-0.3, stop=3.3)
    place = heat_map.item.mapRectToParent(heat_map.item.boundingRect())
    assert np.allclose(place.getRect(), (-0.3, 0, 3.6, 4))


def test_other_ranges_draw_everything_anew(heat_map):
    scaling = TraceScaling()
    ratio = np.linspace(1, 5, 40, dtype=np.float32)[None]
    ones = np.ones_like(ratio)
    scaling.update(ratio[:, :10])
    heat_map.update(ratio[:, :10], ones[:, :10], scaling, first=0, start=0, stop=10)
    before = heat_map.item.image[0, 5].copy()
    scaling.update(ratio)
    heat_map.update(ratio, ones, scaling, first=10, start=0, stop=40)
    assert not np.array_equal(heat_map.item.image[0, 5], before)
