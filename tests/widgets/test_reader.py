import dask
import numpy as np
import pytest

from napari_acll.core import RecordingError, SessionError, SourceSettings
from napari_acll.simulate import SimulatedSource, write_nd2
from napari_acll.widgets import get_nd2_reader, open_sample_session, open_simulated_worm
from napari_acll.widgets._reader import read_nd2


@pytest.fixture(autouse=True)
def _no_thread_pool():
    """Dask keeps its threads for the next computation; here none would come."""
    with dask.config.set(scheduler="synchronous"):
        yield


@pytest.mark.parametrize("path", ["worm.tif", ["a.nd2", "b.nd2"], "folder"])
def test_only_one_nd2_file_is_ours(path):
    assert get_nd2_reader(path) is None


@pytest.mark.parametrize("name", ["worm.nd2", "WORM.ND2"])
def test_an_nd2_file_of_any_case_is_ours(name):
    assert get_nd2_reader(name) is not None


def test_a_real_recording_opens_as_two_lazy_layers(test_data):
    import nd2

    path = test_data / "nd2" / "pims_nd2__cluster.nd2"
    with nd2.ND2File(path) as file:
        sizes, voxel = dict(file.sizes), file.voxel_size()
        counts = file.asarray()  # T Z C Y X
    layers = get_nd2_reader(str(path))(str(path))
    assert [kind for *_, kind in layers] == ["image", "image"]
    for data, attributes, _ in layers:
        assert data.shape == tuple(sizes[axis] for axis in "TZYX")
        assert np.allclose(attributes["scale"][1:], (voxel.z, voxel.y, voxel.x))
        assert attributes["contrast_limits"][0] < attributes["contrast_limits"][1]
    in_file = {channel: counts[2, :, channel] for channel in range(sizes["C"])}
    shown = [np.asarray(data[2]) for data, *_ in layers]
    assert any(np.array_equal(shown[0], volume) for volume in in_file.values())
    assert any(np.array_equal(shown[1], volume) for volume in in_file.values())
    assert not np.array_equal(*shown)


@pytest.mark.parametrize("name", ["ndevio__ND2_dims_rgb.nd2", "arcadia__example-zstack.nd2"])
def test_a_recording_that_is_not_two_channel_says_so(test_data, name):
    path = str(test_data / "nd2" / name)
    with pytest.raises(RecordingError) as caught:
        read_nd2(path)
    assert "\n" not in str(caught.value)


def test_a_file_that_is_no_nd2_says_so(tmp_path):
    path = tmp_path / "bad.nd2"
    path.write_bytes(b"this is not a recording" * 100)
    with pytest.raises(RecordingError, match="bad"):
        read_nd2(str(path))


def test_what_cannot_be_read_is_told_in_our_words_and_opens_no_layer(tmp_path, monkeypatch):
    told = []
    monkeypatch.setattr("napari_acll.widgets._reader.show_error", told.append)
    path = tmp_path / "bad.nd2"
    path.write_bytes(b"this is not a recording" * 100)
    assert get_nd2_reader(str(path))(str(path)) == [(None,)]
    assert len(told) == 1
    assert "bad.nd2" in told[0]


def test_a_recording_of_the_simulator_opens_as_two_lazy_layers(tmp_path):
    source = SimulatedSource.from_recording("simulated:volumes=2,geometry=small", SourceSettings())
    path = str(write_nd2(source, tmp_path / "worm.nd2", 2))
    layers = get_nd2_reader(path)(path)
    assert [data.shape for data, *_ in layers] == [(2, 24, 70, 108)] * 2
    for (data, *_), channel in zip(layers, ("marker", "activity"), strict=True):
        np.testing.assert_array_equal(data[1], getattr(source.read(1), channel))


def test_a_recording_opens_in_the_viewer(make_napari_viewer_proxy, test_data):
    from napari.layers import Layer

    viewer = make_napari_viewer_proxy()
    path = str(test_data / "nd2" / "pims_nd2__cluster.nd2")
    for data in get_nd2_reader(path)(path):
        viewer.add_layer(Layer.create(*data))
    assert len(viewer.layers) == 2
    assert viewer.dims.ndim == 4


def test_the_sample_is_ten_volumes_that_need_no_file():
    layers = open_simulated_worm()
    assert [data.shape[0] for data, *_ in layers] == [10, 10]
    assert np.asarray(layers[0][0][3]).max() > 0


def test_the_sample_session_has_labels_and_traces_and_leaves_nothing(
    make_napari_viewer_proxy, qtbot
):
    import gc
    from pathlib import Path

    from napari.layers import Layer

    from napari_acll.widgets._engine import engine_of

    viewer = make_napari_viewer_proxy()
    layers = open_sample_session()
    assert [kind for *_, kind in layers] == ["image", "image", "labels"]
    assert [data.shape[0] for data, *_ in layers] == [12, 12, 12]
    for data in layers:
        viewer.add_layer(Layer.create(*data))
    run = engine_of(viewer).run
    assert np.isfinite(run.session.store.ratio).sum() > 12 * 50
    folder = Path(run.playable.path).parent
    assert folder.is_dir()
    del run, layers, data
    engine_of(viewer).run = None
    engine_of(viewer)._leave_saved()
    viewer.layers.clear()
    # PySide6 lets go of the layers' controls when events are dealt with
    qtbot.waitUntil(lambda: gc.collect() >= 0 and not folder.exists(), timeout=10_000)


def test_a_sample_session_that_is_canceled_leaves_nothing(
    make_napari_viewer_proxy, tmp_path, monkeypatch
):
    import tempfile

    from napari._qt.widgets.qt_progress_bar import QtLabeledProgressBar
    from qtpy.QtCore import QTimer

    viewer = make_napari_viewer_proxy().__wrapped__
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))

    def cancel():
        for bar in viewer.window._qt_window.findChildren(QtLabeledProgressBar):
            bar.cancel_button.click()

    QTimer.singleShot(300, cancel)
    with pytest.raises(SessionError, match="canceled"):
        viewer.open_sample("napari-acll", "sample_session")
    assert list(tmp_path.iterdir()) == []
    assert len(viewer.layers) == 0
