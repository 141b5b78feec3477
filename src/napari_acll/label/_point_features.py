"""What is told about each nucleus beside its place."""

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.distance import pdist, squareform

_DENSITY_RADII_UM = (4.0, 8.0)


def nucleus_features(
    position_um: NDArray[np.floating],
    *,
    brightness: NDArray[np.floating],
    radius_um: NDArray[np.floating],
    height: NDArray[np.floating],
    is_fine: bool,
) -> NDArray[np.float32]:
    """Return the features of all nuclei of one volume.

    Parameters
    ----------
    position_um : ndarray of float, shape (n, 3)
        `(z, y, x)` in any rigidly moved frame.
    brightness : ndarray of float, shape (n,)
        Marker counts above background, in any unit.
    radius_um : ndarray of float, shape (n,)
        Radius of a ball of the nucleus's size.
    height : ndarray of float, shape (n,)
        How sure the detector is, 0 to 1.
    is_fine : bool
        Whether the positions are in the frame of the atlas to an affine map, not only a rigid one.

    Returns
    -------
    ndarray of float32, shape (n, N_FEATURES)
        Log brightness against the median, radius, sureness, distances to the four nearest
        nuclei, how many are near (two radii), `is_fine`.
    """
    distance = squareform(pdist(np.asarray(position_um, np.float64)))
    nearest = np.full((len(distance), 4), 20.0)
    n_near = min(4, len(distance) - 1)
    if n_near > 0:
        closest = np.partition(distance, n_near, axis=1)[:, : n_near + 1]
        nearest[:, :n_near] = np.sort(closest, axis=1)[:, 1:]
    light = np.log(np.maximum(brightness, 1e-6))
    near = [(distance < radius).sum(1) / radius**2 * 2.0 for radius in _DENSITY_RADII_UM]
    columns = [
        np.clip(light - np.median(light), -3, 3),
        np.asarray(radius_um) / 1.6 - 1.0,
        np.asarray(height) - 0.5,
        *(np.log(nearest.T + 0.5) - 1.2),
        *near,
        np.full(len(distance), float(is_fine)),
    ]
    return np.stack(columns, 1).astype(np.float32)


def as_fine(features: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return features as they are in the frame of the atlas to an affine map.

    Parameters
    ----------
    features : ndarray of float32, shape (n, N_FEATURES)
        See `nucleus_features`.
    """
    fine = features.copy()
    fine[:, -1] = 1.0
    return fine
