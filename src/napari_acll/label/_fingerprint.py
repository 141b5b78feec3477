"""What a model answers on a made-up volume, so that a copy of it can be tried anywhere."""

import numpy as np
from numpy.typing import NDArray

from napari_acll.core import LabelSettings, Volume, VolumeSpec, VoxelGrid
from napari_acll.label._fingerprint_card import Fingerprint
from napari_acll.label._point_labeler import PointLabeler
from napari_acll.label._point_model import PointModel

_MARGIN_UM = 12.0
_RADIUS_UM = 1.3
_PEAK_COUNTS = 150.0
_BACKGROUND_COUNTS = 120.0
_NOISE_COUNTS = 12.0
_LARGEST_CHANGE = 0.05
_LEAST_SAME_NAMES = 0.9


def atlas_volume(model: PointModel) -> Volume:
    """Return a volume in which every neuron lies where it does in the average animal.

    Made of nothing but arithmetic and the model's own atlas, so that it is the same wherever and
    whenever it is made.

    Parameters
    ----------
    model : PointModel
        Whose atlas it shows.
    """
    voxel_um = np.asarray(model.card.voxel_size_um)
    place_um = model.atlas.mean_um - model.atlas.mean_um.min(0) + _MARGIN_UM
    z, y, x = np.ceil((place_um.max(0) + _MARGIN_UM) / voxel_um).astype(int).tolist()
    light = _noise((z, y, x))
    for place in place_um / voxel_um:
        _add_ball(light, place, voxel_um)
    marker = np.rint(np.clip(light, 0, 65535)).astype(np.uint16)
    grid = VoxelGrid.as_stored((z, y, x), model.card.voxel_size_um)
    return Volume(
        index=0,
        timestamp_s=0.0,
        marker=marker,
        activity=marker,
        spec=VolumeSpec(grid=grid, period_s=0.6),
        slice_times_s=np.linspace(0, 0.5, z),
        marker_background=_BACKGROUND_COUNTS,
        activity_background=_BACKGROUND_COUNTS,
    )


def _noise(shape: tuple[int, int, int]) -> NDArray[np.float64]:
    """Return counts that look random but are computed from their place, uniform in sum."""
    z, y, x = np.ogrid[: shape[0], : shape[1], : shape[2]]
    scrambled = (z * 7919 + y * 104_729 + x * 1_299_709 + z * y * 31 + y * x * 17) % 65_537
    uniform = (scrambled * 75 % 65_537) / 65_537
    noise: NDArray[np.float64] = _BACKGROUND_COUNTS + _NOISE_COUNTS * 3.46 * (uniform - 0.5)
    return noise


def _add_ball(
    light: NDArray[np.float64], place_px: NDArray[np.float64], voxel_um: NDArray[np.float64]
) -> None:
    reach = np.ceil(4 * _RADIUS_UM / voxel_um).astype(int)
    low = np.maximum(np.rint(place_px).astype(int) - reach, 0)
    high = np.minimum(np.rint(place_px).astype(int) + reach + 1, light.shape)
    z, y, x = (
        (np.arange(a, b) - center) * size / _RADIUS_UM
        for a, b, center, size in zip(low, high, place_px, voxel_um, strict=True)
    )
    square = z[:, None, None] ** 2 + y[None, :, None] ** 2 + x[None, None, :] ** 2
    box = tuple(slice(int(a), int(b)) for a, b in zip(low, high, strict=True))
    light[box] += _PEAK_COUNTS * np.exp(-0.5 * square)


def take_fingerprint(model: PointModel) -> Fingerprint:
    """Return what a model answers on the volume of its own atlas.

    Parameters
    ----------
    model : PointModel
        The model, calibrated.
    """
    # how odd the volume is does not matter here, what the networks answer does
    card = model.card.model_copy(update={"reference": None})
    bare = PointModel(card, model.detector, model.identifier)
    labeler = PointLabeler(bare, settings=LabelSettings(device="cpu"))
    found = labeler.label([atlas_volume(model)])[0].detections
    is_named = found.neuron > 0
    mean = float(found.probability[is_named].mean()) if is_named.any() else 0.0
    return Fingerprint(
        n_nuclei=len(found),
        n_named=int(is_named.sum()),
        mean_probability=round(min(max(mean, 0.0), 1.0), 4),
        names=tuple(sorted(model.neurons.name(int(number)) for number in found.neuron[is_named])),
    )


def fingerprint_difference(kept: Fingerprint, taken: Fingerprint) -> str:
    """Return how two fingerprints differ by more than rounding does, empty if they do not.

    Parameters
    ----------
    kept : Fingerprint
        Of the model when it was saved.
    taken : Fingerprint
        Of the model now.
    """
    for what in ("n_nuclei", "n_named"):
        before, now = getattr(kept, what), getattr(taken, what)
        if abs(now - before) > max(2, _LARGEST_CHANGE * before):
            words = what.removeprefix("n_")
            return f"{now} {words} instead of {before}"
    if abs(taken.mean_probability - kept.mean_probability) > _LARGEST_CHANGE:
        return f"mean probability {taken.mean_probability} instead of {kept.mean_probability}"
    same = len(set(kept.names) & set(taken.names)) / max(len(kept.names), 1)
    if kept.names and same < _LEAST_SAME_NAMES:
        return f"only {same:.0%} of the names are the same"
    return ""
