from napari_acll.widgets._session_paths import fresh_session_path


def test_a_session_never_takes_the_place_of_another(tmp_path):
    recording = tmp_path / "my worm.nd2"
    first = fresh_session_path(str(recording))
    assert first.parent == tmp_path
    assert first.name == "my_worm_001.acll"
    first.mkdir()
    assert fresh_session_path(str(recording)).name == "my_worm_002.acll"


def test_the_simulated_worm_is_saved_in_the_documents(tmp_path, monkeypatch):
    monkeypatch.setattr("platformdirs.user_documents_path", lambda: tmp_path)
    path = fresh_session_path("simulated:seed=3")
    assert path == tmp_path / "AutoCellLabel" / "simulated_001.acll"


def test_a_recording_in_a_missing_folder_is_saved_in_the_documents(tmp_path, monkeypatch):
    monkeypatch.setattr("platformdirs.user_documents_path", lambda: tmp_path)
    path = fresh_session_path(str(tmp_path / "gone" / "worm.nd2"))
    assert path.parent == tmp_path / "AutoCellLabel"
