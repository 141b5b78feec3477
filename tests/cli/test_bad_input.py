"""Bad input ends with one sentence, its exit code, and no traceback."""

import json
import os
import pickle
import shutil
import zipfile
from pathlib import Path

import numpy as np
import pytest

from napari_acll.cli import run
from napari_acll.core import SourceSettings
from napari_acll.simulate import SimulatedSource, write_nd2, write_nd2_folder

RECORDING, MODEL, SETTINGS, SESSION, ALIGNMENT = 3, 4, 5, 6, 7
NO_SERIES = [(3, 2, 5, 8), (3, 1, 5, 8, 8), (3, 2, 1, 8, 8), (2, 3, 5, 8, 8)]  # T, C, Z, Y, X
SIMULATED = "simulated:volumes=2,geometry=small"


@pytest.fixture
def refusal(capsys, tmp_path, monkeypatch):
    """Run a command that must fail, and return its exit code and its last sentence."""
    monkeypatch.chdir(tmp_path)

    def call(*arguments: object) -> tuple[int, str]:
        code = run([str(argument) for argument in arguments])
        error = capsys.readouterr().err
        assert "Traceback" not in error
        lines = [line for line in error.splitlines() if line.startswith("acll: error: ")]
        assert len(lines) == 1, error
        assert error.splitlines()[-1] == lines[0]
        assert lines[0].endswith((".", "?"))
        return code, lines[0]

    return call


def _refused_run(refusal, recording: object, *options: object) -> tuple[int, str]:
    result = refusal("run", recording, "--out", "out.acll", *options)
    assert not Path("out.acll").exists() or list(Path("out.acll").iterdir())
    return result


@pytest.fixture(scope="module")
def nd2_file(tmp_path_factory) -> Path:
    source = SimulatedSource.from_recording(SIMULATED, SourceSettings())
    return write_nd2(source, tmp_path_factory.mktemp("nd2") / "worm.nd2", 2)


def test_a_recording_that_is_not_there(refusal):
    code, sentence = _refused_run(refusal, "nothing.nd2")
    assert code == RECORDING
    assert "nothing.nd2" in sentence


def test_an_empty_file(refusal, tmp_path):
    (tmp_path / "empty.nd2").write_bytes(b"")
    code, sentence = _refused_run(refusal, "empty.nd2")
    assert code == RECORDING
    assert "empty.nd2" in sentence


@pytest.mark.parametrize("share", [0.02, 0.5, 0.95])
def test_a_truncated_recording(refusal, tmp_path, nd2_file, share):
    content = nd2_file.read_bytes()
    (tmp_path / "cut.nd2").write_bytes(content[: int(share * len(content))])
    code, sentence = _refused_run(refusal, "cut.nd2")
    assert code == RECORDING
    assert "cut.nd2" in sentence


def test_a_file_that_is_no_recording(refusal, tmp_path):
    (tmp_path / "notes.txt").write_text("no recording")
    code, sentence = _refused_run(refusal, "notes.txt")
    assert code == RECORDING
    assert "notes.txt" in sentence


@pytest.mark.parametrize(
    ("pattern", "word"),
    [("*[rR][gG][bB]*", "RGB"), ("*ndevio*", "channel"), ("*arcadia*", "channel")],
)
def test_a_real_recording_without_two_channels(refusal, test_data, pattern, word):
    files = sorted((test_data / "nd2").glob(pattern))
    if not files:
        pytest.skip(f"the real data hold no {pattern}")
    for file in files:
        code, sentence = _refused_run(refusal, file)
        assert code == RECORDING
        assert word in sentence


def test_a_folder_without_volumes(refusal, tmp_path):
    (tmp_path / "volumes").mkdir()
    (tmp_path / "volumes" / "holiday.jpg").write_bytes(b"\xff\xd8")
    code, sentence = _refused_run(refusal, "volumes")
    assert code == RECORDING
    assert "volumes" in sentence


