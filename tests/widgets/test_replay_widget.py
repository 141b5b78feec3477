import threading

import dask
import numpy as np
import pytest
from napari.layers import Layer
from qtpy.QtCore import QMimeData, QPoint, QPointF, Qt, QUrl
from qtpy.QtGui import QDropEvent
from tests.session.saved_sessions import N_VOLUMES, make_saved

from napari_acll.core import SessionState
from napari_acll.simulate import write_array
from napari_acll.testing import FakeSource
from napari_acll.widgets import ReplayWidget, get_session_reader
from napari_acll.widgets._playable import look_at
from napari_acll.widgets._preferred_reader import PATTERNS
from napari_acll.widgets._replay_controls import ReplayControls

PERIOD_S = 0.5


@pytest.fixture(autouse=True)
def _no_thread_pool():
    """Dask keeps its threads for the next computation; here none would come."""
    with dask.config.set(scheduler="synchronous"):
        yield


@pytest.fixture(autouse=True)
def told(monkeypatch):
    """Return the sentences that napari shows."""
    sentences = []
    monkeypatch.setattr("napari_acll.widgets._replay_widget.show_error", sentences.append)
    return sentences


@pytest.fixture
def viewer(make_napari_viewer_proxy):
    return make_napari_viewer_proxy()


@pytest.fixture
def replay(viewer):
    widget = ReplayWidget(viewer)
    viewer.window.add_dock_widget(widget, name="replay")
    yield widget
    widget._release()


@pytest.fixture
def recording(tmp_path):
    return write_array(FakeSource(range(N_VOLUMES)), tmp_path / "film.zarr", N_VOLUMES)


def _drop(replay, path):
    mime = QMimeData()
    mime.setUrls([QUrl.fromLocalFile(str(path))])
    event = QDropEvent(
        QPointF(QPoint(5, 5)),
        Qt.DropAction.CopyAction,
        mime,
        Qt.MouseButton.LeftButton,
        Qt.KeyboardModifier.NoModifier,
    )
    replay.dropEvent(event)


def _open(replay, path, qtbot):
    _drop(replay, path)
    qtbot.waitUntil(lambda: replay.player is not None, timeout=20_000)


def _shown(viewer):
    return round(viewer.dims.point[0] / PERIOD_S)


def test_a_dropped_recording_is_shown_as_it_is(replay, recording, viewer, qtbot):
    _open(replay, recording, qtbot)
    assert replay.path == str(recording)
    assert [layer.name.split()[1] for layer in viewer.layers] == ["marker", "activity"]
    assert viewer.layers[0].data.shape == (N_VOLUMES, 4, 12, 20)
    assert replay.controls.slider.maximum() == N_VOLUMES - 1


def test_what_is_played_can_be_read_in_the_lowest_dock(qtbot):
    controls = ReplayControls()
    qtbot.addWidget(controls)
    controls.setStyleSheet("QLabel { padding: 1px; }")  # as in napari
    controls.show_path("/data/worm_001.acll")
    controls.resize(400, 1)
    controls.show()
    assert controls.path.contentsRect().height() >= controls.path.fontMetrics().height()
    assert controls.path.height() >= controls.path.sizeHint().height()


def test_playing_goes_through_all_volumes_to_the_end(replay, recording, viewer, qtbot):
    _open(replay, recording, qtbot)
    viewer.dims.set_point(0, 0)
    seen = []
    viewer.dims.events.point.connect(lambda _event: seen.append(_shown(viewer)))
    replay.controls.speeds.setCurrentText("max")
    replay.controls.play_button.click()
    assert replay.controls.play_button.text() == "Pause"
    qtbot.waitUntil(lambda: not replay.player.is_busy, timeout=20_000)
    assert sorted(set(seen)) == list(range(1, N_VOLUMES))
    qtbot.waitUntil(lambda: replay.controls.play_button.text() == "Play", timeout=5000)
    assert f"volume {N_VOLUMES - 1} / {N_VOLUMES - 1}" in replay.controls.place.text()


