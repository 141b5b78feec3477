"""Napari's own preference for who opens which files; changed on the user's wish only."""

import os

from napari.settings import get_settings

from napari_acll.widgets._session_paths import SESSION_SUFFIX

_PLUGIN = "napari-acll"
# matching a preference heeds case, and a folder is matched with a separator behind its name
PATTERNS = ("*.nd2", "*.ND2", f"*{SESSION_SUFFIX}{os.sep}")


def is_preferred() -> bool:
    """Return whether napari opens ND2 files and session folders with this plugin unasked."""
    chosen = get_settings().plugins.extension2reader
    return all(chosen.get(pattern) == _PLUGIN for pattern in PATTERNS)


def prefer() -> None:
    """Let napari open ND2 files and session folders with this plugin unasked, from now on.

    The same as choosing it in **Preferences > Plugins > File extension readers**, where it can be
    taken back.
    """
    plugins = get_settings().plugins
    plugins.extension2reader = {
        **plugins.extension2reader,
        **dict.fromkeys(PATTERNS, _PLUGIN),
    }
