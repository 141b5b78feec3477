"""One clear sentence for each recording that cannot be read."""

import numpy as np
import pytest
from tests.sources.recordings import GCAMP, TAGRFP, random_counts, write_nd2

from napari_acll.core import RecordingError, SourceSettings
from napari_acll.simulate import Nd2Channel, Nd2Writer
from napari_acll.sources import Nd2Source


def why(path, **settings):
    """Return the message of the error; it must be one line that names the file."""
    with pytest.raises(RecordingError) as caught:
        Nd2Source.from_recording(str(path), SourceSettings(**settings))
    message = str(caught.value)
    assert path.name in message
    assert "\n" not in message
    return message


def test_a_missing_file(tmp_path):
    assert "Cannot read" in why(tmp_path / "a.nd2")


def test_an_empty_file(tmp_path):
    (tmp_path / "a.nd2").touch()
    assert "is empty" in why(tmp_path / "a.nd2")


@pytest.mark.parametrize("content", [b"x", b"hello" * 5000])
def test_a_file_of_another_kind(tmp_path, content):
    (tmp_path / "a.nd2").write_bytes(content)
    assert "not an ND2 file" in why(tmp_path / "a.nd2")


def test_an_old_jpeg2000_file(tmp_path):
    (tmp_path / "a.nd2").write_bytes((0x0C000000).to_bytes(4, "little") + bytes(100))
    assert "JPEG 2000" in why(tmp_path / "a.nd2")


@pytest.mark.parametrize("kept", [0.1, 0.5, 0.9, 0.999])
def test_a_file_that_is_cut_off(tmp_path, kept):
    path = write_nd2(tmp_path / "a.nd2", random_counts(n_y=64, n_x=64))
    with path.open("r+b") as file:
        file.truncate(int(path.stat().st_size * kept))
    assert "truncated or still being recorded" in why(path)


def test_a_file_that_is_still_being_recorded(tmp_path):
    writer = Nd2Writer(
        tmp_path / "a.nd2", frame_shape=(6, 7), channels=(GCAMP, TAGRFP), loops={"T": 3, "Z": 2}
    )
    writer.append_frame(np.zeros((2, 6, 7), np.uint16), 0.0)
    message = why(tmp_path / "a.nd2")
    writer.abandon()
    assert "still being recorded" in message


@pytest.mark.parametrize("seed", range(12))
def test_damaged_metadata(tmp_path, seed):
    path = write_nd2(tmp_path / "a.nd2", random_counts(n_volumes=2))
    content = bytearray(path.read_bytes())
    rng = np.random.default_rng(seed)
    at = content.index(b"ImageMetadataSeqLV|0!")
    payload = slice(at + 1500, at + 4000)
    content[payload] = rng.bytes(2500)
    path.write_bytes(content)
    try:  # damage may hit what is not needed; whatever is raised is ours
        Nd2Source.from_recording(str(path), SourceSettings()).close()
    except RecordingError as error:
        assert "a.nd2" in str(error)  # noqa: PT017


def test_a_damaged_compressed_frame(tmp_path):
    path = write_nd2(tmp_path / "a.nd2", random_counts(n_y=64, n_x=64), is_compressed=True)
    content = bytearray(path.read_bytes())
    at = content.index(b"ImageDataSeq|9!") + 4080 + 40
    content[at : at + 200] = bytes(200)
    path.write_bytes(content)
    with Nd2Source.from_recording(str(path), SourceSettings()) as source:
        source.read(1)
        with pytest.raises(RecordingError, match="Frame 9"):
            source.read(2)


def test_one_channel(tmp_path):
    path = write_nd2(tmp_path / "a.nd2", random_counts(n_channels=1), channels=(GCAMP,))
    assert "has 1 channel;" in why(path)


def test_three_channels_without_a_choice(tmp_path):
    channels = (GCAMP, TAGRFP, Nd2Channel(name="BFP", emission_nm=450.0))
    path = write_nd2(tmp_path / "a.nd2", random_counts(n_channels=3), channels=channels)
    message = why(path)
    assert "0 (GCaMP, 525 nm), 1 (TagRFP, 610 nm), 2 (BFP, 450 nm)" in message
    assert message == why(path, marker_channel=1)


def test_a_channel_that_does_not_exist(tmp_path):
    path = write_nd2(tmp_path / "a.nd2", random_counts())
    assert "no channel 2; it has 0 (GCaMP" in why(path, marker_channel=2)


def test_a_single_slice(tmp_path):
    path = write_nd2(tmp_path / "a.nd2", random_counts(n_volumes=1, n_z=1))
    assert "a single slice" in why(path)


def test_a_timestream_without_a_number_of_slices(tmp_path):
    path = write_nd2(tmp_path / "a.nd2", random_counts(), order="T")
    assert "12 frames one after the other" in why(path)


def test_more_slices_than_frames(tmp_path):
    path = write_nd2(tmp_path / "a.nd2", random_counts(), order="T")
    assert "one volume needs 13" in why(path, n_z=13)
    assert "first 5 are left out" in why(path, n_z=8, z_first=5)


def test_more_slices_discarded_than_there_are(tmp_path):
    path = write_nd2(tmp_path / "a.nd2", random_counts(), order="T")
    assert "3 are discarded" in why(path, n_z=4, z_discard=3)


def test_a_number_of_slices_that_contradicts_the_file(tmp_path):
    path = write_nd2(tmp_path / "a.nd2", random_counts())
    assert "records 4 slices per volume itself, but 5 were given" in why(path, n_z=5)


def test_a_recording_broken_off_within_its_first_volume(tmp_path):
    path = write_nd2(tmp_path / "a.nd2", random_counts(), lacks=range(3, 12))
    assert "one complete volume of 4 slices" in why(path)


def test_a_recording_without_frames(tmp_path):
    path = write_nd2(tmp_path / "a.nd2", random_counts(), lacks=range(12))
    assert "no frames" in why(path)
