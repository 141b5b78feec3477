import threading
from types import SimpleNamespace

import numpy as np
import pytest
from napari.utils.interactions import mouse_press_callbacks, mouse_release_callbacks
from qtpy.QtCore import QMimeData, QPoint, QPointF, Qt, QUrl
from qtpy.QtGui import QDropEvent
from tests.session.saved_sessions import make_saved
from tests.widgets.fake_session import N_NEURONS, SHAPE, make_spec

from napari_acll.core import Check, Light, ModelError, RecordingError, SessionState
from napari_acll.widgets import LiveSessionWidget, TracePlotWidget
from napari_acll.widgets._engine import engine_of

LAYERS = {"live marker", "live activity", "live labels", "live names"}


def _start(live, tmp_path):
    live.setup.set_recording("simulated")
    live.setup.out.setValue(str(tmp_path / "new.acll"))
    live.buttons.start.click()


def _run_to_the_end(live, tmp_path, qtbot):
    _start(live, tmp_path)
    qtbot.waitUntil(lambda: live.engine.state.is_over, timeout=10_000)


def _press_and_release(viewer, event, released_at=(50, 50)):
    mouse_press_callbacks(viewer.__wrapped__, event)
    event.type, event.pos = "mouse_release", released_at
    mouse_release_callbacks(viewer.__wrapped__, event)


def _layers(live):
    return {layer.name: layer for layer in live._viewer.layers}


def test_a_session_fills_the_layers_and_ends(live, tmp_path, qtbot):
    _run_to_the_end(live, tmp_path, qtbot)
    assert live.engine.state is SessionState.FINISHED
    layers = _layers(live)
    assert set(layers) == LAYERS
    assert layers["live marker"].data.shape == SHAPE
    assert layers["live labels"].data.dtype == np.uint8
    assert layers["live labels"].data.max() == N_NEURONS
    assert [str(unit) for unit in layers["live marker"].units] == ["micrometer"] * 3
    assert "3 of 3 traced" in live.status.volumes.text()


def test_the_newest_volume_is_what_the_layers_show(live, tmp_path, qtbot, sessions):
    _run_to_the_end(live, tmp_path, qtbot)
    newest = sessions[0].latest()
    assert np.array_equal(_layers(live)["live marker"].data, newest.volume.marker)
    assert np.array_equal(_layers(live)["live activity"].data, newest.volume.activity)


def test_labels_have_the_color_of_their_confidence(live, tmp_path, qtbot, sessions):
    from napari_acll.widgets._colors import confidence_rgb

    _run_to_the_end(live, tmp_path, qtbot)
    confidence = sessions[0].latest().sample.confidence
    layer = _layers(live)["live labels"]
    drawn = np.array([layer.get_color(number) for number in range(1, N_NEURONS + 1)])
    assert np.allclose(drawn[:, :3] * 255, confidence_rgb(confidence), atol=1)


def test_the_activity_layer_is_laid_over_the_marker(live, tmp_path, qtbot):
    _run_to_the_end(live, tmp_path, qtbot)
    affine = _layers(live)["live activity"].affine.affine_matrix
    assert not np.allclose(affine, np.eye(4))
    assert "trusted" in live.status.alignment.text()


def test_stop_ends_a_session_that_would_go_on(live, build_fake, tmp_path, qtbot):
    live.engine.build = build_fake(lingers=True)
    _start(live, tmp_path)
    qtbot.waitUntil(lambda: live.engine.state is SessionState.RUNNING, timeout=5000)
    assert not live.buttons.start.isEnabled()
    live.buttons.stop.click()
    qtbot.waitUntil(lambda: live.engine.state is SessionState.FINISHED, timeout=5000)
    assert live.buttons.start.isEnabled()


def test_a_second_session_replaces_the_layers_of_the_first(live, build_fake, tmp_path, qtbot):
    mine = live._viewer.add_points(np.zeros((1, 3)), name="mine")
    _run_to_the_end(live, tmp_path, qtbot)
    live.engine.build = build_fake(spec=make_spec((3, 10, 12)))
    _run_to_the_end(live, tmp_path, qtbot)
    layers = _layers(live)
    assert set(layers) == LAYERS | {"mine"}
    assert layers["live marker"].data.shape == (3, 10, 12)
    assert len(mine.data) == 1


