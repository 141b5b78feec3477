import numpy as np
import pyqtgraph as pg
import pytest

from napari_acll.widgets._colors import N_CONFIDENCE_BINS
from napari_acll.widgets._trace_lines import CHUNK_VOLUMES, StackedTraces, trace_segments

TIME = np.arange(5) * 0.6


def _lines(height, confidence=None):
    height = np.atleast_2d(np.asarray(height, float))
    confidence = np.ones_like(height) if confidence is None else np.atleast_2d(confidence)
    (x0, x1, y0, y1), bins = trace_segments(TIME, height, confidence)
    return sorted(zip(x0, x1, y0, y1, strict=True)), bins


def test_a_trace_is_joined_from_point_to_point():
    lines, _ = _lines([0, 1, 2, 3, 4])
    expected = [(TIME[i], TIME[i + 1], i, i + 1) for i in range(4)]
    assert np.allclose(lines, expected)


def test_a_gap_stays_open():
    lines, _ = _lines([0, 1, np.nan, 3, 4])
    assert np.allclose(lines, [(TIME[0], TIME[1], 0, 1), (TIME[3], TIME[4], 3, 4)])


def test_a_value_between_two_gaps_is_still_seen():
    lines, _ = _lines([np.nan, np.nan, 2, np.nan, np.nan])
    (left, right, low, high) = lines[0]
    assert len(lines) == 1
    assert left < TIME[2] < right
    assert right - left < TIME[1]
    assert low == high == 2


def test_a_segment_is_as_confident_as_its_less_confident_end():
    _, bins = _lines([0, 1, 2, 3, 4], [1, 1, 0, 1, 1])
    last = N_CONFIDENCE_BINS - 1
    assert bins.tolist() == [last, 0, 0, last]


def test_a_volume_without_a_time_is_a_gap():
    time = TIME.copy()
    time[2] = np.nan
    (x0, *_), _ = trace_segments(time, np.ones((1, 5)), np.ones((1, 5)))
    assert sorted(x0) == [TIME[0], TIME[3]]


def _holey(n_traces, n_timepoints):
    rng = np.random.default_rng(7)
    height = rng.random((n_traces, n_timepoints))
    height[rng.random(height.shape) < 0.3] = np.nan
    return height, rng.random(height.shape)


def _as_rows(segments, bins):
    return sorted(zip(*segments, bins, strict=True))


def test_the_segments_of_adjoining_columns_make_up_the_whole():
    height, confidence = _holey(3, 50)
    position = np.arange(50.0)
    whole = _as_rows(*trace_segments(position, height, confidence))
    parts = []
    for start in range(0, 50, 8):
        columns = slice(start, start + 8)
        parts += _as_rows(*trace_segments(position, height, confidence, columns))
    assert np.allclose(sorted(parts), whole)


@pytest.fixture
def plot(qtbot):
    graphics = pg.GraphicsLayoutWidget()
    qtbot.addWidget(graphics)
    yield graphics.addPlot()  # which does not live without it
    graphics.close()


def _drawn(lines):
    items = [item for chunk in lines._chunks for item in chunk if item.xData is not None]
    pairs = [np.stack([i.xData[::2], i.xData[1::2], i.yData[::2], i.yData[1::2]]) for i in items]
    return np.array(sorted(map(tuple, np.concatenate(pairs, axis=1).T)))


def _draw(lines, height, confidence, stop, first):
    lines.update(np.arange(float(stop)), height[:, :stop], confidence[:, :stop], first=first)


def test_growing_volume_by_volume_draws_what_drawing_at_once_does(plot):
    height, confidence = _holey(2, 2 * CHUNK_VOLUMES + 30)
    grown, at_once = StackedTraces(plot), StackedTraces(plot)
    for stop in range(1, height.shape[1] + 1):
        _draw(grown, height, confidence, stop, first=stop - 1)
    _draw(at_once, height, confidence, height.shape[1], first=0)
    assert np.allclose(_drawn(grown), _drawn(at_once))


def test_a_volume_that_comes_late_is_drawn(plot):
    height, confidence = _holey(2, 3 * CHUNK_VOLUMES)
    late = height.copy()
    late[:, CHUNK_VOLUMES] = np.nan
    lines, at_once = StackedTraces(plot), StackedTraces(plot)
    _draw(lines, late, confidence, height.shape[1], first=0)
    _draw(lines, height, confidence, height.shape[1], first=CHUNK_VOLUMES)
    _draw(at_once, height, confidence, height.shape[1], first=0)
    assert np.allclose(_drawn(lines), _drawn(at_once))


def test_a_new_volume_leaves_the_items_of_old_ones_alone(plot):
    height, confidence = _holey(2, 3 * CHUNK_VOLUMES)
    lines = StackedTraces(plot)
    _draw(lines, height, confidence, height.shape[1] - 1, first=0)
    before = [item.xData for item in lines._chunks[0] + lines._chunks[1]]
    _draw(lines, height, confidence, height.shape[1], first=height.shape[1] - 1)
    after = [item.xData for item in lines._chunks[0] + lines._chunks[1]]
    assert all(old is new for old, new in zip(before, after, strict=True))


def test_a_height_of_the_plot_tells_the_trace(plot):
    lines = StackedTraces(plot)
    lines.set_names(["AVAL", "AVAR", "RIML"], name_px=11)
    assert [lines.row_at(height) for height in (2.5, 1.0, 0.4)] == [0, 1, 2]
    assert lines.row_at(3.1) is None
    assert lines.row_at(-0.1) is None


@pytest.mark.parametrize(("height_px", "highlighted"), [(400, None), (90, None), (90, 4)])
def test_names_that_would_lie_over_each_other_are_left_out(plot, qtbot, height_px, highlighted):
    graphics = plot.getViewWidget()
    graphics.resize(500, height_px)
    graphics.show()
    qtbot.waitExposed(graphics)
    lines = StackedTraces(plot)
    plot.setYRange(-0.1, 12.6, padding=0)
    lines.set_names([f"N{row}" for row in range(12)], name_px=11)
    lines.highlight(highlighted)
    qtbot.waitUntil(lambda: plot.getViewBox().height() > 0.4 * height_px, timeout=5000)
    rows = lines.written_rows()
    row_px = plot.getViewBox().height() / 12.7
    distances_px = np.diff(rows) * row_px
    assert distances_px.min() >= 11
    assert (len(rows) == 12) is (height_px == 400)
    assert highlighted is None or highlighted in rows
    ticks = plot.getAxis("left")._tickLevels[0]
    assert [text for _, text in ticks] == [f"N{row}" for row in rows]