def test_steps_and_the_slider_move_the_viewer(replay, recording, viewer, qtbot):
    _open(replay, recording, qtbot)
    viewer.dims.set_point(0, 2 * PERIOD_S)
    replay.controls.next_button.click()
    qtbot.waitUntil(lambda: _shown(viewer) == 3, timeout=5000)
    replay.controls.back_button.click()
    qtbot.waitUntil(lambda: _shown(viewer) == 2, timeout=5000)
    replay.controls.slider.setValue(6)
    qtbot.waitUntil(lambda: _shown(viewer) == 6, timeout=5000)
    assert replay.controls.place.text() == f"volume 6 / {N_VOLUMES - 1} · 3.0 s"


def test_the_slider_of_napari_moves_the_replay(replay, recording, viewer, qtbot):
    _open(replay, recording, qtbot)
    viewer.dims.set_point(0, 5 * PERIOD_S)
    assert replay.player.position == replay.controls.value() == 5


def test_the_screen_does_not_wait_for_the_disk(replay, viewer, qtbot):
    """While a volume cannot be read, the window answers; what is in memory is drawn."""
    may_read = threading.Event()
    may_read.set()

    class SlowSource(FakeSource):
        def read(self, index):
            if index >= 2:
                may_read.wait(20)
            return list(self)[index]

    source = SlowSource(range(N_VOLUMES))
    _playable, layers = look_at(source, path="slow", title="slow")
    for data in layers:
        viewer.add_layer(Layer.create(*data))
    viewer.dims.set_point(0, 0)
    viewer.layers.selection.active = viewer.layers[0]
    may_read.clear()
    replay.replay_selected_layer()
    replay.controls.next_button.click()
    qtbot.waitUntil(lambda: _shown(viewer) == 1, timeout=5000)
    replay.controls.next_button.click()
    qtbot.wait(100)  # would hang here
    assert _shown(viewer) == 1
    assert replay.player.is_busy
    may_read.set()
    qtbot.waitUntil(lambda: _shown(viewer) == 2, timeout=5000)


def test_a_session_moves_viewer_and_docks_and_labels_nothing(replay, tmp_path, viewer, qtbot):
    folder = make_saved(tmp_path)
    _open(replay, folder, qtbot)
    engine = replay._engine
    assert not replay.controls.label_button.isEnabled()
    with qtbot.waitSignal(engine.volume_shown, check_params_cb=lambda index: index == 4):
        replay.seek(4)
    assert _shown(viewer) == 4
    assert engine.run.session.index == 4
    assert not engine.is_running


def test_a_session_that_was_dropped_on_the_viewer_is_ready_to_be_played(replay, tmp_path, qtbot):
    folder = make_saved(tmp_path)
    for data in get_session_reader(str(folder))(str(folder)):
        replay._viewer.add_layer(Layer.create(*data))
    assert replay.path == str(folder)
    replay.step(1)
    qtbot.waitUntil(lambda: replay.controls.value() > 0, timeout=5000)


def test_a_recording_that_is_open_already_is_not_opened_again(replay, recording, viewer, qtbot):
    _open(replay, recording, qtbot)
    player = replay.player
    _drop(replay, recording)
    assert replay.player is player
    assert len(viewer.layers) == 2


def test_labeling_begins_with_the_volume_that_is_shown(replay, recording, build_fake, qtbot):
    requests = []
    build = build_fake(n_volumes=1)

    def remember(request):
        requests.append(request)
        return build(request)

    replay._engine.build = remember
    _open(replay, recording, qtbot)
    replay.seek(3)
    qtbot.waitUntil(lambda: replay.controls.value() == 3, timeout=5000)
    replay.controls.label_button.click()
    qtbot.waitUntil(lambda: replay._engine.state is SessionState.FINISHED, timeout=5000)
    (request,) = requests
    assert request.recording == str(recording)
    assert request.settings.run.first_volume == 3
    assert request.out.parent == recording.parent
    assert "from volume 3 on" in replay.controls.note.text()


