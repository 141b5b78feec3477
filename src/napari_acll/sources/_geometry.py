"""Voxel sizes and times of recordings that do not tell them, or not well."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from napari_acll.core import PreprocessSettings, SourceSettings

ASSUMED_PERIOD_S = 1.0
"""Period of a recording without times; times then count volumes."""

# the size after binning, so that a recording of unknown size is not binned
_ASSUMED_SIZE_UM: float = PreprocessSettings().target_pixel_um


def resolve_voxel_size(
    found_um: Sequence[float | None], settings: SourceSettings, notes: list[str]
) -> tuple[float, float, float]:
    """Return the `(Z, Y, X)` voxel size: the settings' own, else the file's, else assumed.

    Parameters
    ----------
    found_um : sequence of float or None
        `(Z, Y, X)` as the file gives it, in um; None where it does not.
    settings : SourceSettings
        May override it.
    notes : list of str
        Gets a sentence if a size had to be assumed.
    """
    if settings.voxel_size_um is not None:
        return settings.voxel_size_um
    unknown = [axis for axis, size in zip("zyx", found_um, strict=True) if not _is_size(size)]
    if unknown:
        notes.append(
            f"The recording does not tell its voxel size along {', '.join(unknown)};"
            f" {_ASSUMED_SIZE_UM:g} um are assumed. Give the voxel size if this is wrong."
        )
    z, y, x = (
        float(size) if size is not None and _is_size(size) else _ASSUMED_SIZE_UM
        for size in found_um
    )
    return z, y, x


def resolve_period(
    found_s: float | None, settings: SourceSettings, notes: list[str], *, n_volumes: int
) -> float:
    """Return the period: the settings' own, else the file's, else assumed, in s."""
    if settings.period_s is not None:
        return settings.period_s
    if found_s is not None and np.isfinite(found_s) and found_s > 0:
        return float(found_s)
    if n_volumes > 1:
        notes.append(
            f"The recording does not tell its times; {ASSUMED_PERIOD_S:g} s between volumes are"
            " assumed. Give the period if this is wrong."
        )
    return ASSUMED_PERIOD_S


def even_slice_times(start_s: float, n_z: int, period_s: float) -> NDArray[np.float64]:
    """Return slice times, shape `(n_z,)`, as if the sweep filled the period evenly."""
    return np.asarray(start_s + np.arange(n_z) * (period_s / n_z), np.float64)


def are_times(times_s: NDArray[np.float64]) -> bool:
    """Return whether these can be the times of frames taken one after the other.

    Some recordings hold times that are constant, not finite or jump back.
    """
    if times_s.size < 2:
        return bool(np.isfinite(times_s).all())
    if not np.isfinite(times_s).all() or times_s[-1] <= times_s[0]:
        return False
    return bool((np.diff(times_s) >= 0).all())


def _is_size(size: float | None) -> bool:
    return size is not None and bool(np.isfinite(size)) and size > 0
