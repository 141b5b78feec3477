import dataclasses
from types import SimpleNamespace

import numpy as np
import pytest
from qtpy.QtCore import Qt
from qtpy.QtGui import QShowEvent
from qtpy.QtTest import QTest
from tests.widgets.fake_session import make_labeled, make_sample, make_spec

from napari_acll.core import Mark, NeuronTable, TraceFlag, TraceStore, VolumeStatus
from napari_acll.trace import CausalDeconvolution, RunningBaseline, why_no_deconvolution
from napari_acll.widgets import TracePlotWidget, _shown_values
from napari_acll.widgets._time_marks import MarkKind
from napari_acll.widgets._trace_lines import TRACE_HEIGHT
from napari_acll.widgets._trace_view import TimeAxis, TraceValues, TraceView

needs_oasis = pytest.mark.skipif(bool(why_no_deconvolution()), reason="needs oasis-deconv")
NAMES = tuple(f"N{number:02d}" for number in range(20))


def _sample(index, confidence):
    sample = make_sample(index, make_labeled(index, make_spec(), len(NAMES)))
    ratio = np.where(np.isfinite(confidence), sample.ratio, np.nan).astype(np.float32)
    flags = np.zeros(len(NAMES), np.uint8)
    flags[3] = TraceFlag.IMPULSE * (index == 8)
    return dataclasses.replace(
        sample, ratio=ratio, confidence=confidence, ratio_sd=ratio / 20, flags=flags
    )


@pytest.fixture
def confidence():
    return np.linspace(1, 0.05, len(NAMES), dtype=np.float32)


@pytest.fixture
def traces(make_napari_viewer_proxy, monkeypatch, confidence):
    viewer = make_napari_viewer_proxy()
    widget = TracePlotWidget(viewer)
    viewer.window.add_dock_widget(widget)
    monkeypatch.setattr(widget, "isVisible", lambda: True)
    store = TraceStore(NeuronTable(NAMES))
    for index in range(30):
        store.append(_sample(index, confidence))
    session = SimpleNamespace(store=store, spec=make_spec(), marks=(), latest=lambda: None)
    widget._engine.run = SimpleNamespace(session=session, is_over=True, stop=lambda: None)
    widget.refresh()
    return widget


def _store(widget):
    return widget._engine.run.session.store


def _drawn_points(widget):
    items = [item for chunk in widget._plots.lines._chunks for item in chunk]
    return sum(len(item.xData) for item in items if item.xData is not None)


def _heights(widget):
    """Return the heights at which the only trace is drawn, in the order of time."""
    items = [item for chunk in widget._plots.lines._chunks for item in chunk]
    points = [(item.xData, item.yData) for item in items if item.xData is not None]
    x, y = (np.concatenate(axis) for axis in zip(*points, strict=True))
    return y[np.argsort(x, kind="stable")][::2]


def _span(widget):
    return widget._plots.line_plot.viewRange()[0]


def _grow(widget, n_volumes, confidence):
    store = _store(widget)
    for index in range(store.n_timepoints, store.n_timepoints + n_volumes):
        store.append(_sample(index, confidence))
    widget.refresh()


def test_the_most_confident_neurons_are_plotted_first(traces):
    assert traces.shown_neurons == list(NAMES[:12])
    assert _drawn_points(traces) == 12 * 29 * 2


def test_a_neuron_that_is_often_absent_is_not_among_the_most_confident(traces, confidence):
    rare = confidence.copy()
    rare[0] = np.nan
    store = TraceStore(NeuronTable(NAMES))
    for index in range(30):
        store.append(_sample(index, confidence if index == 0 else rare))
    traces._reset()
    traces._engine.run.session.store = store
    traces.refresh()
    assert NAMES[0] not in traces.shown_neurons


def test_choosing_in_the_list_decides_what_is_plotted(traces):
    traces._table.choose([15, 3])
    traces._table.rowsChosen.emit(traces._table.chosen_rows())
    assert traces.shown_neurons == ["N03", "N15"]
    assert _drawn_points(traces) == 2 * 29 * 2


def test_a_picked_neuron_comes_and_goes(traces):
    traces._engine.choose([3])
    traces._engine.pick(18)
    assert traces.shown_neurons == ["N02", "N17"]
    assert traces._plots.lines._band.isVisible()
    traces._engine.pick(3)
    assert traces.shown_neurons == ["N02", "N17"]
    traces._engine.pick(3)
    assert traces.shown_neurons == ["N17"]
    assert not traces._plots.lines._band.isVisible()


