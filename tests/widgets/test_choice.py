"""From the viewer to the traces and back."""

from types import SimpleNamespace

import numpy as np
import pytest
from napari.utils.interactions import mouse_press_callbacks, mouse_release_callbacks
from tests.widgets.fake_session import N_NEURONS

from napari_acll.core import NeuronTable
from napari_acll.widgets import TracePlotWidget

STORED_UM = np.array([1.0, 0.18, 0.18])


@pytest.fixture
def shown(live, tmp_path, qtbot):
    """Return the live widget of a session whose three volumes are shown."""
    live.setup.set_recording("simulated")
    live.setup.out.setValue(str(tmp_path / "new.acll"))
    live.buttons.start.click()
    qtbot.waitUntil(lambda: live.engine.state.is_over, timeout=10_000)
    return live


@pytest.fixture
def traces(shown):
    traces = TracePlotWidget(shown._viewer)
    shown._viewer.window.add_dock_widget(traces)
    return traces


def _center_um(live, class_number):
    sample = live.engine.run.session.latest().sample
    return sample.centroid_px[class_number - 1] * STORED_UM


def _layer(live, name):
    return live._viewer.layers[name]


def _click(live, class_number):
    layer = _layer(live, "live labels")
    event = SimpleNamespace(
        type="mouse_press",
        pos=(50, 50),
        modifiers=[],
        position=layer.data_to_world(np.argwhere(layer.data == class_number)[0]),
        view_direction=None,
        dims_displayed=[1, 2],
    )
    mouse_press_callbacks(live._viewer.__wrapped__, event)
    event.type = "mouse_release"
    mouse_release_callbacks(live._viewer.__wrapped__, event)


@pytest.mark.parametrize("class_number", [1, 4])
def test_going_to_a_neuron_moves_plane_and_camera_and_selects_its_label(shown, class_number):
    zoom = shown._viewer.scene.camera.zoom
    assert shown.engine.go_to(class_number)
    z_um, y_um, x_um = _center_um(shown, class_number)
    assert shown._viewer.dims.point[0] == pytest.approx(z_um, abs=0.5)  # a plane is 1 um
    assert shown._viewer.scene.camera.center[-2:] == pytest.approx((y_um, x_um), abs=1e-4)
    assert shown._viewer.scene.camera.zoom == zoom
    assert _layer(shown, "live labels").selected_label == class_number
    assert shown.engine.current == class_number


def test_going_to_a_neuron_centers_it_in_three_dimensions(shown):
    shown._viewer.dims.ndisplay = 3
    assert shown.engine.go_to(3)
    assert shown._viewer.scene.camera.center == pytest.approx(_center_um(shown, 3), abs=1e-4)


def test_going_to_a_neuron_works_from_the_side(shown):
    shown._viewer.dims.order = (1, 0, 2)
    assert shown.engine.go_to(3)
    z_um, y_um, x_um = _center_um(shown, 3)
    assert shown._viewer.dims.point[1] == pytest.approx(y_um, abs=0.27)
    assert shown._viewer.scene.camera.center[-2:] == pytest.approx((z_um, x_um), abs=1e-4)


def test_an_axis_that_is_not_ours_stays_where_it_is(shown):
    shown._viewer.add_image(np.zeros((7, 2, 4, 4), np.uint8), name="mine")
    shown._viewer.dims.set_point(0, 5)
    assert shown.engine.go_to(2)
    assert shown._viewer.dims.point[0] == 5
    y_um, x_um = _center_um(shown, 2)[1:]
    assert shown._viewer.scene.camera.center[-2:] == pytest.approx((y_um, x_um), abs=1e-4)


def test_a_neuron_that_is_away_is_looked_for_where_it_was_last(shown):
    before_um = _center_um(shown, 2)
    newest = shown.engine.run.session.latest()
    away = newest.sample.centroid_px.copy()
    away[1] = np.nan
    sample = SimpleNamespace(confidence=newest.sample.confidence, centroid_px=away)
    shown.engine.layers.show(
        SimpleNamespace(volume=newest.volume, labeled=newest.labeled, sample=sample),
        NeuronTable.numbered(N_NEURONS),
    )
    assert shown.engine.go_to(2)
    assert shown._viewer.scene.camera.center[-2:] == pytest.approx(before_um[1:], abs=1e-4)


