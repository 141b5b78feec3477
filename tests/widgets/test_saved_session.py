import json
import shutil

import dask
import numpy as np
import pytest
from napari.layers import Labels, Layer
from tests.session.saved_sessions import N_VOLUMES, make_saved

from napari_acll.core import SessionError, SessionState
from napari_acll.export import SavedSession, ZarrSessionWriter
from napari_acll.testing import FakeLabeler, expected_ratio, fake_volume
from napari_acll.widgets import TracePlotWidget, get_session_reader
from napari_acll.widgets._colors import confidence_rgb
from napari_acll.widgets._engine import engine_of
from napari_acll.widgets._saved_layers import open_session

PERIOD_S = 0.5


@pytest.fixture(autouse=True)
def _no_thread_pool():
    """Dask keeps its threads for the next computation; here none would come."""
    with dask.config.set(scheduler="synchronous"):
        yield


@pytest.fixture
def folder(tmp_path):
    return make_saved(tmp_path)


@pytest.fixture
def told(monkeypatch):
    """Sentences that napari shows."""
    sentences = []
    monkeypatch.setattr("napari_acll.widgets._reader.show_error", sentences.append)
    monkeypatch.setattr("napari_acll.widgets._reader.show_info", sentences.append)
    return sentences


@pytest.fixture
def viewer(make_napari_viewer_proxy):
    return make_napari_viewer_proxy()


def _read(folder):
    return get_session_reader(str(folder))(str(folder))


def _drop(viewer, folder, qtbot):
    """Open a session as napari does when its folder is dropped."""
    for data in _read(folder):
        viewer.add_layer(Layer.create(*data))
    qtbot.waitUntil(lambda: "worm names" in [layer.name for layer in viewer.layers], timeout=5000)
    return {layer.name: layer for layer in viewer.layers}


def _set_state(folder, state):
    file = folder / "session.json"
    file.write_text(json.dumps(json.loads(file.read_text("utf-8")) | {"state": state}), "utf-8")


@pytest.mark.parametrize("content", [None, "{}", '{"format": "something else"}'])
def test_other_folders_are_not_ours(tmp_path, content):
    if content is not None:
        (tmp_path / "session.json").write_text(content)
    assert get_session_reader(str(tmp_path)) is None


def test_several_folders_or_a_file_are_not_ours(folder):
    assert get_session_reader([str(folder), str(folder)]) is None
    assert get_session_reader(str(folder / "session.json")) is None


def test_labels_and_channels_are_lazy_and_those_that_were_labeled(folder):
    layers = {attributes["name"]: (data, attributes) for data, attributes, _ in _read(folder)}
    assert list(layers) == ["worm marker (TagRFP)", "worm activity (GCaMP)", "worm labels"]
    saved = SavedSession.open(folder)
    for index in (0, N_VOLUMES - 1):
        np.testing.assert_array_equal(layers["worm labels"][0][index], saved.labels(index))
        volume = fake_volume(index)
        np.testing.assert_array_equal(layers["worm marker (TagRFP)"][0][index], volume.marker)
        np.testing.assert_array_equal(layers["worm activity (GCaMP)"][0][index], volume.activity)
    scales = {attributes["scale"] for _, attributes in layers.values()}
    assert scales == {(PERIOD_S, 1.0, 0.5, 0.5)}


def test_without_its_recording_a_session_still_opens(folder, tmp_path, told, viewer):
    shutil.rmtree(tmp_path / "worm.zarr")
    assert [attributes["name"] for _, attributes, _ in _read(folder)] == ["worm labels"]
    assert "Only labels and traces are shown." in told[0]
    assert "worm.zarr" in told[0]
    assert engine_of(viewer).run.session.latest() is None


