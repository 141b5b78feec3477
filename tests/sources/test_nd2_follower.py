"""Frames that seem whole by their end, and are not."""

import numpy as np
import pytest
from tests.sources.recordings import random_counts, write_nd2

from napari_acll.core import SourceSettings
from napari_acll.sources._nd2_follower import Nd2Follower

PAGE = 4096


@pytest.fixture
def follow():
    followers = []

    def start(path):
        followers.append(Nd2Follower(path, SourceSettings()))
        assert followers[-1].begin()
        return followers[-1]

    yield start
    for follower in followers:
        follower.close()


def big_counts(dtype=np.uint16):
    return np.maximum(random_counts(n_volumes=1, n_z=3, n_y=64, n_x=66, dtype=dtype), 1)


def pixels_at(content, frame):
    """Return where the pixels of a frame start."""
    return content.index(b"ImageDataSeq|%d!" % frame) + 4072 + 8


def test_a_frame_whose_end_came_before_its_middle_is_waited_for(tmp_path, follow):
    counts = big_counts()
    content = write_nd2(tmp_path / "whole.nd2", counts).read_bytes()
    path = tmp_path / "a.nd2"
    third = content.index(b"ImageDataSeq|2!") - 16
    hole = pixels_at(content, 1) + PAGE
    partial = bytearray(content[:third])
    partial[hole : hole + PAGE] = bytes(PAGE)
    path.write_bytes(partial)
    follower = follow(path)
    assert follower.next_frame().number == 0
    assert follower.next_frame() is None
    assert follower.next_frame(is_over=True) is None
    path.write_bytes(content[:third])
    frame = follower.next_frame()
    assert frame.number == 1
    np.testing.assert_array_equal(follower.read_pixels(frame), np.moveaxis(counts[0, :, 1], 0, 2))


def test_a_page_that_is_only_partly_black_is_no_hole(tmp_path, follow):
    counts = big_counts()
    counts[0, :, :, 10:25] = 0
    counts[0, :, :, 25:] = np.maximum(counts[0, :, :, 25:], 1)
    counts[0, :, :, 10:25, ::64] = 1
    path = write_nd2(tmp_path / "a.nd2", counts)
    content = path.read_bytes()
    path.write_bytes(content[: content.index(b"ImageDataSeq|1!") - 16])
    follower = follow(path)
    frame = follower.next_frame()
    np.testing.assert_array_equal(follower.read_pixels(frame), np.moveaxis(counts[0, :, 0], 0, 2))


def test_a_black_page_is_taken_once_the_next_frame_has_begun(tmp_path, follow):
    counts = big_counts()
    counts[0, :, 0, 10:50] = 0
    path = write_nd2(tmp_path / "a.nd2", counts)
    content = path.read_bytes()
    path.write_bytes(content[: content.index(b"ImageDataSeq|1!") - 16])
    follower = follow(path)
    assert follower.next_frame() is None
    path.write_bytes(content[: content.index(b"ImageDataSeq|1!") + 100])
    assert follower.next_frame().number == 0


def test_frames_can_be_read_again_after_others(tmp_path, follow):
    counts = big_counts(np.uint8)
    follower = follow(write_nd2(tmp_path / "a.nd2", counts))
    frames = [follower.next_frame() for _ in range(3)]
    for frame in reversed(frames):
        pixels = follower.read_pixels(frame)
        np.testing.assert_array_equal(pixels, np.moveaxis(counts[0, :, frame.number], 0, 2))
