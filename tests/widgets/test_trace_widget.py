import dataclasses
from types import SimpleNamespace

import numpy as np
import pytest
from tests.widgets.fake_session import make_labeled, make_sample, make_spec

from napari_acll.core import NeuronTable, TraceStore, VolumeStatus
from napari_acll.widgets import TracePlotWidget

NAMES = tuple(f"N{number:02d}" for number in range(20))


def _sample(index, confidence):
    sample = make_sample(index, make_labeled(index, make_spec(), len(NAMES)))
    ratio = np.where(np.isfinite(confidence), sample.ratio, np.nan).astype(np.float32)
    return dataclasses.replace(sample, ratio=ratio, confidence=confidence)


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
    session = SimpleNamespace(store=store, spec=make_spec(), latest=lambda: None)
    widget._engine.run = SimpleNamespace(session=session, is_over=True, stop=lambda: None)
    widget.refresh()
    return widget


def _drawn_points(widget):
    return sum(len(item.xData) for item in widget._lines._items if item.xData is not None)


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
    traces.pick(18)
    assert traces.shown_neurons == ["N17"]
    traces.pick(5)
    assert traces.shown_neurons == ["N17", "N04"]
    traces.pick(18)
    assert traces.shown_neurons == ["N04"]


def test_lost_volumes_are_gaps(traces):
    store = traces._engine.run.session.store
    store.skip(30, VolumeStatus.LOST)
    traces.refresh()
    assert _drawn_points(traces) == 12 * 29 * 2
    assert traces._heat_map.item.image[:, 30, 3].max() == 0


def test_the_table_tells_confidence_and_coverage(traces):
    model = traces._table.model
    assert model.data(model.index(0, 0)) == "N00"
    assert model.data(model.index(0, 1)) == "1.00"
    assert model.data(model.index(0, 2)) == "100%"


def test_the_time_axis_is_in_seconds_and_follows(traces):
    (left, right), _ = traces._line_plot.viewRange()
    assert left == pytest.approx(-0.3)
    assert right == pytest.approx(29 * 0.6 + 0.3)


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
    assert traces._line_plot.viewRange()[0] == pytest.approx([-0.3, 4 * 0.6 + 0.3])
