"""A film of known counts, and a rig that plays it fast."""

import numpy as np

from napari_acll.core import LiveSettings, SourceSettings, Volume, VolumeSpec, VoxelGrid
from napari_acll.rig import Film, RigPlan, RouteName, make_film

PERIOD_S = 0.02
SHAPE = (4, 6, 8)
PATIENCE_S = 20.0


class Recording:
    """Volumes of random counts."""

    def __init__(self, n_volumes, dtype=np.uint16, shape=SHAPE):
        self.spec = VolumeSpec(
            grid=VoxelGrid.as_stored(shape, (0.54, 0.18, 0.18)), period_s=PERIOD_S
        )
        rng = np.random.default_rng(n_volumes)
        self.counts = rng.integers(1, 2**16, (n_volumes, 2, *shape)).astype(dtype)

    def __iter__(self):
        for index, (activity, marker) in enumerate(self.counts):
            yield Volume(
                index=index,
                timestamp_s=index * PERIOD_S,
                marker=marker,
                activity=activity,
                spec=self.spec,
                slice_times_s=np.linspace(0, PERIOD_S, SHAPE[0]) + index * PERIOD_S,
            )


def film_of(folder, n_volumes=3, shape=SHAPE):
    """Return a film and its counts (T, C, Z, Y, X), channel 0 the activity."""
    recording = Recording(n_volumes, shape=shape)
    make_film(recording, folder / "film", n_volumes)
    return Film(folder / "film"), recording.counts


def plan_of(folder, out, route, n_volumes, **options):
    return RigPlan(
        out=str(out),
        route=RouteName(route),
        n_volumes=n_volumes,
        log=folder / "rig.csv",
        **options,
    )


def following(**live):
    """Return settings that follow a recording patiently, whatever is there before."""
    return SourceSettings(
        live=LiveSettings(
            is_live=True,
            poll_ms=1,
            start_timeout_s=PATIENCE_S,
            **{"takes_existing": True, "idle_timeout_s": PATIENCE_S, **live},
        )
    )
