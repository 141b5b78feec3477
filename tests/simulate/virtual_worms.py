"""Animals and settings that the tests of the virtual worm share."""

import numpy as np

from napari_acll.core import ChannelAlignment, VoxelGrid
from napari_acll.simulate import (
    ActivitySettings,
    AnimalShape,
    MotionSettings,
    OpticsSettings,
    WormSettings,
)


def dark_optics(**changes: object) -> OpticsSettings:
    """Optics that add nothing to the nuclei."""
    nothing = dict.fromkeys(
        ("haze", "background_counts", "autofluorescence_counts", "bleed_through", "flicker"), 0.0
    )
    return OpticsSettings(**{**nothing, **changes})


def still_settings(**changes: object) -> WormSettings:
    """A motionless animal, dark but for its nuclei, that neither bleaches nor has false spots."""
    settings = {
        "grid": VoxelGrid.as_stored((40, 60, 80), (1.0, 1.0, 1.0)),
        "n_volumes": 6,
        "motion": MotionSettings.still(),
        "optics": dark_optics(read_noise_counts=0.0, counts_per_photon=0.0),
        "activity": ActivitySettings(reporter="gfp", bleach_time_s=float("inf")),
        "alignment": ChannelAlignment.identity(),
        "orientation": "left",
        "n_false_spots": 0,
    }
    return WormSettings(**{**settings, **changes})


def lone_nuclei(*position_um: tuple[float, float, float], radius_um: float = 2.0) -> AnimalShape:
    """An animal of a few nuclei of equal brightness."""
    n = len(position_um)
    return AnimalShape(
        names=tuple(f"N{index}" for index in range(n)),
        position_um=np.asarray(position_um, np.float64),
        radius_um=np.full(n, radius_um),
        brightness=np.ones(n),
        is_listed=np.ones(n, bool),
        modes_um=np.zeros((n, 3, 1)),
    )