def test_a_picked_neuron_joins_the_most_confident_and_they_stay(traces):
    traces._engine.pick(18)
    assert traces.shown_neurons == [*NAMES[:12], "N17"]
    assert not traces._auto.isChecked()


def test_what_is_plotted_is_what_is_chosen_everywhere(traces):
    assert traces._engine.chosen == frozenset(range(1, 13))
    traces._engine.choose([5, 18])
    assert traces.shown_neurons == ["N04", "N17"]
    assert sorted(traces._table.chosen_rows()) == [4, 17]
    traces._auto.setChecked(True)
    assert traces._engine.chosen == frozenset(range(1, 13))


def test_numbers_that_the_model_does_not_have_are_left_out(traces):
    traces._engine.choose([5, 400])
    assert traces.shown_neurons == ["N04"]
    assert traces._engine.chosen == {5}


def test_arrow_keys_step_through_the_traces(traces, qtbot):
    traces._engine.choose([3, 7, 9])
    seen = []
    traces._engine.current_changed.connect(seen.append)
    for key in (Qt.Key.Key_Down, Qt.Key.Key_Down, Qt.Key.Key_Down, Qt.Key.Key_Down):
        qtbot.keyClick(traces._plots, key)
    assert seen == [3, 7, 9, 3]
    qtbot.keyClick(traces._plots, Qt.Key.Key_Up)
    assert seen[-1] == 9


def test_without_traces_arrow_keys_do_nothing(traces, qtbot):
    traces._engine.choose([])
    qtbot.keyClick(traces._plots, Qt.Key.Key_Down)
    assert traces._engine.current == 0


def test_a_clicked_row_of_the_picture_is_plotted_and_is_the_current_one(traces):
    traces._plots.rowClicked.emit(18)
    assert "N18" in traces.shown_neurons
    assert traces._engine.current == 19
    traces._plots.rowClicked.emit(18)
    assert "N18" in traces.shown_neurons


def test_a_clicked_trace_is_the_current_one(traces):
    traces._engine.choose([3, 7, 9])
    traces._plots.lineClicked.emit(1)
    assert traces._engine.current == 7
    assert traces.shown_neurons == ["N02", "N06", "N08"]


def test_a_neuron_that_was_never_seen_is_told(traces):
    traces._plots.lineClicked.emit(0)
    assert traces._hint.text() == "N00 was not seen yet"


def test_lost_volumes_are_gaps(traces):
    store = traces._engine.run.session.store
    store.skip(30, VolumeStatus.LOST)
    traces.refresh()
    assert _drawn_points(traces) == 12 * 29 * 2
    assert traces._plots.heat_map.item.image[:, 30, 3].max() == 0


def test_the_table_tells_confidence_and_coverage(traces):
    model = traces._table.model
    assert model.data(model.index(0, 0)) == "N00"
    assert model.data(model.index(0, 1)) == "1.00"
    assert model.data(model.index(0, 2)) == "100%"


def test_the_time_axis_is_in_seconds_and_follows(traces):
    assert _span(traces) == pytest.approx([-0.3, 29 * 0.6 + 0.3])


def test_a_store_without_neurons_is_not_an_error(traces):
    store = TraceStore(NeuronTable(()))
    store.append(
        dataclasses.replace(
            make_sample(0, make_labeled(0, make_spec(), 0)),
        )
    )
    traces._engine.run.session.store = store
    traces.refresh()
    assert traces.shown_neurons == []


def test_volumes_that_never_came_have_a_place_on_the_time_axis(traces):
    store = TraceStore(NeuronTable(NAMES))
    store.append(_sample(0, np.ones(len(NAMES), np.float32)))
    store.skip(4, VolumeStatus.SKIPPED)
    traces._engine.run.session.store = store
    traces.refresh()
    assert _span(traces) == pytest.approx([-0.3, 4 * 0.6 + 0.3])


def test_the_live_edge_is_followed_by_a_window(traces, confidence):
    traces._controls.setValue(TraceView(window_s=6.0))
    assert _span(traces) == pytest.approx([29 * 0.6 + 0.3 - 6, 29 * 0.6 + 0.3])
    _grow(traces, 5, confidence)
    assert _span(traces) == pytest.approx([34 * 0.6 + 0.3 - 6, 34 * 0.6 + 0.3])


