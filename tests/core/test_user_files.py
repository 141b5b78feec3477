from pathlib import Path

import pytest

from napari_acll.core import user_cache_dir, user_data_dir, write_whole


def test_one_variable_moves_all_that_is_kept(monkeypatch, tmp_path):
    monkeypatch.setenv("ACLL_DATA_DIR", str(tmp_path))
    assert user_data_dir() == user_cache_dir() == tmp_path
    monkeypatch.delenv("ACLL_DATA_DIR")
    assert tmp_path not in (user_data_dir(), user_cache_dir())


def test_a_file_is_written_with_its_folder(tmp_path):
    path = tmp_path / "new" / "kept.json"
    write_whole(path, "first")
    write_whole(path, "é")
    assert path.read_text("utf-8") == "é"
    assert list(path.parent.iterdir()) == [path]


def test_a_file_that_is_in_use_stays_and_nothing_is_left_beside_it(tmp_path, monkeypatch):
    path = tmp_path / "kept.json"
    write_whole(path, "before")

    def refuse(_self, _target):
        raise PermissionError(13, "in use")

    monkeypatch.setattr(Path, "replace", refuse)
    with pytest.raises(PermissionError, match="in use"):
        write_whole(path, "after")
    assert path.read_text("utf-8") == "before"
    assert list(tmp_path.iterdir()) == [path]