def test_a_deleted_layer_is_not_fatal_and_stays_away(live, build_fake, tmp_path, qtbot, sessions):
    live.engine.build = build_fake(n_volumes=2, lingers=True)
    _start(live, tmp_path)
    qtbot.waitUntil(lambda: len(live._viewer.layers) == 4, timeout=5000)
    live._viewer.layers.remove("live labels")
    qtbot.waitUntil(lambda: sessions[0].counters.n_traced == 2, timeout=5000)
    sessions[0]._produce(2)
    marker = _layers(live)["live marker"]
    newest = sessions[0].latest().volume.marker
    qtbot.waitUntil(lambda: np.array_equal(marker.data, newest), timeout=5000)
    assert "live labels" not in _layers(live)
    live.stop()
    qtbot.waitUntil(lambda: live.engine.state.is_over, timeout=5000)
    assert live.engine.state is SessionState.FINISHED


@pytest.mark.parametrize(
    "error", [RecordingError("The recording ends early; record again."), RuntimeError("boom")]
)
def test_an_error_of_the_session_is_shown(live, build_fake, tmp_path, qtbot, monkeypatch, error):
    shown = []
    monkeypatch.setattr("napari_acll.widgets._live_widget.show_error", shown.append)
    live.engine.build = build_fake(error=error)
    _run_to_the_end(live, tmp_path, qtbot)
    qtbot.waitUntil(lambda: bool(shown), timeout=5000)
    assert str(error) in shown[0]
    assert str(error) in live.status.state.text()
    assert live.engine.state is SessionState.FAILED
    assert live.buttons.start.isEnabled()


def test_a_session_that_cannot_be_built_is_shown(live, tmp_path, qtbot):
    def build(_request):
        raise ModelError("There is no model 'nonesuch'; choose another.")

    live.engine.build = build
    _run_to_the_end(live, tmp_path, qtbot)
    assert live.engine.state is SessionState.FAILED
    qtbot.waitUntil(lambda: "nonesuch" in live.status.state.text(), timeout=5000)


def test_without_a_recording_nothing_starts(live, monkeypatch):
    shown = []
    monkeypatch.setattr("napari_acll.widgets._live_widget.show_error", shown.append)
    live.buttons.start.click()
    assert live.engine.run is None
    assert "No recording" in shown[0]


def test_the_settings_of_the_form_reach_the_session(live, tmp_path, qtbot):
    requests = []
    build = live.engine.build

    def remember(request):
        requests.append(request)
        return build(request)

    live.engine.build = remember
    settings = live.setup.settings()
    changed = settings.model_copy(
        update={
            "animal": settings.animal.model_copy(update={"strain": "SWF415"}),
            "alignment": settings.alignment.model_copy(update={"n_volumes": 7}),
            "preprocess": settings.preprocess.model_copy(update={"bin_px": 2}),
        }
    )
    live.setup.set_settings(changed)
    _run_to_the_end(live, tmp_path, qtbot)
    assert requests[0].settings == changed
    assert requests[0].recording == "simulated"
    assert requests[0].out == tmp_path / "new.acll"


def test_building_does_not_block_the_screen(live, tmp_path, qtbot):
    may_build, built_in = threading.Event(), []
    build = live.engine.build

    def slow(request):
        built_in.append(threading.current_thread())
        may_build.wait(20)
        return build(request)

    live.engine.build = slow
    _start(live, tmp_path)
    qtbot.waitUntil(lambda: bool(built_in), timeout=5000)
    assert live.engine.state is SessionState.WARMING_UP
    may_build.set()
    qtbot.waitUntil(lambda: live.engine.state.is_over, timeout=5000)
    assert built_in[0] is not threading.main_thread()


def test_closing_the_dock_ends_the_session(live, build_fake, tmp_path, qtbot):
    live.engine.build = build_fake(lingers=True)
    _start(live, tmp_path)
    qtbot.waitUntil(lambda: live.engine.state is SessionState.RUNNING, timeout=5000)
    live._viewer.window.remove_dock_widget(live)
    qtbot.waitUntil(lambda: live.engine.run.is_over, timeout=5000)
    live.deleteLater()


