"""What is drawn around the traces."""

import numpy as np
import pyqtgraph as pg
import pytest

from napari_acll.core import TraceFlag
from napari_acll.widgets._trace_lines import CHUNK_VOLUMES, TRACE_HEIGHT
from napari_acll.widgets._trace_overlays import TraceOverlays, TraceSurroundings

N = 30


@pytest.fixture
def view(qtbot):
    view = pg.GraphicsLayoutWidget()
    qtbot.addWidget(view)
    return view


@pytest.fixture
def overlays(view):
    return TraceOverlays(view.addPlot())


def segments(strokes):
    """Return `(x0, y0, x1, y1)` of all segments."""
    drawn = [item for item in strokes.items if item.xData is not None and len(item.xData)]
    rows = [
        np.stack([item.xData[0::2], item.yData[0::2], item.xData[1::2], item.yData[1::2]], axis=1)
        for item in drawn
    ]
    return np.concatenate(rows) if rows else np.zeros((0, 4))


def draw(overlays, normalized, *, first=0, **around):
    flags = np.zeros(normalized.shape, np.uint8)
    known = {"height_sd": None, "flags": flags, "reference": None, **around}
    position = 10.0 * np.arange(normalized.shape[1])
    overlays.update(position, normalized, TraceSurroundings(**known), first=first)


def test_a_value_that_may_be_wrong_is_struck_through(overlays):
    values = np.full((2, N), 0.5, np.float32)
    flags = np.zeros((2, N), np.uint8)
    flags[1, 7], flags[0, 9] = TraceFlag.IMPULSE, TraceFlag.MARKER_JUMP
    flags[0, 5] = TraceFlag.OVERLAPPED
    draw(overlays, values, flags=flags)
    struck = segments(overlays.suspects)
    assert sorted(struck[:, 0].tolist()) == [50, 70, 90]
    below = struck[struck[:, 0] == 70][0]
    assert below[1] < 0.5 * TRACE_HEIGHT < below[3] < 1
    assert not len(segments(overlays.ticks))


def test_conditions_are_told_below_the_trace(overlays):
    flags = np.zeros((1, N), np.uint8)
    flags[0, 3] = TraceFlag.CUT_OFF | TraceFlag.LIGHT_STEP
    draw(overlays, np.full((1, N), 0.5, np.float32), flags=flags)
    (tick,) = segments(overlays.ticks)
    assert tick[0] == tick[2] == 30
    assert tick[3] < 0.1
    assert not len(segments(overlays.suspects))


def test_a_flag_on_a_sample_without_a_value_is_not_drawn(overlays):
    values = np.full((1, N), np.nan, np.float32)
    draw(overlays, values, flags=np.full((1, N), TraceFlag.WEAK_MARKER | TraceFlag.IMPULSE))
    assert not len(segments(overlays.suspects))


def test_the_band_is_one_standard_deviation_high(overlays):
    values = np.full((1, N), 0.5, np.float32)
    sd = np.full((1, N), 0.1, np.float32)
    sd[0, 4] = np.nan
    draw(overlays, values, height_sd=sd)
    band = segments(overlays.band)
    assert len(band) == N - 1
    np.testing.assert_allclose(band[:, 1], 0.4 * TRACE_HEIGHT, rtol=1e-5)
    np.testing.assert_allclose(band[:, 3], 0.6 * TRACE_HEIGHT, rtol=1e-5)


def test_the_band_can_be_switched_off_and_on(overlays):
    values, sd = np.full((1, N), 0.5, np.float32), np.full((1, N), 0.1, np.float32)
    draw(overlays, values, height_sd=sd)
    draw(overlays, values)
    assert not len(segments(overlays.band))
    draw(overlays, values, height_sd=sd, first=N)
    assert len(segments(overlays.band)) == N


def test_the_reference_lies_behind_every_trace(overlays):
    values = np.full((3, N), 0.5, np.float32)
    reference = np.linspace(0, 1, N, dtype=np.float32)
    reference[10] = np.nan
    draw(overlays, values, reference=reference)
    drawn = segments(overlays.reference)
    assert len(drawn) == 3 * (N - 3)
    assert (drawn[:, 2] - drawn[:, 0] == 10).all()
    assert np.floor(drawn[:, 1]).astype(int).tolist().count(1) == N - 3


def test_only_chunks_with_new_volumes_are_set(overlays):
    values = np.full((1, 3 * CHUNK_VOLUMES), 0.5, np.float32)
    draw(overlays, values, height_sd=np.full(values.shape, 0.1, np.float32))
    before = [item.xData for item in overlays.band.items]
    more = np.full((1, 3 * CHUNK_VOLUMES + 1), 0.5, np.float32)
    sd = np.full(more.shape, 0.1, np.float32)
    draw(overlays, more, height_sd=sd, reference=more[0], first=3 * CHUNK_VOLUMES)
    after = [item.xData for item in overlays.band.items]
    assert [a is b for a, b in zip(before, after, strict=False)] == [True, True, False]
    assert len(segments(overlays.band)) == 3 * CHUNK_VOLUMES + 1
    assert len(segments(overlays.reference)) == 3 * CHUNK_VOLUMES


def test_nothing_is_left_of_another_recording(overlays):
    values = np.full((1, N), 0.5, np.float32)
    flags = np.full((1, N), TraceFlag.IMPULSE | TraceFlag.CUT_OFF)
    draw(overlays, values, height_sd=values, reference=values[0], flags=flags)
    overlays.clear()
    for strokes in (overlays.reference, overlays.band, overlays.ticks, overlays.suspects):
        assert not len(segments(strokes))
