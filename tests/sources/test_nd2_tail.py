"""The walk through a growing ND2 file, and what damaged bytes can do to it."""

import os
import struct
import time
import tracemalloc

import numpy as np
import pytest
from tests.sources.damage import damaged_copy
from tests.sources.recordings import GCAMP, TAGRFP, random_counts, write_nd2

from napari_acll.core import RecordingError
from napari_acll.simulate import Nd2Writer
from napari_acll.sources._nd2_tail import ALIGNMENT, Nd2Tail

HEADER = struct.Struct("<IIQ")
MAGIC = 0x0ABECEDA
PATIENCE = 5000  # looks without anything new, after which a walk has come to its end


def walk(tail, *, patience=PATIENCE):
    """Return all chunks that come, until the list of chunks or nothing more."""
    found, n_idle = [], 0
    while not tail.is_finished and n_idle < patience:
        chunk = tail.next_chunk()
        n_idle = n_idle + 1 if chunk is None else 0
        if chunk is not None:
            found.append(chunk)
    return found


def frames_of(chunks):
    return [chunk.frame for chunk in chunks if chunk.frame is not None]


@pytest.fixture
def opened():
    tails = []

    def open_tail(path):
        tails.append(Nd2Tail(path))
        return tails[-1]

    yield open_tail
    for tail in tails:
        tail.close()


@pytest.fixture
def finished(tmp_path):
    return write_nd2(tmp_path / "whole.nd2", random_counts(n_volumes=2, n_z=3))


def test_a_finished_file_is_walked_to_its_map(finished, opened):
    tail = opened(finished)
    assert frames_of(walk(tail)) == list(range(6))
    assert tail.is_finished
    assert tail.has_end_mark()
    assert tail.n_resyncs == 0


def test_a_frame_is_given_once_its_last_byte_is_there(finished, tmp_path, opened):
    content = finished.read_bytes()
    whole = [chunk for chunk in walk(opened(finished)) if chunk.frame is not None]
    path = tmp_path / "growing.nd2"
    path.touch()
    tail, seen = opened(path), []
    sizes = [size for chunk in whole for size in (chunk.end - 1, chunk.end)]
    with path.open("r+b", buffering=0) as file:
        for size in sizes:
            file.seek(0)
            file.write(content[:size])
            seen += frames_of(walk(tail, patience=1))
            expected = [chunk.frame for chunk in whole if chunk.end <= size]
            assert seen == expected


@pytest.mark.parametrize("seed", range(4))
def test_any_pieces_give_all_chunks_whole(finished, tmp_path, opened, seed):
    content = finished.read_bytes()
    expected = [(chunk.name, chunk.offset) for chunk in walk(opened(finished))]
    rng = np.random.default_rng(seed)
    path = tmp_path / "growing.nd2"
    path.touch()
    tail, found = opened(path), []
    with path.open("wb", buffering=0) as file:
        at = 0
        while at < len(content):
            n_bytes = int(rng.choice([1, 7, 300, 5000]))
            file.write(content[at : at + n_bytes])
            at += n_bytes
            for chunk in walk(tail, patience=1):
                place = slice(chunk.payload_offset, chunk.end)
                assert tail.payload(chunk) == content[place]
                found.append((chunk.name, chunk.offset))
    assert found == expected
    assert tail.is_finished


@pytest.mark.parametrize("reserved", [0, 1, 4096, 100_000])
def test_reserved_space_is_not_taken_for_frames(finished, tmp_path, opened, reserved):
    content = finished.read_bytes()
    whole = [chunk for chunk in walk(opened(finished)) if chunk.frame is not None]
    path = tmp_path / "growing.nd2"
    path.touch()
    tail, seen = opened(path), []
    with path.open("r+b", buffering=0) as file:
        for chunk in whole:
            for size in (chunk.end - 70, chunk.end):  # without the last row, then with it
                file.seek(0)
                file.write(content[:size])
                file.truncate(max(size + reserved, chunk.end))
                seen += frames_of(walk(tail, patience=40))
                expected = [other.frame for other in whole if other.end <= size]
                assert seen == expected


def test_foreign_chunks_and_garbage_between_frames_are_passed(finished, tmp_path, opened):
    content = finished.read_bytes()
    second = content.index(b"ImageDataSeq|1!") - HEADER.size
    foreign = HEADER.pack(MAGIC, 16, 100) + b"SomethingElse!".ljust(16, b"\0") + b"x" * 100
    foreign = foreign.ljust(ALIGNMENT, b"\0")
    garbage = np.random.default_rng(0).bytes(2 * ALIGNMENT)
    path = tmp_path / "mixed.nd2"
    path.write_bytes(content[:second] + foreign + garbage + content[second:])
    tail = opened(path)
    chunks = walk(tail)
    assert frames_of(chunks) == list(range(6))
    assert b"SomethingElse!" in [chunk.name for chunk in chunks]
    assert (tail.n_resyncs, tail.n_skipped_bytes) == (1, 2 * ALIGNMENT)