def test_a_folder_in_which_a_number_stands_twice(refusal, tmp_path):
    source = SimulatedSource.from_recording(SIMULATED, SourceSettings())
    folder = write_nd2_folder(source, tmp_path / "worm", 2)
    first = min(folder.glob("*.nd2"))
    shutil.copy(first, folder / first.name.replace("worm", "copy"))
    code, sentence = _refused_run(refusal, "worm")
    assert code == RECORDING
    assert "copy" in sentence


@pytest.mark.parametrize(
    "shape", [(3, 2, 5, 8), (3, 1, 5, 8, 8), (3, 2, 1, 8, 8), (2, 3, 5, 8, 8)]
)
def test_an_array_that_is_no_two_channel_series(refusal, tmp_path, shape):
    np.save(tmp_path / "array.npy", np.zeros(shape, np.uint16))
    code, sentence = _refused_run(refusal, "array.npy", "--axes", "TCZYX"[-len(shape) :])
    assert code == RECORDING
    assert "array.npy" in sentence


def test_axes_that_do_not_fit(refusal, tmp_path):
    np.save(tmp_path / "array.npy", np.zeros((3, 2, 5, 8, 8), np.uint16))
    code, _ = _refused_run(refusal, "array.npy", "--axes", "CZYX")
    assert code in (RECORDING, SETTINGS)


def test_a_model_that_nobody_has(refusal):
    code, sentence = _refused_run(refusal, SIMULATED, "--model", "gpt")
    assert code == MODEL
    assert "default" in sentence


def test_a_corrupt_checkpoint(refusal, tmp_path):
    (tmp_path / "model.pytorch").write_bytes(os.urandom(2000))
    code, sentence = _refused_run(refusal, SIMULATED, "--model", "model.pytorch")
    assert code == MODEL
    assert "model.pytorch" in sentence


def test_a_foreign_checkpoint(refusal, tmp_path):
    import torch

    torch.save({"state_dict": {"fc.weight": torch.zeros(2, 2)}}, tmp_path / "model.pytorch")
    code, sentence = _refused_run(refusal, SIMULATED, "--model", "model.pytorch")
    assert code == MODEL
    assert "model.pytorch" in sentence


class _Malicious:
    def __reduce__(self):
        return Path.touch, (Path("owned"),)


@pytest.mark.parametrize("is_zip", [True, False])
def test_a_malicious_checkpoint_runs_no_code(refusal, tmp_path, is_zip):
    payload = pickle.dumps({"model_state_dict": _Malicious()})
    if is_zip:
        with zipfile.ZipFile(tmp_path / "model.pytorch", "w") as archive:
            archive.writestr("archive/data.pkl", payload)
            archive.writestr("archive/version", "3\n")
    else:
        (tmp_path / "model.pytorch").write_bytes(payload)
    code, _ = _refused_run(refusal, SIMULATED, "--model", "model.pytorch")
    assert code == MODEL
    assert not (tmp_path / "owned").exists()


def test_a_config_with_a_misspelled_key(refusal, tmp_path):
    (tmp_path / "mine.yaml").write_text("label:\n  devise: cpu\n")
    code, sentence = _refused_run(refusal, SIMULATED, "--config", "mine.yaml")
    assert code == SETTINGS
    assert "devise" in sentence
    assert "device" in sentence


@pytest.mark.parametrize("text", ["label: [", "- a list", "label:\n  device: gpu\n", "label: 3\n"])
def test_a_config_that_says_nonsense(refusal, tmp_path, text):
    (tmp_path / "mine.yaml").write_text(text)
    code, sentence = _refused_run(refusal, SIMULATED, "--config", "mine.yaml")
    assert code == SETTINGS
    assert "mine.yaml" in sentence


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("--device", "gpu"),
        ("--set", "label.devise=cpu"),
        ("--set", "label.device"),
        ("--set", "label.batch_size=[1"),
        ("--calibration-volumes", "-1"),
        ("--profile", "nobody"),
        ("--axes", "ABC"),
    ],
)
def test_an_option_with_a_value_that_cannot_be(refusal, option, value):
    code, sentence = _refused_run(refusal, SIMULATED, option, value)
    assert code == SETTINGS
    assert value.partition("=")[0] in sentence


