"""The darkroom theme is red on black, and napari knows it."""

from pathlib import Path

import numpy as np
import pytest
from napari.utils.theme import available_themes, get_theme, unregister_theme
from npe2 import PluginManifest

MANIFEST = PluginManifest.from_file(Path(__file__).parents[2] / "napari.yaml")
THEME_ID = "acll-darkroom"


def _rgb(color):
    return np.array(color.as_rgb_tuple()[:3])


@pytest.fixture
def theme():
    (theme,) = [theme for theme in MANIFEST.contributions.themes if theme.id == THEME_ID]
    return theme


def test_it_is_red_on_black(theme):
    colors = theme.colors
    assert _rgb(colors.canvas).tolist() == [0, 0, 0]
    for name in ("background", "foreground", "primary", "secondary", "highlight", "text", "icon"):
        red, green, blue = _rgb(getattr(colors, name))
        assert red >= 2 * max(green, blue), name


def test_text_can_be_read_on_every_surface(theme):
    weights = np.array([0.2126, 0.7152, 0.0722])

    def luminance(color):
        share = _rgb(color) / 255
        return weights @ np.where(
            share <= 0.03928, share / 12.92, ((share + 0.055) / 1.055) ** 2.4
        )

    text = luminance(theme.colors.text)
    for name in ("background", "foreground", "primary"):
        contrast = (text + 0.05) / (luminance(getattr(theme.colors, name)) + 0.05)
        assert contrast >= 4.5, name  # WCAG 2.1, AA


def test_napari_offers_it_and_the_viewer_takes_it(theme, npe2pm, make_napari_viewer_proxy):
    from napari.utils.theme import _install_npe2_themes  # what napari does when it starts

    with npe2pm.tmp_plugin(manifest=MANIFEST):
        _install_npe2_themes()
    assert THEME_ID in available_themes()
    viewer = make_napari_viewer_proxy()
    viewer.theme = THEME_ID
    assert get_theme(THEME_ID).text.as_hex() == theme.colors.text.as_hex()
    viewer.theme = "dark"
    unregister_theme(THEME_ID)