def test_colors_and_names_are_those_of_the_volume_that_is_shown(tmp_path, viewer, qtbot):
    folder = make_saved(tmp_path, labeler=FakeLabeler(unfit=[5]))
    layers = _drop(viewer, folder, qtbot)
    labels, names = layers["worm labels"], layers["worm names"]
    saved = SavedSession.open(folder)
    for index in (0, 5):
        viewer.dims.set_point(0, index * PERIOD_S)
        confidence = saved.read("confidence", index, index + 1)[0]
        drawn = np.array([labels.get_color(number) for number in (1, 2, 3)])
        assert np.allclose(drawn[:, :3] * 255, confidence_rgb(confidence[:3]), atol=1)
        assert engine_of(viewer).run.session.index == index
    assert not names.shown.any()  # nothing has a name in volume 5
    viewer.dims.set_point(0, 0.0)
    viewer.dims.set_point(1, 1.0)
    assert list(names.features["neuron"]) == list(saved.neurons.names)
    assert names.shown.any()


def test_the_docks_show_its_traces_and_its_time(folder, viewer, qtbot):
    traces = TracePlotWidget(viewer)
    viewer.window.add_dock_widget(traces)
    traces.show()
    _drop(viewer, folder, qtbot)
    store = engine_of(viewer).run.session.store
    for index in range(N_VOLUMES):
        np.testing.assert_allclose(store.ratio[:3, index], expected_ratio(index), rtol=1e-5)
    assert engine_of(viewer).state is SessionState.FINISHED
    assert traces._cursor.is_shown
    viewer.dims.set_point(0, 4 * PERIOD_S)
    assert traces._cursor.place == pytest.approx(4 * PERIOD_S)


def test_a_cursor_that_is_dragged_moves_the_viewer(folder, viewer, qtbot):
    traces = TracePlotWidget(viewer)
    viewer.window.add_dock_widget(traces)
    _drop(viewer, folder, qtbot)
    line = traces._cursor._lines[0]
    line.setValue(6.2 * PERIOD_S)
    line.sigPositionChangeFinished.emit(line)
    assert viewer.dims.point[0] == pytest.approx(6 * PERIOD_S)
    assert engine_of(viewer).run.session.index == 6


def test_what_docks_ask_of_the_newest_volume_is_that_of_the_shown_one(folder, viewer, qtbot):
    _drop(viewer, folder, qtbot)
    viewer.dims.set_point(0, 3 * PERIOD_S)
    newest = engine_of(viewer).run.session.latest()
    assert newest.volume.index == newest.labeled.index == newest.sample.index == 3
    saved = SavedSession.open(folder)
    n_neurons = len(saved.neurons)
    np.testing.assert_array_equal(newest.labeled.labels(n_neurons), saved.labels(3))
    np.testing.assert_allclose(newest.sample.ratio[:3], expected_ratio(3), rtol=1e-5)
    assert newest.timings.label_s == pytest.approx(saved.read("timings_s")[3, 3])


def test_the_layers_of_a_session_can_be_deleted_without_harm(folder, viewer, qtbot):
    layers = _drop(viewer, folder, qtbot)
    viewer.layers.remove(layers["worm labels"])
    viewer.dims.set_point(0, 2 * PERIOD_S)
    viewer.layers.remove(layers["worm names"])
    viewer.dims.set_point(0, 3 * PERIOD_S)
    assert engine_of(viewer).run.session.index == 3
    viewer.layers.clear()
    engine_of(viewer).show_volume(1)
    assert engine_of(viewer).run.session.index == 1


def test_an_interrupted_session_opens_and_says_so(folder, told, viewer):
    _set_state(folder, "running")
    assert len(_read(folder)) == 3
    assert "interrupted: these are the 8 volumes that were kept" in told[0]
    assert engine_of(viewer).run.session.store.n_timepoints == N_VOLUMES


def test_a_session_that_is_being_written_opens_and_says_so(folder, told, viewer):
    writer = ZarrSessionWriter.resume(folder)
    try:
        assert len(_read(folder)) == 3
        assert "still being written: these are its first 8 volumes" in told[0]
    finally:
        writer.close(state="finished")
    assert engine_of(viewer).run is not None