def test_hiding_the_dock_does_not_end_the_session(live, build_fake, tmp_path, qtbot):
    live.engine.build = build_fake(lingers=True)
    _start(live, tmp_path)
    qtbot.waitUntil(lambda: live.engine.state is SessionState.RUNNING, timeout=5000)
    dock = live.parentWidget()
    dock.setFloating(True)
    dock.setFloating(False)
    dock.hide()
    assert not live.engine.run.closing.is_set()
    live.stop()
    qtbot.waitUntil(lambda: live.engine.state.is_over, timeout=5000)


def test_closing_the_viewer_mid_run_leaves_no_thread(
    make_napari_viewer_proxy, build_fake, tmp_path, qtbot
):
    viewer = make_napari_viewer_proxy()
    live = LiveSessionWidget(viewer)
    viewer.window.add_dock_widget(live)
    live.engine.build = build_fake(lingers=True)
    _start(live, tmp_path)
    qtbot.waitUntil(lambda: len(viewer.layers) == 4, timeout=5000)
    run = live.engine.run
    del live
    viewer.close()
    qtbot.waitUntil(lambda: run.is_over, timeout=5000)
    assert run.wait(5)
    assert run.error is None


def test_all_docks_of_a_viewer_share_one_engine(live):
    assert engine_of(live._viewer) is live.engine
    assert engine_of(live._viewer.__wrapped__) is live.engine


def test_a_dropped_recording_is_chosen(live, tmp_path):
    path = tmp_path / "worm.nd2"
    mime = QMimeData()
    mime.setUrls([QUrl.fromLocalFile(str(path))])
    event = QDropEvent(
        QPointF(QPoint(5, 5)),
        Qt.DropAction.CopyAction,
        mime,
        Qt.MouseButton.LeftButton,
        Qt.KeyboardModifier.NoModifier,
    )
    live.dropEvent(event)
    assert live.setup.recording.value() == str(path)
    assert live.setup.out.value() == str(tmp_path / "worm_001.acll")


def test_a_clicked_label_is_picked(live, tmp_path, qtbot):
    traces = TracePlotWidget(live._viewer)
    live._viewer.window.add_dock_widget(traces)
    _run_to_the_end(live, tmp_path, qtbot)
    layer = _layers(live)["live labels"]
    where = np.argwhere(layer.data == 2)[0]

    click = SimpleNamespace(
        type="mouse_press",
        pos=(50, 50),
        modifiers=[],
        position=layer.data_to_world(where),
        view_direction=None,
        dims_displayed=[1, 2],
    )
    with qtbot.waitSignal(live.engine.neuron_picked) as picked:
        _press_and_release(live._viewer, click)
    assert picked.args == [2]
    assert traces.shown_neurons == ["class_002"]


def test_dragging_the_canvas_picks_nothing(live, tmp_path, qtbot):
    _run_to_the_end(live, tmp_path, qtbot)
    layer = _layers(live)["live labels"]
    drag = SimpleNamespace(
        type="mouse_press",
        pos=(50, 50),
        modifiers=[],
        position=layer.data_to_world(np.argwhere(layer.data == 2)[0]),
        view_direction=None,
        dims_displayed=[1, 2],
    )
    with qtbot.assertNotEmitted(live.engine.neuron_picked):
        _press_and_release(live._viewer, drag, released_at=(90, 50))


def test_names_stand_on_the_plane_that_is_looked_at(live, tmp_path, qtbot, sessions):
    _run_to_the_end(live, tmp_path, qtbot)
    centroid_um = sessions[0].latest().sample.centroid_px * (1.0, 0.18, 0.18)
    is_likely = sessions[0].latest().sample.confidence >= 0.5
    assert 0 < is_likely.sum() < N_NEURONS
    layer, dims = _layers(live)["live names"], live._viewer.dims
    assert list(layer.features["neuron"]) == list(sessions[0].store.neurons.names)
    for plane in range(SHAPE[0]):
        dims.set_point(0, plane)
        near = (np.abs(centroid_um[:, 0] - plane) <= 1.2) & is_likely
        assert layer.shown.tolist() == near.tolist()
        assert np.allclose(layer.data[near][:, 0], plane)
        assert np.allclose(layer.data[near][:, 1:], centroid_um[near][:, 1:])