@pytest.mark.parametrize("class_number", [0, N_NEURONS + 1])
def test_a_neuron_that_does_not_exist_moves_nothing(shown, class_number):
    center = shown._viewer.scene.camera.center
    assert not shown.engine.go_to(class_number)
    assert shown._viewer.scene.camera.center == center


def test_before_the_first_volume_there_is_nowhere_to_go(live):
    assert not live.engine.go_to(1)


def test_deleted_labels_do_not_hinder_going(shown):
    shown._viewer.layers.remove("live labels")
    assert shown.engine.go_to(2)


def test_without_any_layer_there_is_nowhere_to_go(shown):
    shown._viewer.layers.clear()
    assert not shown.engine.go_to(2)


def test_a_click_on_a_neuron_chooses_and_highlights_its_trace(shown, traces):
    traces._auto.setChecked(False)
    _click(shown, 2)
    assert shown.engine.chosen == {2}
    assert shown.engine.current == 2
    assert traces.shown_neurons == ["class_002"]
    assert traces._plots.lines._band.isVisible()
    _click(shown, 2)
    assert shown.engine.chosen == frozenset()


def test_a_click_works_without_the_traces_dock(shown):
    _click(shown, 3)
    assert shown.engine.chosen == {3}


def test_a_click_on_a_trace_moves_the_viewer(shown, traces):
    traces._present_store()
    shown.engine.choose([2, 5])
    traces._plots.lineClicked.emit(1)
    y_um, x_um = _center_um(shown, 5)[1:]
    assert shown._viewer.scene.camera.center[-2:] == pytest.approx((y_um, x_um), abs=1e-4)


def test_a_click_on_a_row_of_the_picture_moves_the_viewer(shown, traces):
    traces._present_store()
    traces._plots.rowClicked.emit(3)
    y_um, x_um = _center_um(shown, 4)[1:]
    assert shown._viewer.scene.camera.center[-2:] == pytest.approx((y_um, x_um), abs=1e-4)
    assert "class_004" in traces.shown_neurons


def test_only_the_chosen_neurons_are_named(shown):
    shown._viewer.dims.ndisplay = 3
    layer = _layer(shown, "live names")
    is_likely = shown.engine.run.session.latest().sample.confidence >= 0.5
    assert np.array_equal(layer.shown, is_likely)
    shown.engine.choose([N_NEURONS, 1])  # the first one is a doubtful name
    assert np.flatnonzero(layer.shown).tolist() == [N_NEURONS - 1]
    shown.engine.name_all(True)
    assert np.array_equal(layer.shown, is_likely)
    shown.engine.name_all(False)
    shown.engine.choose([])
    assert np.array_equal(layer.shown, is_likely)


def test_all_names_can_be_had_from_the_traces_dock(shown, traces):
    shown._viewer.dims.ndisplay = 3
    shown.engine.choose([N_NEURONS])
    traces._all_names.setChecked(True)
    assert _layer(shown, "live names").shown.sum() > 1


def test_a_second_session_of_the_same_model_keeps_the_choice(shown, tmp_path, qtbot):
    shown.engine.choose([2, 5])
    shown.setup.out.setValue(str(tmp_path / "second.acll"))
    shown.buttons.start.click()
    qtbot.waitUntil(lambda: shown.engine.state.is_over, timeout=10_000)
    assert shown.engine.chosen == {2, 5}


def test_another_model_knows_the_neurons_by_other_numbers(shown):
    shown.engine.choose([2, 5])
    shown.engine.run.session.store.neurons = NeuronTable(("AVAL", "AVAR"))
    shown.engine._draw(shown.engine.run)
    assert shown.engine.chosen == frozenset()
