"""Where the viewer looks."""

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    import napari.viewer


def look_at(viewer: "napari.viewer.Viewer", position_um: NDArray[np.floating]) -> None:
    """Put a place on the plane that is shown and in the middle of the canvas.

    Works in two and three dimensions and for any order of the axes; the zoom stays.

    Parameters
    ----------
    viewer : napari.viewer.Viewer
        Its last three axes are those of the recording.
    position_um : ndarray of float, shape (3,)
        `(z, y, x)` in um of the recording as stored.
    """
    dims, camera = viewer.dims, viewer.scene.camera
    place = np.array(dims.point, np.float64)
    place[-3:] = position_um
    hidden = [axis for axis in dims.not_displayed if axis >= dims.ndim - 3]
    if hidden:
        dims.set_point(hidden, [float(place[axis]) for axis in hidden])
    shown = [float(place[axis]) for axis in dims.displayed]
    # in two dimensions the camera may keep a depth of its own, which is left alone
    camera.center = (*camera.center[: -len(shown)], *shown)
