import subprocess
import sys

import pytest
from safetensors.torch import save_file
from tests.label.networks import save_checkpoint, small_network

from napari_acll.core import Labeler, LabelSettings, ModelError, PluginError
from napari_acll.label import UNet3DLabeler, _registry, available_models, load_labeler


def settings(model, **changes):
    return LabelSettings(model=str(model), device="cpu", **changes)


class Plugin:
    """A labeler of somebody else.

    With more to say about it.
    """

    @classmethod
    def from_settings(cls, settings):
        labeler = cls()
        labeler.settings = settings
        return labeler

    neurons = None

    def describe(self): ...

    def warm_up(self, spec, batch_size): ...

    def label(self, volumes): ...


@pytest.fixture
def plugin(monkeypatch):
    def load(_group, name):
        if name == "broken":
            raise PluginError("it cannot be imported")
        return {"theirs": Plugin, "default": Plugin, "nothing": object}[name]

    monkeypatch.setattr(_registry, "stage_names", lambda _: ["broken", "nothing", "theirs"])
    monkeypatch.setattr(_registry, "load_stage", load)


def test_a_path_is_a_checkpoint(tmp_path):
    labeler = load_labeler(settings(save_checkpoint(tmp_path, small_network())))
    assert isinstance(labeler, UNet3DLabeler)
    assert isinstance(labeler, Labeler)


@pytest.mark.usefixtures("plugin")
def test_a_name_is_an_installed_labeler():
    assert isinstance(load_labeler(settings("theirs")), Plugin)


@pytest.mark.usefixtures("plugin")
@pytest.mark.parametrize("metadata", [{"napari_acll_labeler": "theirs"}, {"napari_acll": "{}"}])
def test_a_file_may_name_the_labeler_that_opens_it(tmp_path, metadata):
    path = tmp_path / "model.safetensors"
    save_file(small_network().state_dict(), path, metadata=metadata)
    labeler = load_labeler(settings(path))
    assert isinstance(labeler, Plugin)
    assert labeler.settings.model == str(path)


def test_safetensors_of_a_reference_network_are_opened_as_one(tmp_path):
    save_checkpoint(tmp_path, small_network())
    save_file(small_network().state_dict(), tmp_path / "model.safetensors")
    assert isinstance(load_labeler(settings(tmp_path / "model.safetensors")), UNet3DLabeler)


def test_a_damaged_safetensors_file_is_told(tmp_path):
    (tmp_path / "model.safetensors").write_bytes(b"\xff" * 50)
    with pytest.raises(ModelError, match="damaged"):
        load_labeler(settings(tmp_path / "model.safetensors"))


@pytest.mark.usefixtures("plugin")
def test_a_labeler_that_cannot_be_used_is_told():
    with pytest.raises(ModelError, match="no from_settings"):
        load_labeler(settings("nothing"))
    with pytest.raises(ModelError, match="cannot be imported"):
        load_labeler(settings("broken"))


@pytest.mark.usefixtures("plugin")
def test_models_are_listed_also_where_one_is_broken():
    listed = {model.name: model for model in available_models()}
    assert listed["theirs"].description == "A labeler of somebody else."
    assert "cannot be imported" in listed["broken"].description


def test_the_listing_has_no_name_that_needs_a_checkpoint():
    assert "unet3d" not in {model.name for model in available_models()}


@pytest.mark.parametrize(
    ("model", "message"),
    [
        ("nosuchmodel", r"no model 'nosuchmodel'; installed are .*default"),
        ("unet3d", "or give the path of a checkpoint"),
        ("folder/best.pytorch", "does not exist"),
        ("best.pt", "does not exist"),
    ],
)
def test_what_is_not_there_is_told_with_what_is(model, message):
    with pytest.raises(ModelError, match=message):
        load_labeler(settings(model))


def test_a_folder_or_another_file_is_no_checkpoint(tmp_path):
    with pytest.raises(ModelError, match="is a folder"):
        load_labeler(settings(tmp_path))
    (tmp_path / "a.txt").write_text("x")
    with pytest.raises(ModelError, match="is no checkpoint"):
        load_labeler(settings(tmp_path / "a.txt"))


def test_importing_the_package_does_not_import_torch():
    code = "import sys, napari_acll.label as l; l.read_names; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_an_unknown_name_is_an_attribute_error():
    import napari_acll.label as label

    with pytest.raises(AttributeError, match="nothing"):
        _ = label.nothing
    assert "UNet3DLabeler" in dir(label)