def test_a_zoom_stays_until_live_is_pressed(traces, confidence):
    traces._plots.show_span(2, 5)
    traces._plots.panned.emit()
    assert not traces._controls.live.isChecked()
    _grow(traces, 5, confidence)
    assert _span(traces) == pytest.approx([2, 5])
    traces._controls.live.click()
    assert _span(traces) == pytest.approx([-0.3, 34 * 0.6 + 0.3])


def test_the_wheel_over_a_plot_ends_following(traces):
    traces._plots.heat_plot.getViewBox().sigRangeChangedManually.emit([True, False])
    assert not traces._controls.live.isChecked()


def test_the_axis_counts_volumes_on_request(traces):
    traces._controls.setValue(TraceView(axis=TimeAxis.VOLUMES))
    assert _span(traces) == pytest.approx([-0.5, 29.5])
    traces._engine.choose([1])
    items = [item for chunk in traces._plots.lines._chunks for item in chunk]
    x = np.concatenate([item.xData for item in items if item.xData is not None])
    assert sorted(set(x)) == list(range(30))


def test_another_axis_keeps_what_is_looked_at(traces):
    traces._controls.live.setChecked(False)
    traces._plots.show_span(3.0, 6.0)
    traces._controls.setValue(TraceView(axis=TimeAxis.VOLUMES))
    assert _span(traces) == pytest.approx([5, 10])
    traces._controls.setValue(TraceView(axis=TimeAxis.SECONDS))
    assert _span(traces) == pytest.approx([3, 6])


def test_values_over_their_baseline_are_drawn_on_request(traces, confidence):
    _grow(traces, 170, confidence)
    traces._engine.choose([1])
    traces._controls.setValue(TraceView(values=TraceValues.OVER_BASELINE))
    ratio = _store(traces).ratio
    over_baseline = RunningBaseline(0.6).update(ratio, first=0)
    low, high = traces._picture._scaling.low[0], traces._picture._scaling.high[0]
    expected = (over_baseline[0, :199] - low) / (high - low)
    drawn = _heights(traces) / TRACE_HEIGHT
    assert np.allclose(drawn, np.clip(expected, -0.1, 1.15), atol=1e-5)


@pytest.fixture
def deconvolved(traces, confidence):
    """Return the dock with some volumes more, one trace, and deconvolved values to be drawn."""
    _grow(traces, 170, confidence)
    traces._engine.choose([1])
    traces._controls.setValue(TraceView(values=TraceValues.DECONVOLVED))
    return traces


def _expected_heights(widget):
    values = CausalDeconvolution(0.6).update(_store(widget).ratio, first=0)[0]
    low, high = widget._picture._scaling.low[0], widget._picture._scaling.high[0]
    return np.clip((values[:-1] - low) / (high - low), -0.1, 1.15)


@needs_oasis
def test_deconvolved_values_are_drawn_over_one_range_and_without_a_band(deconvolved, confidence):
    assert np.allclose(_heights(deconvolved) / TRACE_HEIGHT, _expected_heights(deconvolved))
    assert np.ptp(deconvolved._picture._scaling.high) == 0
    assert not len(_bars(deconvolved._plots.overlays.band))
    _grow(deconvolved, 5, confidence)
    assert len(_heights(deconvolved)) == 204
    assert np.allclose(_heights(deconvolved) / TRACE_HEIGHT, _expected_heights(deconvolved))


@needs_oasis
def test_a_long_recording_is_deconvolved_in_steps_and_drawn_when_it_is_done(
    traces, confidence, monkeypatch, qtbot
):
    monkeypatch.setattr(_shown_values, "_MOST_AT_ONCE", 20 * len(NAMES))
    _grow(traces, 170, confidence)
    traces._engine.choose([1])
    traces._controls.setValue(TraceView(values=TraceValues.DECONVOLVED))
    assert traces._hint.text() == "working out: 10%"
    assert not _drawn_points(traces)
    _grow(traces, 3, confidence)
    qtbot.waitUntil(lambda: not traces._picture.is_behind, timeout=5000)
    assert np.allclose(_heights(traces) / TRACE_HEIGHT, _expected_heights(traces))
    assert traces._hint.text().startswith("row: ")


