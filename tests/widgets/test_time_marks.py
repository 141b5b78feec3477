import numpy as np
import pyqtgraph as pg
import pytest

from napari_acll.core import Mark, VolumeStatus
from napari_acll.widgets._time_marks import (
    MarkKind,
    TimeMark,
    TimeMarkLines,
    gap_marks,
    session_marks,
)


def test_a_stretch_of_skipped_volumes_is_one_mark_where_it_begins():
    status = np.full(20, VolumeStatus.TRACED, np.uint8)
    status[5:8] = VolumeStatus.SKIPPED
    status[8] = VolumeStatus.LOST
    status[15:] = VolumeStatus.UNLABELABLE
    found = [(mark.volume, mark.text) for mark in gap_marks(status)]
    assert found == [(4.5, "skipped 3"), (7.5, "lost 1"), (14.5, "unfit 5")]


@pytest.mark.parametrize("n_timepoints", [0, 5])
def test_a_recording_without_gaps_has_no_such_marks(n_timepoints):
    assert gap_marks(np.full(n_timepoints, VolumeStatus.TRACED, np.uint8)) == []


def test_a_mark_stands_between_the_volumes_of_its_time():
    marks = (
        Mark(channel="key", name="light", value=0.5, time_s=0.9),
        Mark(channel="key", name="touch", time_s=-0.6),
        Mark(channel="key", name="unknown"),
    )
    found = session_marks(marks, np.arange(4) * 0.6)
    assert [mark.text for mark in found] == ["light 0.5", "touch"]
    assert np.allclose([mark.volume for mark in found], [1.5, -1])


@pytest.fixture
def graphics(qtbot):
    graphics = pg.GraphicsLayoutWidget()
    graphics.resize(600, 300)
    qtbot.addWidget(graphics)
    graphics.show()
    qtbot.waitExposed(graphics)
    return graphics


@pytest.fixture
def plots(graphics, qtbot):
    above, below = graphics.addPlot(row=0, col=0), graphics.addPlot(row=1, col=0)
    below.setXRange(0, 100, padding=0)
    qtbot.waitUntil(lambda: below.getViewBox().width() > 200, timeout=5000)
    return above, below


def _mark(volume, text):
    return TimeMark(volume, text, MarkKind.MARK)


def _written(lines):
    """Return the names that are written, from the right."""
    return [name.textItem.toPlainText() for name in lines._names if name.isVisible()]


def test_lines_go_through_all_plots_and_names_stand_in_the_last(plots):
    lines = TimeMarkLines(plots)
    lines.update([_mark(10.0, "light"), _mark(60.0, "touch")], np.arange(100.0))
    for curve in lines._curves[MarkKind.MARK]:
        assert curve.xData.tolist() == [10, 10, 60, 60]
    assert _written(lines) == ["touch", "light"]


def test_marks_follow_the_axis(plots):
    lines = TimeMarkLines(plots)
    lines.update([_mark(10.5, "light")], np.arange(100.0) * 0.6)
    assert np.allclose(lines._curves[MarkKind.MARK][0].xData, 6.3)


def test_names_never_lie_over_each_other(plots):
    lines = TimeMarkLines(plots)
    many = [_mark(float(volume), f"light {volume}") for volume in range(100)]
    lines.update(many, np.arange(100.0))
    shown = _written(lines)
    assert 2 <= len(shown) < 40
    assert shown[0] == "light 99"


def test_zooming_in_brings_names_back(plots):
    lines = TimeMarkLines(plots)
    many = [_mark(float(volume), f"light {volume}") for volume in range(100)]
    lines.update(many, np.arange(100.0))
    plots[1].setXRange(19.5, 21.5, padding=0)
    assert _written(lines) == ["light 21", "light 20"]


def test_a_name_at_the_right_edge_can_be_read(plots):
    lines = TimeMarkLines(plots)
    lines.update([_mark(99.5, "light 470 nm")], np.arange(100.0))
    (name,) = lines._names
    right = plots[1].getViewBox().sceneBoundingRect().right()
    assert name.isVisible()
    assert name.mapRectToScene(name.boundingRect()).right() <= right
