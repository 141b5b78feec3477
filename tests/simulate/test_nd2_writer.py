"""The truth is what the field's own reader, the nd2 package, finds in the files."""

from itertools import product

import nd2
import numpy as np
import pytest

from napari_acll.core import RecordingError
from napari_acll.simulate import Nd2Channel, Nd2Writer

LOOPS = ({"T": 3, "Z": 4}, {"Z": 4, "T": 3}, {"T": 12}, {"Z": 4}, {})
ODD, EVEN = (5, 7), (5, 8)


def random_frames(n_frames, n_channels, shape, dtype):
    rng = np.random.default_rng(n_frames + n_channels)
    return rng.integers(0, np.iinfo(dtype).max, (n_frames, n_channels, *shape), dtype, True)


def write(path, frames, loops, **options):
    channels = [
        Nd2Channel(name=f"dye {number}", emission_nm=510.0 + number, color_rgb=(number, 99, 7))
        for number in range(frames.shape[1])
    ]
    with Nd2Writer(
        path,
        frame_shape=frames.shape[2:],
        channels=channels,
        loops=loops,
        dtype=frames.dtype,
        **options,
    ) as writer:
        for number, frame in enumerate(frames):
            writer.append_frame(frame, time_s=0.25 + 0.01 * number)


@pytest.mark.parametrize(
    ("loops", "dtype", "shape", "n_channels"),
    list(product(LOOPS, (np.uint8, np.uint16), (ODD, EVEN), (1, 2, 3))),
)
def test_pixels_and_sizes_survive_in_any_loop_order(tmp_path, loops, dtype, shape, n_channels):
    n_frames = int(np.prod(list(loops.values()) or [1]))
    frames = random_frames(n_frames, n_channels, shape, dtype)
    write(tmp_path / "a.nd2", frames, loops)
    expected = dict(loops)
    if n_channels > 1:
        expected["C"] = n_channels
    with nd2.ND2File(tmp_path / "a.nd2") as file:
        assert dict(file.sizes) == {**expected, "Y": shape[0], "X": shape[1]}
        assert file.dtype == dtype
        # every reader copes with unpadded rows, the microscope's software never writes them
        assert file.attributes.widthBytes % 4 == 0
        np.testing.assert_array_equal(file.asarray().reshape(frames.shape), frames)


def test_names_colors_emissions_and_voxel_size_survive(tmp_path):
    frames = random_frames(12, 2, EVEN, np.uint16)
    size_um = (0.54, 0.18, 0.18)
    write(tmp_path / "a.nd2", frames, LOOPS[0], voxel_size_um=size_um, significant_bits=12)
    with nd2.ND2File(tmp_path / "a.nd2") as file:
        channels = [entry.channel for entry in file.metadata.channels]
        voxel = file.voxel_size()
        bits = file.attributes.bitsPerComponentSignificant
    assert [channel.name for channel in channels] == ["dye 0", "dye 1"]
    assert [channel.emissionLambdaNm for channel in channels] == [510.0, 511.0]
    assert [channel.color[:3] for channel in channels] == [(0, 99, 7), (1, 99, 7)]
    assert (voxel.z, voxel.y, voxel.x) == size_um
    assert bits == 12


@pytest.mark.parametrize("is_equidistant", [True, False])
def test_times_survive_in_both_kinds_of_time_loop(tmp_path, is_equidistant):
    frames = random_frames(12, 2, EVEN, np.uint16)
    day = 2_460_000.5
    options = {"is_equidistant": is_equidistant, "period_s": 0.6, "start_julian_day": day}
    write(tmp_path / "a.nd2", frames, LOOPS[0], **options)
    with nd2.ND2File(tmp_path / "a.nd2") as file:
        kind = file.experiment[0].type
        stamps = [file.frame_metadata(number).channels[0].time for number in range(12)]
    assert kind == ("TimeLoop" if is_equidistant else "NETimeLoop")
    expected_ms = 250.0 + 10.0 * np.arange(12)
    np.testing.assert_allclose([stamp.relativeTimeMs for stamp in stamps], expected_ms)
    assert stamps[0].absoluteJulianDayNumber == pytest.approx(day + 0.25 / 86_400, abs=1e-9)