@pytest.mark.parametrize("name", ["missing.nd2", "empty"])
def test_what_cannot_be_opened_is_told_and_what_was_open_stays(
    replay, recording, tmp_path, told, qtbot, name
):
    _open(replay, recording, qtbot)
    (tmp_path / "empty").mkdir()
    _drop(replay, tmp_path / name)
    qtbot.waitUntil(lambda: bool(told), timeout=20_000)
    assert name in told[0]
    assert replay.path == str(recording)
    assert replay.controls.note.text() == told[0]


def test_a_layer_without_a_file_cannot_be_replayed(replay, viewer, told):
    viewer.add_image(np.zeros((3, 4, 5)))
    replay.controls.layer_button.click()
    assert "not opened from a file" in told[0]


def test_a_volume_that_cannot_be_read_stops_it_with_a_sentence(replay, viewer, told, qtbot):
    class TornSource(FakeSource):
        def read(self, index):
            if index == 3:
                raise OSError("the share is away")
            return list(self)[index]

    _playable, layers = look_at(TornSource(range(4)), path="torn", title="torn")
    viewer.add_layer(Layer.create(*layers[0]))
    viewer.dims.set_point(0, 0)
    viewer.layers.selection.active = viewer.layers[0]
    replay.replay_selected_layer()
    replay.controls.speeds.setCurrentText("max")
    replay.controls.play_button.click()
    qtbot.waitUntil(lambda: bool(told), timeout=5000)
    assert "the share is away" in told[0]
    assert not replay.player.is_playing


def test_closing_the_dock_ends_the_reading(replay, recording, viewer, qtbot):
    _open(replay, recording, qtbot)
    thread = replay.player._thread
    viewer.window.remove_dock_widget(replay)
    thread.join(20)
    assert not thread.is_alive()
    replay.deleteLater()


def test_closing_the_viewer_ends_the_reading(make_napari_viewer_proxy, recording, qtbot):
    viewer = make_napari_viewer_proxy()
    replay = ReplayWidget(viewer)
    viewer.window.add_dock_widget(replay)
    _open(replay, recording, qtbot)
    replay.play_or_pause()
    thread = replay.player._thread
    del replay
    viewer.close()
    qtbot.waitUntil(lambda: not thread.is_alive(), timeout=20_000)


def test_napari_prefers_this_plugin_after_that_click_only(viewer, monkeypatch):
    from napari.settings import get_settings

    plugins = get_settings().plugins
    monkeypatch.setattr(plugins, "extension2reader", {"*.tif": "other"})
    replay = ReplayWidget(viewer)
    viewer.window.add_dock_widget(replay)
    assert plugins.extension2reader == {"*.tif": "other"}
    assert replay.controls.prefer_button.isEnabled()
    replay.controls.prefer_button.click()
    ours = dict.fromkeys(PATTERNS, "napari-acll")
    assert plugins.extension2reader == {"*.tif": "other", **ours}
    assert not replay.controls.prefer_button.isEnabled()


@pytest.mark.parametrize("name", ["worm.nd2", "WORM.ND2", "worm.acll"])
def test_the_patterns_are_those_by_which_napari_chooses(viewer, monkeypatch, tmp_path, name):
    from napari.plugins.utils import get_preferred_reader
    from napari.settings import get_settings

    del viewer
    path = tmp_path / name
    if name.endswith(".acll"):
        path.mkdir()
    chosen = dict.fromkeys(PATTERNS, "napari-acll")
    monkeypatch.setattr(get_settings().plugins, "extension2reader", chosen)
    assert get_preferred_reader(str(path)) == "napari-acll"


def test_a_session_can_be_exported_and_a_recording_cannot(replay, recording, tmp_path, qtbot):
    _open(replay, recording, qtbot)
    assert replay.export.isHidden()
    replay.open(str(make_saved(tmp_path)))
    qtbot.waitUntil(lambda: not replay.export.isHidden(), timeout=5000)
    with qtbot.waitSignal(replay.export.exported, timeout=5000):
        replay.export.export(tmp_path / "traces.h5")
    assert (tmp_path / "traces.h5").is_file()
    assert str(tmp_path / "traces.h5") in replay.controls.note.text()