@needs_oasis
def test_volumes_that_are_labeled_late_are_deconvolved_with_all_after_them(
    deconvolved, confidence
):
    store = _store(deconvolved)
    for index in range(200, 230):
        store.skip(index, VolumeStatus.SKIPPED)
    _grow(deconvolved, 5, confidence)
    late = dataclasses.replace(_sample(215, confidence), status=VolumeStatus.BACKFILLED)
    store.append(late)
    deconvolved.refresh()
    shown = deconvolved._picture._shown.update(store.ratio, first=store.n_timepoints)
    assert np.isfinite(shown[0, 215])
    at_once = CausalDeconvolution(0.6).update(store.ratio, first=0)
    assert np.array_equal(shown, at_once, equal_nan=True)


@needs_oasis
def test_volumes_that_keep_being_labeled_late_do_not_keep_deconvolved_values_from_being_drawn(
    deconvolved, confidence, monkeypatch, qtbot
):
    monkeypatch.setattr(_shown_values, "_MOST_AT_ONCE", 20 * len(NAMES))
    store = _store(deconvolved)
    for index in range(200, 260):
        store.skip(index, VolumeStatus.SKIPPED)
    _grow(deconvolved, 5, confidence)
    qtbot.waitUntil(lambda: not deconvolved._picture.is_behind, timeout=5000)
    n_drawn = 0
    for index in range(200, 230):  # each reaches back further than one step reaches forward
        late = dataclasses.replace(_sample(index, confidence), status=VolumeStatus.BACKFILLED)
        store.append(late)
        deconvolved.refresh()
        n_drawn += not deconvolved._hint.text().startswith("working out")
    assert n_drawn > 5
    qtbot.waitUntil(lambda: not deconvolved._picture.is_behind, timeout=5000)
    shown = deconvolved._picture._shown.update(store.ratio, first=store.n_timepoints)
    at_once = CausalDeconvolution(0.6).update(store.ratio, first=0)
    assert np.array_equal(shown, at_once, equal_nan=True)


@needs_oasis
def test_another_choice_while_values_are_worked_out_is_drawn_at_once(traces, monkeypatch):
    monkeypatch.setattr(_shown_values, "_MOST_AT_ONCE", len(NAMES))
    traces._controls.setValue(TraceView(values=TraceValues.DECONVOLVED))
    assert traces._picture.is_behind
    traces._controls.setValue(TraceView())
    assert not traces._picture.is_behind
    assert _drawn_points(traces) == 12 * 29 * 2


def test_switching_values_back_draws_what_was_drawn(traces):
    traces._engine.choose([1])
    before = _heights(traces)
    traces._controls.setValue(TraceView(values=TraceValues.Z_SCORE))
    assert not np.allclose(_heights(traces), before)
    traces._controls.setValue(TraceView())
    assert np.allclose(_heights(traces), before)


def test_drawing_leaves_the_record_alone(traces):
    before = _store(traces).ratio.copy()
    for values in TraceValues:
        traces._controls.setValue(TraceView(values=values))
    assert np.array_equal(_store(traces).ratio, before)


def test_nothing_is_drawn_anew_while_nothing_comes(traces, monkeypatch):
    drawn = []
    monkeypatch.setattr(traces._plots, "draw_all", lambda *_, **__: drawn.append("all"))
    monkeypatch.setattr(traces._plots, "draw_marks", lambda *_: drawn.append("marks"))
    traces.refresh()
    assert drawn == []


def test_marks_and_skipped_stretches_are_lines_with_names(traces):
    session = traces._engine.run.session
    session.store.skip(30, VolumeStatus.SKIPPED)
    session.store.skip(31, VolumeStatus.SKIPPED)
    session.marks = (Mark(channel="key", name="light", time_s=6.0),)
    traces.refresh()
    placed = [(place, mark.text) for place, mark in traces._plots.marks._placed]
    assert [text for _, text in placed] == ["light", "skipped 2"]
    assert [place for place, _ in placed] == pytest.approx([6.0, 29.5 * 0.6])


def test_a_mark_appears_before_the_next_volume(traces):
    traces._engine.run.session.marks = (Mark(channel="key", name="touch", time_s=17.5),)
    traces.refresh()
    assert [mark.text for _, mark in traces._plots.marks._placed] == ["touch"]


