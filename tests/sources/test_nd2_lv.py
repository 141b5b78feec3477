"""The metadata of growing ND2 files: what it says, and damaged bytes."""

import struct
import time
import tracemalloc
import zlib

import numpy as np
import pytest

from napari_acll.core import RecordingError
from napari_acll.simulate._nd2_lv import encode_record
from napari_acll.sources._nd2_head import HEAD_CHUNKS, FrameSize, fitting_pixels, read_head
from napari_acll.sources._nd2_info import read_nd2_info
from napari_acll.sources._nd2_lv import decode_record, find_values
from napari_acll.sources._nd2_tail import Nd2Tail

VALUE = {
    "bTrue": True,
    "iSigned": -5,
    "uiCount": 4_000_000_000,
    "dStep": 0.25,
    "sText": "Wörm 1",
    "pBytes": b"\x00\x01\x02",
    "inner": {"uiCount": 7, "empty": ""},
    "list": [1, 2.5, "three"],
    "levels": [{"a": 1}, {"a": 2}],
}


def head_chunks(path):
    """Return what stands before the first frame of a file, and the length of that frame."""
    tail, chunks = Nd2Tail(path), {}
    try:
        while (chunk := tail.next_chunk()) is not None and chunk.frame is None:
            if chunk.name in HEAD_CHUNKS:
                chunks[chunk.name] = tail.payload(chunk)
        return chunks, chunk.n_bytes - 8
    finally:
        tail.close()


def test_every_kind_of_record_is_read():
    assert decode_record(encode_record("root", VALUE)) == {"root": VALUE}


def test_a_packed_record_is_read():
    packed = bytes((76, 0)) + bytes(10) + zlib.compress(encode_record("root", VALUE))
    assert decode_record(packed) == {"root": VALUE}


def test_values_are_found_at_any_depth():
    record = decode_record(encode_record("root", VALUE))
    assert list(find_values(record, "uiCount")) == [4_000_000_000, 7]
    assert list(find_values(record, "a")) == [1, 2]


def test_a_packed_record_that_unpacks_without_end_is_refused():
    bomb = bytes((76, 0)) + bytes(10) + zlib.compress(bytes(2**27))
    with pytest.raises(ValueError, match="larger than"):
        decode_record(bomb)


def test_levels_that_nest_without_end_are_refused():
    record = encode_record("leaf", 1)
    for _ in range(100):
        length = struct.pack("<IQ", 1, 2 + 12 + len(record))
        record = bytes((11, 0)) + length + record + bytes(8)
    with pytest.raises(ValueError, match="nest deeper"):
        decode_record(record)


def test_no_damage_of_the_metadata_hangs_or_takes_memory():
    content = encode_record("root", VALUE)
    rng = np.random.default_rng(2)
    tracemalloc.start()
    n_refused, until_s = 0, time.monotonic() + 1.5
    while time.monotonic() < until_s:
        damaged = bytearray(content)
        for _ in range(int(rng.integers(1, 5))):
            at = int(rng.integers(len(damaged)))
            damaged[at] = int(rng.integers(256))
        if rng.random() < 0.3:
            del damaged[int(rng.integers(len(damaged))) :]
        try:
            decode_record(bytes(damaged))
        except ValueError:
            n_refused += 1
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert n_refused > 10
    assert peak < 10 * 2**20


@pytest.mark.parametrize(
    "name",
    [
        "arcadia__example-multichannel",
        "arcadia__example-timelapse",
        "arcadia__example-zstack",
        "pims_nd2__cluster",
    ],
)
def test_the_head_of_a_real_file_says_what_the_finished_file_says(test_data, name):
    path = test_data / "nd2" / f"{name}.nd2"
    head = read_head(head_chunks(path)[0], recording=name)
    info = read_nd2_info(path)
    assert head.info.channels == info.channels
    assert head.info.loops == info.loops
    assert head.info.loop_period_s == info.loop_period_s
    assert head.info.voxel_size_um == info.voxel_size_um
    assert head.info.start_julian_day == info.start_julian_day
    assert head.n_components == info.pixels.n_components


def test_the_size_of_a_frame_is_that_which_its_length_agrees_with(test_data):
    path = test_data / "nd2" / "pims_nd2__cluster.nd2"
    chunks, n_bytes = head_chunks(path)
    head = read_head(chunks, recording="a")
    assert fitting_pixels(head, head.sizes, n_bytes) is None  # a scanner has no camera region
    sizes = (FrameSize(30, 38), FrameSize(31, 38), FrameSize(38, 31))
    assert fitting_pixels(head, sizes, n_bytes) == read_nd2_info(path).pixels


def test_a_head_without_channels_is_an_error():
    with pytest.raises(RecordingError, match="before it tells its channels"):
        read_head({}, recording="a.nd2")


@pytest.mark.parametrize("seed", range(20))
def test_damaged_heads_are_errors_or_harmless(test_data, seed):
    chunks, _ = head_chunks(test_data / "nd2" / "pims_nd2__cluster.nd2")
    rng = np.random.default_rng(seed)
    damaged = {}
    for name, payload in chunks.items():
        content = bytearray(payload)
        for at in rng.integers(0, len(content), 30):
            content[at] = int(rng.integers(256))
        damaged[name] = bytes(content)
    try:
        read_head(damaged, recording="a.nd2")
    except RecordingError as error:
        assert "a.nd2" in str(error)  # noqa: PT017