def test_the_pause_button_pauses_and_goes_on(live, build_fake, tmp_path, qtbot, sessions):
    live.engine.build = build_fake(lingers=True)
    assert not live.buttons.pause.isEnabled()
    _start(live, tmp_path)
    qtbot.waitUntil(live.buttons.pause.isEnabled, timeout=5000)
    live.buttons.pause.click()
    assert sessions[0].is_paused
    assert live.engine.is_paused
    assert "paused" in live.status.state.text()
    live.buttons.pause.click()
    assert not sessions[0].is_paused
    assert "running" in live.status.state.text()
    live.buttons.stop.click()
    qtbot.waitUntil(lambda: live.engine.state.is_over, timeout=5000)
    assert not live.buttons.pause.isEnabled()


def test_a_pause_by_a_script_is_shown_too(live, build_fake, tmp_path, qtbot, sessions):
    live.engine.build = build_fake(lingers=True)
    _start(live, tmp_path)
    qtbot.waitUntil(live.buttons.pause.isEnabled, timeout=5000)
    with qtbot.waitSignal(live.engine.paused_changed):
        sessions[0].pause()
    assert live.buttons.pause.isChecked()
    live.buttons.stop.click()
    qtbot.waitUntil(lambda: live.engine.state.is_over, timeout=5000)
    assert not live.engine.is_paused


def test_a_session_that_is_over_can_be_exported(live, build_fake, tmp_path, qtbot):
    assert live.after.isHidden()
    live.engine.build = build_fake(n_volumes=2)
    live.setup.set_recording("simulated")
    live.setup.out.setValue(str(make_saved(tmp_path)))  # as if the fake had written it
    live._begin(live.setup.request())
    qtbot.waitUntil(lambda: live.engine.state is SessionState.FINISHED, timeout=5000)
    assert not live.after.isHidden()
    with qtbot.waitSignal(live.after.export.exported, timeout=5000):
        live.after.export.export(tmp_path / "traces.csv")
    assert (tmp_path / "traces.csv").is_file()
    assert "export: " in live.status.notes.toPlainText()


def test_an_export_that_fails_is_told_and_changes_nothing(
    live, build_fake, tmp_path, qtbot, monkeypatch
):
    shown = []
    monkeypatch.setattr("napari_acll.widgets._live_widget.show_error", shown.append)
    live.engine.build = build_fake(n_volumes=2)
    live.setup.set_recording("simulated")
    live.setup.out.setValue(str(tmp_path / "no.acll"))
    live._begin(live.setup.request())
    qtbot.waitUntil(lambda: live.engine.state is SessionState.FINISHED, timeout=5000)
    with qtbot.waitSignal(live.after.export.failed, timeout=5000):
        live.after.export.export(tmp_path / "traces.csv")
    assert "no.acll" in shown[0]
    assert shown[0] in live.status.notes.toPlainText()
    assert "finished" in live.status.state.text()


def test_before_a_session_only_the_state_is_shown(live, build_fake, tmp_path, qtbot):
    assert not live.status.state.isHidden()
    assert live.status.volumes.isHidden()
    live.engine.build = build_fake(n_volumes=2)
    live.setup.set_recording("simulated")
    live.setup.out.setValue(str(tmp_path / "a.acll"))
    live.buttons.start.click()
    qtbot.waitUntil(lambda: live.engine.state is SessionState.FINISHED, timeout=5000)
    assert not live.status.volumes.isHidden()
    live.buttons.setup.setChecked(True)
    assert live.status.volumes.isHidden()


def test_red_lines_and_traces_fit_into_a_small_window(live, qtbot):
    from napari_acll.widgets import TracePlotWidget

    viewer = live._viewer
    viewer.window.add_dock_widget(TracePlotWidget(viewer), name="traces")
    long = "What was expected is not there, and what there is cannot be used here; " * 3
    red = Check(name="Recording", light=Light.RED, sentence=long)
    live.preflight.setValue((red, red))
    window = live.window()
    window.resize(1366, 768)
    window.show()
    qtbot.waitUntil(live.preflight.isVisible, timeout=5000)
    qtbot.wait(100)
    assert window.minimumSizeHint().height() <= 720