@pytest.mark.parametrize("victim", ["ratio/zarr.json", "spec"])
def test_a_damaged_session_is_told_in_one_sentence(folder, told, victim):
    if victim == "spec":
        file = folder / "session.json"
        header = json.loads(file.read_text("utf-8"))
        del header["spec"]
        file.write_text(json.dumps(header), "utf-8")
    else:
        (folder / victim).write_text("{")
    assert _read(folder) == [(None,)]
    assert len(told) == 1
    assert "\n" not in told[0]
    assert "copy" in told[0]


@pytest.mark.parametrize("content", [None, "{"])
def test_a_session_whose_header_is_gone_is_told_and_not_declined(tmp_path, told, content):
    folder = tmp_path / "worm.acll"
    folder.mkdir()
    if content is not None:
        (folder / "session.json").write_text(content)
    assert get_session_reader(str(folder))(str(folder)) == [(None,)]
    assert len(told) == 1
    assert str(folder) in told[0]


def test_a_session_without_volumes_says_so(tmp_path):
    from tests.export.conftest import make_header

    folder = tmp_path / "empty.acll"
    ZarrSessionWriter.create(folder, make_header()).close(state="finished")
    with pytest.raises(SessionError, match="holds no volumes yet"):
        open_session(folder)


def test_traces_of_a_running_session_are_not_replaced(
    live, build_fake, folder, tmp_path, told, qtbot
):
    live.engine.build = build_fake(lingers=True)
    live.setup.set_recording("simulated")
    live.setup.out.setValue(str(tmp_path / "new.acll"))
    live.buttons.start.click()
    qtbot.waitUntil(lambda: live.engine.state is SessionState.RUNNING, timeout=5000)
    running = live.engine.run
    assert len(_read(folder)) > 0
    assert live.engine.run is running
    assert "A session runs in this window" in told[-1]
    live.stop()
    qtbot.waitUntil(lambda: live.engine.state.is_over, timeout=5000)


def test_a_saved_session_of_another_model_knows_the_neurons_by_other_numbers(
    live, folder, tmp_path, qtbot
):
    live.setup.set_recording("simulated")
    live.setup.out.setValue(str(tmp_path / "new.acll"))
    live.buttons.start.click()
    qtbot.waitUntil(lambda: live.engine.state.is_over, timeout=10_000)
    live.engine.choose([2, 3])
    live.engine.compare_with(2)
    _drop(live._viewer, folder, qtbot)
    assert live.engine.chosen == frozenset()
    assert live.engine.reference == 0
    live.engine.compare_with(1)
    assert len(live.engine.correlations()) == len(SavedSession.open(folder).neurons)


def test_a_new_session_takes_the_docks_over(live, folder, tmp_path, qtbot):
    _drop(live._viewer, folder, qtbot)
    assert isinstance(live._viewer.layers["worm labels"], Labels)
    live.setup.set_recording("simulated")
    live.setup.out.setValue(str(tmp_path / "new.acll"))
    live.buttons.start.click()
    qtbot.waitUntil(lambda: live.engine.state.is_over, timeout=5000)
    assert live.engine.run.session.store.n_timepoints == 3
    assert "worm names" not in [layer.name for layer in live._viewer.layers]
    assert "worm labels" in [layer.name for layer in live._viewer.layers]


def test_what_is_left_of_a_live_session_does_not_lie_over_the_saved_one(
    live, folder, tmp_path, qtbot
):
    live.setup.set_recording("simulated")
    live.setup.out.setValue(str(tmp_path / "new.acll"))
    live.buttons.start.click()
    qtbot.waitUntil(lambda: live.engine.state.is_over, timeout=5000)
    mine = live._viewer.add_points(np.zeros((1, 3)), name="mine")
    _drop(live._viewer, folder, qtbot)
    visible = {layer.name: layer.visible for layer in live._viewer.layers}
    assert not any(is_seen for name, is_seen in visible.items() if name.startswith("live"))
    assert visible["worm labels"]
    assert mine.visible
