"""Small rings of volumes in shared memory."""

import secrets

import numpy as np

from napari_acll.core import LiveSettings, SourceSettings

SHAPE = (3, 4, 5)
CHANNELS = ("GCaMP", "TagRFP")


def new_name():
    return f"t{secrets.token_hex(5)}"


def stack_of(index, shape=SHAPE, dtype=np.uint16):
    """Return counts (Z, Y, X, C)."""
    return np.random.default_rng(index).integers(1, 200, (*shape, 2)).astype(dtype)


def live_settings(**changed):
    live = {"start_timeout_s": 20.0, "idle_timeout_s": 20.0, "poll_ms": 1.0, **changed}
    return SourceSettings(live=LiveSettings(**live))


def require_same(volume, index, stack=None):
    stack = stack_of(index) if stack is None else stack
    assert volume.index == index
    np.testing.assert_array_equal(volume.activity, stack[..., 0])
    np.testing.assert_array_equal(volume.marker, stack[..., 1])
