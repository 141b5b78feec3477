"""What napari's settings page of this plugin does to the dock."""

from pathlib import Path

import pytest
from napari.settings import get_plugin_settings

from napari_acll.core import AcllSettings
from napari_acll.session import save_profile
from napari_acll.widgets import LiveSessionWidget
from napari_acll.widgets._preferences import Preferences
from napari_acll.widgets._setup_panel import SetupPanel

MANIFEST = Path(__file__).parents[2] / "napari.yaml"


@pytest.fixture
def page(plugin_settings, npe2pm):  # noqa: ARG001  the first keeps the user's file out of it
    with npe2pm.tmp_plugin(manifest=MANIFEST):
        yield get_plugin_settings("napari-acll").live


def test_the_page_in_the_manifest_has_the_defaults_of_the_dock(page):
    assert Preferences.load() == Preferences()
    names = set(type(page).model_fields)
    assert names == set(Preferences.__dataclass_fields__)


@pytest.mark.usefixtures("plugin_settings", "npe2pm")
def test_without_a_page_there_are_defaults():
    assert Preferences.load() == Preferences()


@pytest.mark.usefixtures("live_without_errors")
def test_what_is_chosen_there_is_what_a_new_dock_shows(page, make_napari_viewer_proxy, tmp_path):
    page.device = "cpu"
    page.n_calibration_volumes = 9
    page.folder = str(tmp_path / "sessions")
    page.shows_names = False
    page.min_confidence = 0.9
    live = LiveSessionWidget(make_napari_viewer_proxy())
    live._viewer.window.add_dock_widget(live)
    settings = live.setup.settings()
    assert settings.label.device == "cpu"
    assert settings.alignment.n_volumes == 9
    live.setup.set_recording("simulated")
    assert Path(live.setup.out.value()).parent == tmp_path / "sessions"
    assert live.engine.layers.shows_names is False
    assert live.engine.layers.min_confidence == 0.9


@pytest.fixture
def live_without_errors(monkeypatch):
    monkeypatch.setattr("napari_acll.widgets._live_widget.show_error", lambda _sentence: None)


@pytest.fixture
def setup(qtbot):
    panel = SetupPanel()
    qtbot.addWidget(panel)
    return panel


def test_a_profile_knows_its_rig_better_than_the_rest(setup):
    save_profile(AcllSettings(label={"device": "cuda:0"}, preprocess={"bin_px": 4}), "my rig")
    setup.show_preferences(Preferences(profile="my rig", device="cpu", n_calibration_volumes=9))
    assert setup.profile.value() == "my rig"
    settings = setup.settings()
    assert settings.preprocess.bin_px == 4
    assert settings.label.device == "cuda:0"


def test_a_profile_that_is_gone_is_told_and_costs_nothing_else(setup, qtbot):
    with qtbot.waitSignal(setup.failed, timeout=1000) as told:
        setup.show_preferences(Preferences(profile="gone", device="cpu"))
    assert "gone" in told.args[0]
    assert setup.settings().label.device == "cpu"
