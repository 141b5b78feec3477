import json
import shutil

import numpy as np
import pytest
from tests.session.saved_sessions import N_VOLUMES, make_saved

from napari_acll.core import RecordingError, SessionError
from napari_acll.export import SavedSession
from napari_acll.session import open_recording, spec_of, traces_of
from napari_acll.testing import expected_ratio, fake_spec, fake_volume


@pytest.fixture
def folder(tmp_path):
    return make_saved(tmp_path)


def _edit_header(folder, **changes):
    file = folder / "session.json"
    header = json.loads(file.read_text("utf-8")) | changes
    file.write_text(json.dumps(header), "utf-8")


def test_the_traces_of_a_session_come_back_as_they_were(folder):
    store, counters = traces_of(SavedSession.open(folder))
    assert store.neurons.names == ("AVAL", "AVAR", "RIBL", "OLLR")
    for index in range(N_VOLUMES):
        np.testing.assert_allclose(store.ratio[:3, index], expected_ratio(index), rtol=1e-5)
    assert counters.n_read == counters.n_traced == N_VOLUMES


def test_the_geometry_is_that_of_the_labels(folder):
    saved = SavedSession.open(folder)
    assert spec_of(saved).shape == saved.labels(0).shape == fake_spec().shape


def test_the_recording_is_read_where_it_was(folder):
    with open_recording(SavedSession.open(folder)) as source:
        np.testing.assert_array_equal(source.read(3).marker, fake_volume(3).marker)


def test_a_recording_that_was_moved_together_with_its_session_is_found(folder, tmp_path):
    (tmp_path / "disk").mkdir()
    moved = tmp_path / "disk" / folder.name
    shutil.move(folder, moved)
    shutil.move(tmp_path / "worm.zarr", tmp_path / "disk" / "worm.zarr")
    with open_recording(SavedSession.open(moved)) as source:
        np.testing.assert_array_equal(source.read(0).marker, fake_volume(0).marker)


def test_a_recording_that_is_gone_is_named(folder, tmp_path):
    shutil.rmtree(tmp_path / "worm.zarr")
    with pytest.raises(RecordingError, match=r"worm\.zarr any more; put it back"):
        open_recording(SavedSession.open(folder))


def test_nothing_is_left_of_a_stream(folder):
    _edit_header(folder, source={"kind": "zmq", "path": ""}, recording="tcp://rig:5570")
    with pytest.raises(RecordingError, match="made from a stream"):
        open_recording(SavedSession.open(folder))


def test_another_recording_in_its_place_is_refused(folder):
    header = json.loads((folder / "session.json").read_text("utf-8"))
    header["stored_spec"]["grid"]["shape"] = [5, 12, 20]
    _edit_header(folder, stored_spec=header["stored_spec"])
    with pytest.raises(RecordingError, match="put the right one back"):
        open_recording(SavedSession.open(folder))


def test_a_session_that_does_not_tell_its_geometry_is_damaged(folder):
    _edit_header(folder, spec={"grid": 3})
    with pytest.raises(SessionError, match="shape of its volumes"):
        spec_of(SavedSession.open(folder))