def test_a_frame_of_another_length_is_passed_once_the_length_is_known(finished, tmp_path, opened):
    content = bytearray(finished.read_bytes())
    at = content.index(b"ImageDataSeq|2!") - 8
    content[at : at + 8] = (2**30).to_bytes(8, "little")
    path = tmp_path / "damaged.nd2"
    path.write_bytes(content)
    tail = opened(path)
    n_bytes = next(chunk.n_bytes for chunk in walk(opened(finished)) if chunk.frame == 0)
    tail.expect_frames(range(n_bytes, n_bytes + 1))
    assert frames_of(walk(tail)) == [0, 1, 3, 4, 5]
    assert tail.n_resyncs == 1


def test_a_file_that_becomes_shorter_is_an_error(finished, opened):
    tail = opened(finished)
    for _ in range(6):
        tail.next_chunk()
    with finished.open("r+b") as file:
        file.truncate(10_000)
    with pytest.raises(RecordingError, match="became shorter"):
        tail.next_chunk()


def test_a_deleted_and_a_replaced_file_are_errors(finished, tmp_path, opened):
    tail = opened(finished)
    tail.check_identity()
    other = write_nd2(tmp_path / "other.nd2", random_counts(n_volumes=1))
    finished.unlink()
    with pytest.raises(RecordingError, match="deleted or moved"):
        tail.check_identity()
    other.rename(finished)
    with pytest.raises(RecordingError, match="replaced"):
        tail.check_identity()


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"hello world" * 500, "not an ND2 file"),
        ((0x0C000000).to_bytes(4, "little") + bytes(100), None),
    ],
)
def test_a_file_of_another_kind_is_told_at_once(tmp_path, opened, content, message):
    path = tmp_path / "a.nd2"
    path.write_bytes(content)
    tail = opened(path)
    if message is None:  # a zero in its first bytes: it may not be written yet
        assert tail.next_chunk() is None
        return
    with pytest.raises(RecordingError, match=message):
        tail.next_chunk()


def test_frames_that_are_all_black_come_with_the_next_one_or_at_the_end(tmp_path, opened):
    path = tmp_path / "a.nd2"
    writer = Nd2Writer(path, frame_shape=(6, 7), channels=(GCAMP, TAGRFP), loops={"T": 9})
    tail = opened(path)
    for number in range(3):
        writer.append_frame(np.zeros((2, 6, 7), np.uint16), 0.1 * number)
        assert frames_of(walk(tail, patience=20)) == ([] if number == 0 else [number - 1])
    writer.abandon()
    assert tail.next_chunk(is_over=True).frame == 2


def test_every_boundary_may_be_the_last(finished, tmp_path, opened):
    content = finished.read_bytes()
    path = tmp_path / "cut.nd2"
    expected = frames_of(walk(opened(finished)))
    ends = [chunk.end for chunk in walk(opened(finished)) if chunk.frame is not None]
    for size in range(0, len(content), ALIGNMENT):
        path.write_bytes(content[:size])
        tail = opened(path)
        found = frames_of(walk(tail, patience=40))
        tail.close()
        assert found == expected[: sum(end <= size for end in ends)]


def test_every_byte_around_every_boundary_of_a_real_file_may_be_the_last(
    test_data, tmp_path, opened
):
    whole = test_data / "nd2" / "pims_nd2__cluster.nd2"
    content = whole.read_bytes()
    chunks = walk(opened(whole))
    expected = frames_of(chunks)
    frames = [chunk for chunk in chunks if chunk.frame is not None]
    assert len(frames) == 30
    edges = {edge for chunk in chunks for edge in (chunk.offset, chunk.payload_offset, chunk.end)}
    path = tmp_path / "cut.nd2"
    sizes = {edge + step for edge in edges for step in (-1, 0, 1)}
    for size in sorted(sizes & {*range(len(content))}):
        path.write_bytes(content[:size])
        tail = opened(path)
        found = frames_of(walk(tail, patience=40))
        tail.close()
        n_there = sum(frame.end <= size for frame in frames)
        n_proven = sum(frame.next_offset + HEADER.size <= size for frame in frames)
        assert n_proven <= len(found) <= n_there, size  # one that ends black waits for a proof
        assert found == expected[: len(found)]


def test_no_damage_hangs_the_walk_or_takes_memory(finished, tmp_path, opened):
    content = finished.read_bytes()
    path = tmp_path / "damaged.nd2"
    rng = np.random.default_rng(int(os.environ.get("ACLL_FUZZ_SEED", "5")))
    starts = [chunk.offset for chunk in walk(opened(finished))]
    tracemalloc.start()
    until_s = time.monotonic() + float(os.environ.get("ACLL_FUZZ_S", "2"))
    n_tried = 0
    while time.monotonic() < until_s:
        damaged = damaged_copy(content, starts, rng)
        path.write_bytes(damaged)
        tail = opened(path)
        try:
            chunks = walk(tail, patience=600)
            assert len(chunks) <= len(damaged) // ALIGNMENT + 1
            for chunk in chunks:
                assert len(tail.payload(chunk)) == chunk.n_bytes <= len(damaged)
        except RecordingError as error:
            assert "damaged.nd2" in str(error)  # noqa: PT017
        tail.close()
        n_tried += 1
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert n_tried > 5
    assert peak < 50 * 2**20
