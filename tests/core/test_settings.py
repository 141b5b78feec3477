import pytest
import yaml
from pydantic import ValidationError

from napari_acll.core import AcllSettings, LabelSettings, SourceSettings


def test_a_misspelled_key_is_refused():
    with pytest.raises(ValidationError, match="devise"):
        LabelSettings.model_validate({"devise": "cpu"})


def test_settings_are_frozen():
    with pytest.raises(ValidationError, match="frozen"):
        LabelSettings().device = "cpu"  # type: ignore[misc]


def test_one_channel_cannot_be_both():
    with pytest.raises(ValidationError, match="both channel 1"):
        SourceSettings(marker_channel=1, activity_channel=1)


@pytest.mark.parametrize("device", ["gpu", "cuda:", "CPU", "cuda:a"])
def test_a_device_that_does_not_exist_is_refused(device):
    with pytest.raises(ValidationError, match="device"):
        LabelSettings(device=device)


def test_settings_survive_their_own_json():
    settings = AcllSettings(label=LabelSettings(device="cuda:1"))
    assert AcllSettings.model_validate_json(settings.model_dump_json()) == settings


@pytest.mark.parametrize(
    ("text", "mode"), [("off", "off"), ("on", "on"), ("auto", "auto"), ("'off'", "off")]
)
def test_on_and_off_mean_what_they_say_in_yaml_too(text, mode):
    # YAML reads an unquoted `off` as false
    settings = AcllSettings.model_validate(yaml.safe_load(f"publish: {{mode: {text}}}"))
    assert settings.publish.mode == mode


def test_switching_on_what_has_no_on_is_an_error():
    assert AcllSettings.model_validate({"run": {"backfill": False}}).run.backfill == "off"
    with pytest.raises(ValidationError):
        AcllSettings.model_validate({"run": {"backfill": True}})
