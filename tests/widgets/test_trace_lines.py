import numpy as np

from napari_acll.widgets._colors import N_CONFIDENCE_BINS
from napari_acll.widgets._trace_lines import trace_segments

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