@pytest.mark.parametrize("shape", [ODD, EVEN])
def test_compressed_frames_survive(tmp_path, shape):
    frames = random_frames(12, 2, shape, np.uint16)
    write(tmp_path / "a.nd2", frames, LOOPS[0], is_compressed=True)
    with nd2.ND2File(tmp_path / "a.nd2") as file:
        assert file.attributes.compressionType == "lossless"
        np.testing.assert_array_equal(file.asarray().reshape(frames.shape), frames)


def test_every_chunk_starts_on_a_boundary_of_4096_bytes(tmp_path):
    write(tmp_path / "a.nd2", random_frames(12, 2, ODD, np.uint16), LOOPS[0])
    content = (tmp_path / "a.nd2").read_bytes()
    magic = (0x0ABECEDA).to_bytes(4, "little")
    starts = [at for at in range(0, len(content), 4096) if content[at : at + 4] == magic]
    names = [content[at + 16 : at + 48].split(b"!")[0] for at in starts]
    frames = [name for name in names if name.startswith(b"ImageDataSeq|")]
    assert frames == [b"ImageDataSeq|%d" % number for number in range(12)]
    assert names[-2:] == [b"ImageAttributesLV", b"ND2 FILEMAP SIGNATURE NAME 0001"]
    assert content.count(magic) == len(starts)


def test_an_unfinished_file_holds_its_frames_but_no_map(tmp_path):
    frames = random_frames(12, 2, EVEN, np.uint16)
    path = tmp_path / "a.nd2"

    def crash():
        with Nd2Writer(
            path,
            frame_shape=EVEN,
            channels=[Nd2Channel(name="a"), Nd2Channel(name="b")],
            loops=LOOPS[0],
        ) as writer:
            for frame in frames[:5]:
                writer.append_frame(frame, 0.0)
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        crash()
    with pytest.raises(ValueError, match="ChunkMap"), nd2.ND2File(path) as file:
        _ = file.sizes
    rescued = list(nd2.rescue_nd2(path, frame_shape=(*EVEN, 2), verbose=False))
    np.testing.assert_array_equal(np.moveaxis(rescued, -1, 1), frames[:5])
    del rescued


def test_a_frame_that_was_left_out_is_missing_in_the_file(tmp_path):
    frames = random_frames(4, 2, EVEN, np.uint16)
    path = tmp_path / "a.nd2"
    channels = [Nd2Channel(name="a"), Nd2Channel(name="b")]
    with Nd2Writer(path, frame_shape=EVEN, channels=channels, loops={"Z": 4}) as writer:
        for number, frame in enumerate(frames):
            if number == 2:
                writer.skip_frames(1)
            else:
                writer.append_frame(frame, 0.01 * number)
    with nd2.ND2File(path) as file:
        assert not file.read_frame(2).any()
        np.testing.assert_array_equal(file.read_frame(3), frames[3])


def test_a_file_that_exists_is_not_overwritten(tmp_path):
    path = tmp_path / "a.nd2"
    path.write_bytes(b"precious")
    with pytest.raises(RecordingError, match="exists"):
        write(path, random_frames(1, 2, EVEN, np.uint16), {})
    assert path.read_bytes() == b"precious"


def test_a_folder_that_does_not_exist_is_a_clear_error(tmp_path):
    with pytest.raises(RecordingError, match="Cannot create"):
        write(tmp_path / "no" / "a.nd2", random_frames(1, 2, EVEN, np.uint16), {})


def test_a_frame_of_another_shape_is_refused(tmp_path):
    channels = [Nd2Channel(name="a"), Nd2Channel(name="b")]
    with (
        pytest.raises(ValueError, match=r"Expected a frame of \(2, 5, 8\)"),
        Nd2Writer(tmp_path / "a.nd2", frame_shape=EVEN, channels=channels, loops={}) as writer,
    ):
        writer.append_frame(np.zeros((2, 5, 7), np.uint16), 0.0)


@pytest.mark.parametrize(
    ("loops", "dtype"), [({"P": 2}, np.uint16), ({"T": 0}, np.uint16), ({}, np.uint32)]
)
def test_what_the_format_cannot_hold_is_refused_before_a_file_is_made(tmp_path, loops, dtype):
    with pytest.raises(ValueError, match=r"ND2|Loops"):
        write(tmp_path / "a.nd2", np.zeros((1, 2, *EVEN), dtype), loops)
    assert not list(tmp_path.iterdir())