def test_what_the_session_tells_of_its_speed_is_a_line(traces):
    traces._engine.event_happened.emit("degraded", "Labeling is late; less is done.")
    traces._engine.event_happened.emit("source", "channel 1 is the marker")
    traces.refresh()
    ((_, mark),) = traces._plots.marks._placed
    assert (mark.text, mark.kind, mark.volume) == ("degraded", MarkKind.EVENT, 29)


def test_a_new_session_of_fewer_neurons_is_drawn(traces):
    traces._engine.choose([18])
    store = TraceStore(NeuronTable(NAMES[:4]))
    for index in range(5):
        sample = make_sample(index, make_labeled(index, make_spec(), 4))
        store.append(sample)
    traces._engine.started.emit()
    traces._engine.run.session.store = store
    traces.refresh()
    assert traces.shown_neurons == []
    traces._auto.setChecked(True)
    assert traces.shown_neurons == list(NAMES[:4])


def test_a_dock_that_was_hidden_catches_up_when_it_is_shown(traces, monkeypatch, confidence):
    monkeypatch.setattr(traces, "isVisible", lambda: False)
    _grow(traces, 4, confidence)
    assert traces._plots.heat_map.item.image.shape[1] == 30
    monkeypatch.setattr(traces, "isVisible", lambda: True)
    traces.showEvent(QShowEvent())
    assert traces._plots.heat_map.item.image.shape[1] == 34


def _bars(strokes):
    """Return the lengths of upright strokes."""
    drawn = [item.yData for item in strokes.items if item.yData is not None]
    return np.concatenate([y[1::2] - y[0::2] for y in drawn]) if drawn else np.zeros(0)


def test_flags_are_drawn_on_the_traces_that_are_shown(traces):
    traces._engine.choose([5])
    assert not len(_bars(traces._plots.overlays.suspects))
    traces._engine.choose([4])
    assert len(_bars(traces._plots.overlays.suspects)) == 1


@pytest.mark.parametrize("values", ["ratio", "F/F0", "z-score"])
def test_the_band_is_as_high_as_the_deviation_says(traces, values):
    traces._engine.choose([2])
    traces._controls.setValue(TraceView(values=TraceValues(values)))
    scaling, store = traces._picture._scaling, _store(traces)
    per_row = (scaling.high - scaling.low)[1]
    sd = store.ratio_sd[1]
    if values == TraceValues.OVER_BASELINE:
        sd = sd * RunningBaseline(0.6).update(store.ratio, first=0)[1] / store.ratio[1]
    found = _bars(traces._plots.overlays.band)
    inside = found[5:-5] < 0.2  # what does not lie at the border of the row
    np.testing.assert_allclose(
        found[5:-5][inside], (2 * TRACE_HEIGHT * sd / per_row)[5:-5][inside], rtol=0.01, atol=0.02
    )
    assert len(found) == 30


def test_the_band_can_be_switched_off(traces):
    assert len(_bars(traces._plots.overlays.band)) == 12 * 30
    traces._controls.band.setChecked(False)
    assert not len(_bars(traces._plots.overlays.band))


def test_the_current_neuron_becomes_the_reference(traces):
    traces._engine.choose([2, 3])
    traces._go_to(2)
    traces._reference.click()
    assert traces._engine.reference == 3
    assert traces._reference.text() == "Reference: N02"
    expected = np.corrcoef(_store(traces).ratio[[1, 2]])[0, 1]
    assert traces._plots.lines._names == [f"N01 {expected:+.2f}", "N02 +1.00"]
    assert len(_bars(traces._plots.overlays.reference)) == 2 * 29


def test_correlations_follow_the_recording(traces, confidence):
    traces._engine.choose([2])
    traces._engine.compare_with(3)
    traces._next_table_s = 0.0
    _grow(traces, 20, confidence)
    expected = np.corrcoef(_store(traces).ratio[[1, 2]])[0, 1]
    assert traces._plots.lines._names == [f"N01 {expected:+.2f}"]


def test_the_reference_ends_by_its_key(traces):
    traces._engine.choose([2, 3])
    traces._go_to(2)
    for expected in (3, 0):
        QTest.keyClick(traces._plots, Qt.Key.Key_F)
        assert traces._engine.reference == expected
    assert traces._plots.lines._names == ["N01", "N02"]
    assert traces._reference.text() == "Reference"
    assert not len(_bars(traces._plots.overlays.reference))
