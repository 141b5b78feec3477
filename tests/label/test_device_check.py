"""What is told of the device, on computers that are made up: GPU or not, CUDA build or not."""

import importlib.machinery
import sys

import pytest

from napari_acll.core import Light, ModelError
from napari_acll.label import _device_check, check_device, offered_devices

CPU_BUILD = "__version__ = '2.13.0+cpu'\ncuda: Optional[str] = None\nhip: Optional[str] = None\n"
CUDA_BUILD = "__version__ = '2.13.0+cu130'\ncuda: Optional[str] = '13.0'\n"


@pytest.fixture
def computer(monkeypatch):
    def make(*, has_gpu, cuda):
        monkeypatch.setattr(_device_check, "has_nvidia_gpu", lambda: has_gpu)
        monkeypatch.setattr(_device_check, "torch_cuda_version", lambda: cuda)
        monkeypatch.setattr(_device_check, "n_usable_cores", lambda: 12)

    return make


@pytest.fixture
def chosen(monkeypatch):
    """Let torch, as far as it is asked, choose this device or refuse."""
    import torch

    def choose(device):
        def answer(_wanted):
            if isinstance(device, Exception):
                raise device
            return torch.device(device)

        monkeypatch.setattr("napari_acll.label._devices.choose_device", answer)

    return choose


def test_a_gpu_that_this_torch_cannot_use_is_told_with_the_command_that_helps(computer):
    computer(has_gpu=True, cuda="")
    found = check_device("auto")
    assert found.light is Light.AMBER
    assert "An NVIDIA GPU is here, but this torch has no CUDA" in found.sentence
    assert "pip install" in found.sentence
    assert "https://download.pytorch.org/whl/cu" in found.sentence
    assert "12 cores" in found.sentence


def test_a_gpu_that_was_chosen_and_cannot_be_used_is_red(computer):
    computer(has_gpu=True, cuda="")
    found = check_device("cuda:0")
    assert found.light is Light.RED
    assert "pip install" in found.sentence
    assert found.exit_code == ModelError.exit_code


def test_a_gpu_that_was_chosen_and_is_not_there_is_red(computer):
    computer(has_gpu=False, cuda="")
    found = check_device("cuda:0")
    assert found.light is Light.RED
    assert "no NVIDIA GPU" in found.sentence
    assert "pip install" not in found.sentence


@pytest.mark.parametrize("device", ["auto", "cpu"])
def test_a_computer_without_a_gpu_is_fine(computer, device):
    computer(has_gpu=False, cuda="")
    found = check_device(device)
    assert found.light is Light.GREEN
    assert "12 cores" in found.sentence
    assert found.exit_code == 0


def test_a_gpu_that_a_cuda_build_does_not_see_asks_for_another_driver(computer, chosen):
    computer(has_gpu=True, cuda="13.0")
    chosen("cpu")
    found = check_device("auto")
    assert found.light is Light.AMBER
    assert "CUDA 13.0" in found.sentence
    assert "driver" in found.sentence


def test_what_torch_refuses_is_red_with_its_own_sentence(computer, chosen):
    computer(has_gpu=True, cuda="13.0")
    chosen(ModelError("Device cuda:3 was asked for, there is cuda:0."))
    found = check_device("cuda:3")
    assert found.light is Light.RED
    assert found.sentence == "Device cuda:3 was asked for, there is cuda:0."


def test_a_gpu_is_told_by_its_name(computer, chosen, monkeypatch):
    computer(has_gpu=True, cuda="13.0")
    chosen("cuda:1")
    monkeypatch.setattr(_device_check, "_gpu_in_words", lambda index: f"cuda:{index}, a GPU.")
    found = check_device("auto")
    assert (found.light, found.sentence) == (Light.GREEN, "cuda:1, a GPU.")


@pytest.mark.parametrize(("text", "version"), [(CPU_BUILD, ""), (CUDA_BUILD, "13.0")])
def test_the_build_of_torch_is_read_from_its_version_file(tmp_path, monkeypatch, text, version):
    (tmp_path / "version.py").write_text(text)
    spec = importlib.machinery.ModuleSpec("torch", None, origin=str(tmp_path / "__init__.py"))
    monkeypatch.setattr(_device_check.importlib.util, "find_spec", lambda _name: spec)
    assert _device_check.torch_cuda_version() == version


def test_the_file_of_this_torch_says_what_torch_says():
    import torch

    assert _device_check.torch_cuda_version() == (torch.version.cuda or "")


def test_the_driver_is_found_by_its_program(tmp_path, monkeypatch):
    name = "nvidia-smi.exe" if sys.platform == "win32" else "nvidia-smi"
    program = tmp_path / name
    program.write_text("")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert _device_check.has_nvidia_gpu()


@pytest.mark.skipif(sys.platform == "win32", reason="the driver's library is there")
def test_the_driver_of_windows_is_found_by_its_library(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("SYSTEMROOT", str(tmp_path))
    monkeypatch.setattr(_device_check.sys, "platform", "win32")
    assert not _device_check.has_nvidia_gpu()
    (tmp_path / "System32").mkdir()
    (tmp_path / "System32" / "nvcuda.dll").write_text("")
    assert _device_check.has_nvidia_gpu()


@pytest.mark.parametrize(
    ("has_gpu", "cuda", "n_files", "offered"),
    [
        (False, "13.0", 0, ("auto", "cpu")),
        (True, "", 1, ("auto", "cpu")),
        (True, "13.0", 0, ("auto", "cpu", "cuda:0")),
        (True, "13.0", 2, ("auto", "cpu", "cuda:0", "cuda:1")),
    ],
)
def test_only_devices_that_are_there_are_offered(
    computer, monkeypatch, tmp_path, has_gpu, cuda, n_files, offered
):
    computer(has_gpu=has_gpu, cuda=cuda)
    monkeypatch.setattr(_device_check, "_GPU_FILES", tmp_path)
    for index in range(n_files):
        (tmp_path / f"0000:0{index}:00.0").mkdir()
    assert offered_devices() == offered
