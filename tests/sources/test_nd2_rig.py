"""Frame sizes that are remembered for a camera."""

import os
from pathlib import Path

import pytest

from napari_acll.sources._nd2_chunks import PixelFormat
from napari_acll.sources._nd2_head import FrameSize, Nd2Head
from napari_acll.sources._nd2_info import Nd2Info
from napari_acll.sources._nd2_rig import remember_size, remembered_sizes


def head_of(camera, n_components=2):
    pixels = PixelFormat(
        height=1, width=1, n_components=2, row_bytes=4, dtype="<u2", is_compressed=False
    )
    info = Nd2Info(
        pixels=pixels,
        channels=(),
        loops=(),
        loop_period_s=None,
        voxel_size_um=(None, None, None),
        start_julian_day=None,
    )
    return Nd2Head(info=info, camera=camera, n_components=n_components)


def test_the_last_size_of_a_camera_comes_first_and_each_only_once():
    head = head_of("Orca (ü)")
    assert remembered_sizes(head) == ()
    first, second = FrameSize(636, 966, 16), FrameSize(512, 512, 16)
    for size in (first, second, first):
        remember_size(head, size)
    assert remembered_sizes(head) == (first, second)


def test_cameras_and_numbers_of_channels_are_kept_apart():
    remember_size(head_of("Orca"), FrameSize(636, 966, 16))
    assert remembered_sizes(head_of("Zyla")) == ()
    assert remembered_sizes(head_of("Orca", n_components=1)) == ()


def test_sizes_do_not_pile_up():
    head = head_of("Orca")
    for height in range(1, 60):
        remember_size(head, FrameSize(height, 10, 16))
    assert len(remembered_sizes(head)) == 20
    assert remembered_sizes(head)[0] == FrameSize(59, 10, 16)


@pytest.mark.parametrize("content", ["", "{", "[]", '{"frame_sizes": [1]}', '{"frame_sizes": 3}'])
def test_a_damaged_memory_is_no_memory(content, caplog):
    head = head_of("Orca")
    remember_size(head, FrameSize(636, 966, 16))
    (path,) = (Path(os.environ["ACLL_DATA_DIR"]) / "nd2_frames").iterdir()
    path.write_text(content)
    assert remembered_sizes(head) == ()
    assert "are not used" in caplog.text
    remember_size(head, FrameSize(636, 966, 16))
    assert remembered_sizes(head) == (FrameSize(636, 966, 16),)


def test_a_folder_that_cannot_be_written_to_is_logged(tmp_path, monkeypatch, caplog):
    (tmp_path / "file").touch()
    monkeypatch.setenv("ACLL_DATA_DIR", str(tmp_path / "file"))
    remember_size(head_of("Orca"), FrameSize(636, 966, 16))
    assert "not remembered" in caplog.text