def test_both_channels_the_same(refusal):
    options = ("--marker-channel", 1, "--activity-channel", 1)
    code, sentence = _refused_run(refusal, SIMULATED, *options)
    assert code == SETTINGS
    assert "differ" in sentence


def test_a_session_folder_that_exists(refusal, tmp_path):
    (tmp_path / "out.acll").mkdir()
    (tmp_path / "out.acll" / "precious").write_text("data")
    code, sentence = _refused_run(refusal, SIMULATED)
    assert code == SESSION
    assert "out.acll" in sentence
    assert (tmp_path / "out.acll" / "precious").read_text() == "data"


def test_a_place_where_no_session_can_be_written(refusal, tmp_path):
    (tmp_path / "file").write_text("")
    code, sentence = refusal("run", SIMULATED, "--out", tmp_path / "file" / "out.acll")
    assert code == SESSION
    assert "out.acll" in sentence


@pytest.mark.parametrize("content", ["", "{}", '{"dy_um": "far"}', json.dumps({"shift": 1})])
def test_an_alignment_file_that_is_none(refusal, tmp_path, content):
    (tmp_path / "mine.json").write_text(content)
    code, sentence = _refused_run(refusal, SIMULATED, "--alignment", "mine.json")
    assert code == ALIGNMENT
    assert "mine.json" in sentence


@pytest.mark.parametrize("name", ["nothing.acll", "folder"])
def test_exporting_what_is_no_session(refusal, tmp_path, name):
    (tmp_path / "folder").mkdir()
    code, sentence = refusal("export", name, "out.csv")
    assert code == SESSION
    assert name in sentence
    assert not (tmp_path / "out.csv").exists()


def test_exporting_to_a_format_that_is_not_there(refusal):
    code, sentence = refusal("export", "some.acll", "out.xlsx")
    assert code == SESSION
    assert ".csv" in sentence


def test_simulating_over_a_file_that_exists(refusal, tmp_path):
    (tmp_path / "worm.nd2").write_text("precious")
    code, _ = refusal("simulate", "worm.nd2", "--volumes", 1, "--geometry", "small")
    assert code == RECORDING
    assert (tmp_path / "worm.nd2").read_text() == "precious"


def test_simulating_to_a_name_that_says_nothing(refusal):
    code, sentence = refusal("simulate", "worm.mp4", "--volumes", 1)
    assert code == RECORDING
    assert "--format" in sentence


@pytest.mark.parametrize(
    "arguments",
    [
        ["bogus"],
        ["run"],
        ["run", "a"],
        ["run", "a", "--out", "b", "--pace", "fast"],
        ["run", "--x"],
    ],
)
def test_wrong_usage_is_code_2(refusal, arguments):
    code, sentence = refusal(*arguments)
    assert code == 2
    assert "--help" in sentence


@pytest.mark.parametrize(
    ("text", "out", "code"),
    [
        ("seeed: 1", "model.safetensors", SETTINGS),
        ("seed: 1", "model.pt", MODEL),
        ("seed: 1", "nowhere/model.safetensors", MODEL),
        ("seed: 1", "kept.safetensors", MODEL),
    ],
)
def test_a_training_that_would_fail_at_its_end_fails_at_once(refusal, tmp_path, text, out, code):
    (tmp_path / "recipe.yaml").write_text(text)
    (tmp_path / "kept.safetensors").write_text("precious")
    assert refusal("train", "recipe.yaml", "--out", out)[0] == code
    assert (tmp_path / "kept.safetensors").read_text() == "precious"
