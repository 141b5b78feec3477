"""Which setting wins."""

import pytest

from napari_acll.cli import run
from napari_acll.cli._resolve import resolve_settings
from napari_acll.core import AcllSettings, Pace, SettingsError
from napari_acll.session import load_settings, profile_names


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "mine.yaml"
    path.write_text("preprocess:\n  bin_px: 2\nlabel:\n  device: cpu\n")
    return path


def test_nothing_given_is_the_defaults():
    assert resolve_settings({}) == AcllSettings()


def test_a_profile_wins_over_the_defaults():
    assert resolve_settings({"profile": "flavell_raw"}).preprocess.bin_px == 3


def test_a_file_wins_over_a_profile_and_leaves_the_rest(file):
    settings = resolve_settings({"profile": "flavell_raw", "config": [file]})
    assert settings.preprocess.bin_px == 2
    assert settings.preprocess.crop.x_start_px == 57


def test_an_option_wins_over_a_file(file):
    settings = resolve_settings({"config": [file], "device": "cuda:1", "pace": Pace.RECORDED})
    assert settings.label.device == "cuda:1"
    assert settings.preprocess.bin_px == 2
    assert settings.run.pace is Pace.RECORDED


def test_any_setting_can_be_given_by_its_name():
    settings = resolve_settings({"set_": ["preprocess.crop.z_start_px=4", "run.save_labels=no"]})
    assert settings.preprocess.crop.z_start_px == 4
    assert not settings.run.save_labels


def test_the_configuration_of_a_network_goes_to_the_network(tmp_path):
    path = tmp_path / "train.yaml"
    path.write_text("model:\n  name: UNet3D\n  out_channels: 13\n")
    assert resolve_settings({"config": [path]}).label.config_file == str(path)


def test_an_open_drop_policy_stays_open():
    assert "drop_policy" not in resolve_settings({"pace": Pace.MAX}).run.model_fields_set


def test_an_unknown_profile_names_those_that_exist():
    with pytest.raises(SettingsError, match="flavell_raw"):
        resolve_settings({"profile": "nobody"})


@pytest.mark.parametrize("name", profile_names())
def test_the_printed_settings_can_be_read_again(name, capsys, tmp_path):
    assert (
        run(["settings", "--profile", name, "--set", "animal.notes='a \"quoted\" note: x'"]) == 0
    )
    (tmp_path / "all.yaml").write_text(capsys.readouterr().out, encoding="utf-8")
    printed = load_settings(tmp_path / "all.yaml")
    expected = load_settings(name)
    assert printed.model_dump(exclude={"animal"}) == expected.model_dump(exclude={"animal"})
    assert printed.animal.notes == 'a "quoted" note: x'
