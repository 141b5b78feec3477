import pytest

from napari_acll.core import AcllSettings, CropSettings, PreprocessSettings, SettingsError
from napari_acll.session import (
    load_settings,
    own_profiles_dir,
    profile_names,
    save_profile,
    save_settings,
)


def test_what_was_saved_is_loaded(tmp_path):
    settings = AcllSettings(
        preprocess=PreprocessSettings(crop=CropSettings(z_start_px=8, z_stop_px=72), bin_px=3)
    )
    save_settings(settings, tmp_path / "run.yaml")
    assert load_settings(tmp_path / "run.yaml") == settings


def test_a_drop_policy_that_was_never_chosen_stays_open(tmp_path):
    save_settings(AcllSettings(), tmp_path / "run.yaml")
    loaded = load_settings(tmp_path / "run.yaml")
    assert "drop_policy" not in loaded.run.model_fields_set
    save_settings(AcllSettings(run={"drop_policy": "drop_oldest"}), tmp_path / "run.yaml")
    assert load_settings(tmp_path / "run.yaml").run.drop_policy == "drop_oldest"


def test_what_is_not_given_has_its_default(tmp_path):
    (tmp_path / "run.yaml").write_text("label:\n  batch_size: 4\n")
    assert load_settings(tmp_path / "run.yaml") == AcllSettings(label={"batch_size": 4})
    (tmp_path / "run.yaml").write_text("")
    assert load_settings(tmp_path / "run.yaml") == AcllSettings()


@pytest.mark.parametrize("name", profile_names())
def test_every_profile_loads(name):
    assert isinstance(load_settings(name), AcllSettings)


def test_there_are_profiles():
    assert "flavell_raw" in profile_names()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "preprocess:\n  bim_px: 3\n",
            r"unknown key `bim_px` in `preprocess`; did you mean `bin_px`",
        ),
        ("lable: {}\n", r"unknown key `lable` at the top level; did you mean `label`"),
        (
            "preprocess:\n  crop:\n    z_start: 3\n",
            r"unknown key `z_start` in `preprocess\.crop`; did you mean `z_start_px`",
        ),
        ("xyzzy: 1\n", r"unknown key `xyzzy` at the top level; allowed are source, preprocess"),
        ("label:\n  batch_size: 99\n", r"`label\.batch_size`: .*less than or equal to 8, got 99"),
        ("label:\n  batch_size: many\n", r"`label\.batch_size`: .*integer.*, got 'many'"),
        ("label: 3\n", r"`label`: .*got 3"),
        (
            "source: {marker_channel: 1, activity_channel: 1}\n",
            "Marker and activity are both channel 1; they must differ",
        ),
        ("- a\n- b\n", "must hold settings as `key: value`, it holds a list"),
        ("label: [1\n", "is not valid YAML"),
        ("label: !!python/object/apply:os.system ['true']\n", "is not valid YAML"),
    ],
)
def test_a_bad_file_is_explained_in_one_sentence(tmp_path, text, message):
    file = tmp_path / "run.yaml"
    file.write_text(text)
    with pytest.raises(SettingsError, match=message) as raised:
        load_settings(file)
    assert str(file) in str(raised.value)
    assert "\n" not in str(raised.value)
    assert "pydantic" not in str(raised.value)


def test_a_file_that_is_not_there_names_the_profiles(tmp_path):
    with pytest.raises(SettingsError, match="flavell_binned, flavell_raw"):
        load_settings(tmp_path / "nothing.yaml")


def test_a_file_that_is_no_text_is_explained(tmp_path):
    (tmp_path / "run.yaml").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(SettingsError, match="no settings to be read"):
        load_settings(tmp_path / "run.yaml")


def test_settings_that_cannot_be_written_are_an_error(tmp_path):
    with pytest.raises(SettingsError, match="cannot be written"):
        save_settings(AcllSettings(), tmp_path / "no folder" / "run.yaml")


def test_a_profile_of_ones_own_is_found_by_name_and_knows_no_animal():
    settings = AcllSettings(
        preprocess=PreprocessSettings(bin_px=2), animal={"animal": "worm 7"}, run={"spool_mb": 9}
    )
    path = save_profile(settings, "Spinning disk 2")
    assert path.parent == own_profiles_dir()
    assert "Spinning disk 2" in profile_names()
    assert "flavell_raw" in profile_names()
    loaded = load_settings("Spinning disk 2")
    assert loaded.preprocess.bin_px == 2
    assert loaded.run.spool_mb == 9
    assert loaded.animal.animal == ""


def test_a_profile_of_ones_own_goes_before_a_shipped_one():
    save_profile(AcllSettings(preprocess=PreprocessSettings(bin_px=5)), "flavell_raw")
    assert load_settings("flavell_raw").preprocess.bin_px == 5
    assert profile_names().count("flavell_raw") == 1


@pytest.mark.parametrize("name", ["", "../rig", "a/b", "rig:2"])
def test_a_profile_whose_name_is_no_file_name_is_refused(name):
    with pytest.raises(SettingsError, match="cannot be called"):
        save_profile(AcllSettings(), name)
