"""The report on how a microscope writes its file."""

import json
import subprocess
import sys
import threading

import numpy as np
import pytest
from tests.sources.recordings import GCAMP, TAGRFP, random_counts, slice_time_s, write_nd2

from napari_acll.core import RecordingError
from napari_acll.simulate import Nd2Writer
from napari_acll.sources import Nd2Probe

PATIENCE_S = 20.0


def watched(path, **options):
    probe = Nd2Probe(path, poll_ms=0.5)
    probe.watch(**{"start_timeout_s": PATIENCE_S, "idle_timeout_s": PATIENCE_S, **options})
    report = probe.report()
    assert json.loads(json.dumps(report)) == report
    return report


def test_the_order_of_the_parts_and_the_frames_are_told(tmp_path):
    counts = random_counts(n_volumes=3)
    report = watched(write_nd2(tmp_path / "a.nd2", counts))
    names = [chunk["name"] for chunk in report["chunks"]]
    assert names[:4] == [
        "ND2 FILE SIGNATURE CHUNK NAME01!",
        "ImageMetadataLV!",
        "ImageMetadataSeqLV|0!",
        "ImageDataSeq|0!",
    ]
    assert names[-1] == "ImageAttributesLV!"
    frames = next(chunk for chunk in report["chunks"] if "last_frame" in chunk)
    assert (frames["first_frame"], frames["last_frame"]) == (0, 11)
    assert report["attributes_at_all"]
    assert not report["attributes_before_frames"]
    assert report["end"] == "finished by the microscope's software"
    assert report["geometry"]["size_by_head"] == [6, 7]
    assert report["geometry"]["size_at_end"] == [[6, 7]]
    assert report["geometry"]["loops"] == ["T3", "Z4"]
    assert report["frames"]["n_frames"] == 12


def test_intervals_are_those_of_the_frames(tmp_path):
    times_s = np.cumsum([0.01, *[0.007] * 10, 0.05])
    path = write_nd2(tmp_path / "a.nd2", random_counts(), times_s=times_s)
    interval = watched(path)["frames"]["interval_by_file_ms"]
    assert interval["median"] == pytest.approx(7.0)
    assert interval["max"] == pytest.approx(50.0)


def test_a_file_that_is_reserved_and_rewritten_is_told(tmp_path):
    path = tmp_path / "a.nd2"
    counts = random_counts(n_volumes=6)
    whole = write_nd2(tmp_path / "whole.nd2", counts).read_bytes()
    first = whole.index(b"ImageDataSeq|1!") + 5000
    probe = Nd2Probe(path, poll_ms=0.5)
    seen = threading.Event()

    def write():
        with path.open("w+b", buffering=0) as file:
            file.write(whole[: whole.index(b"ImageDataSeq|3!") - 16])
            file.truncate(50 * 2**20)
            assert wait_for(lambda: probe.report()["frames"]["n_frames"] == 3)
            file.seek(first - 900)
            file.write(b"later")  # a part of frame 1 that came after its end
            file.seek(whole.index(b"ImageDataSeq|3!") - 16)
            file.write(whole[whole.index(b"ImageDataSeq|3!") - 16 :])
            file.truncate(len(whole))
        seen.set()

    thread = threading.Thread(target=write)
    thread.start()
    probe.watch(start_timeout_s=PATIENCE_S, idle_timeout_s=PATIENCE_S)
    thread.join(PATIENCE_S)
    report = probe.report()
    assert seen.is_set()
    assert report["frames"]["n_changed_after_they_seemed_whole"] == 1
    assert report["size"]["most_bytes_ahead_of_chunks"] > 40 * 2**20


def wait_for(holds):
    pause, n_left = threading.Event(), 5000
    while not holds() and n_left:
        pause.wait(0.002)
        n_left -= 1
    return n_left > 0


def test_a_file_that_nobody_writes_is_reported_as_such(tmp_path):
    report = watched(tmp_path / "a.nd2", start_timeout_s=0.05)
    assert report["end"] == "nothing came"
    assert any(kind.startswith("FileNotFoundError") for kind in report["refusals"])


def test_silence_and_the_user_end_the_watching(tmp_path):
    path = tmp_path / "a.nd2"
    writer = Nd2Writer(path, frame_shape=(6, 7), channels=(GCAMP, TAGRFP), loops={"T": 9})
    writer.append_frame(np.ones((2, 6, 7), np.uint16), slice_time_s(0, 0))
    assert watched(path, idle_timeout_s=0.1)["end"] == "silence of 0.1 s"
    probe = Nd2Probe(path)
    probe.stop()
    probe.watch(start_timeout_s=PATIENCE_S, idle_timeout_s=PATIENCE_S)
    writer.abandon()
    assert probe.report()["frames"]["n_frames"] == 0
    assert probe.report()["end"] == "stopped by the user"


def test_a_file_of_another_kind_is_an_error(tmp_path):
    path = tmp_path / "a.nd2"
    path.write_bytes(b"hello world" * 1000)
    with pytest.raises(RecordingError, match="not an ND2 file"):
        watched(path)


def test_the_report_of_a_real_file_has_no_pixels_and_stays_short(test_data):
    report = watched(test_data / "nd2" / "pims_nd2__cluster.nd2")
    assert report["geometry"]["size_by_head"] is None
    assert report["geometry"]["size_at_end"] == [[31, 38]]
    assert report["frames"]["n_frames"] == 30
    assert len(json.dumps(report)) < 20_000


def test_the_command_writes_the_report_and_says_what_matters(tmp_path):
    write_nd2(tmp_path / "worm.nd2", random_counts())
    command = [sys.executable, "-m", "napari_acll.cli", "probe", "worm.nd2"]
    made = subprocess.run(
        command, cwd=tmp_path, capture_output=True, text=True, timeout=60, check=True
    )
    assert "Rows and columns: 6 x 7" in made.stdout
    assert "Frames: 12" in made.stdout
    report = json.loads((tmp_path / "worm.probe.json").read_text("utf-8"))
    assert report["frames"]["n_frames"] == 12
    again = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=60)
    assert again.returncode == 3
    assert "exists already" in again.stderr
