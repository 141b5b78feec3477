"""Maximum projections of the newest volume, which any computer can draw."""

from typing import Any

import napari.viewer
import numpy as np
import pyqtgraph as pg
from numpy.typing import NDArray
from qtpy.QtCore import QEvent, QSize, Signal
from qtpy.QtGui import QPainter, QShowEvent, QTransform
from qtpy.QtWidgets import QVBoxLayout, QWidget

from napari_acll.core import ChannelAlignment, Volume, VolumeArray, VoxelGrid
from napari_acll.widgets._colors import confidence_rgb
from napari_acll.widgets._engine import engine_of
from napari_acll.widgets._layers import activity_affine, image_placement

_COLORS = {"marker": (255, 0, 255), "activity": (0, 255, 0)}
_DARKEST, _BRIGHTEST = 50.0, 99.8
"""Percentiles of a projection: half of it shows no nucleus."""
_GAP_UM = 3.0
_DOT_PX, _CURRENT_PX = 6, 12
_LOWEST_PX = 120
"""Else the layer list takes all the room of a small screen."""


def projections(image: VolumeArray) -> tuple[NDArray[Any], NDArray[Any]]:
    """Return the maximum projections of a volume along z and along y.

    Parameters
    ----------
    image : ndarray of unsigned int, shape (Z, Y, X)
        One channel.

    Returns
    -------
    xy : ndarray of the same dtype, shape (Y, X)
    xz : ndarray of the same dtype, shape (Z, X)
    """
    return image.max(axis=0), image.max(axis=1)


def plane_transform(
    grid: VoxelGrid, affine: NDArray[np.float64], *, rows: int, shift_um: float = 0.0
) -> QTransform:
    """Return the transform from pixels of a projection to um of the recording.

    A channel that is turned has no one place along the axis that is seen through; it is placed
    as its middle is.

    Parameters
    ----------
    grid : VoxelGrid
        The grid of the volume.
    affine : ndarray of float64, shape (4, 4)
        Where the channel lies in the recording, in um, homogeneous `(z, y, x)`.
    rows : int
        Axis that the rows of the projection are: 0 for z, 1 for y.
    shift_um : float
        How far the projection is moved down.
    """
    placement = image_placement(grid)
    axes, seen_through = [rows, 2], 1 - rows
    linear = affine[np.ix_(axes, axes)]
    scale, first = np.asarray(placement["scale"]), np.asarray(placement["translate"])
    middle = first[seen_through] + (grid.shape[seen_through] - 1) / 2 * scale[seen_through]
    # a pixel covers (i, i + 1) in Qt, and is centered at i in the grid
    corner = first[axes] - scale[axes] / 2
    matrix = linear * scale[axes]
    offset = linear @ corner + affine[axes, seen_through] * middle + affine[axes, 3]
    offset[0] += shift_um
    return QTransform(matrix[1, 1], matrix[0, 1], matrix[1, 0], matrix[0, 0], offset[1], offset[0])


class ProjectionsPanel(QWidget):
    """The newest volume from above and from the side, with the chosen neurons as dots.

    Marker is magenta, activity green, laid over each other through the channel alignment. Below
    the view from above (x to the right, y down) is the one from the side (x to the right, z
    down).

    Parameters
    ----------
    viewer : napari.viewer.Viewer
        Its session is what is shown.

    Attributes
    ----------
    closed : Signal()
        The dock was closed.
    """

    closed = Signal()

    def __init__(self, viewer: "napari.viewer.Viewer") -> None:
        super().__init__()
        self._engine = engine = engine_of(viewer)
        self._shown: Any = None
        self._grid: VoxelGrid | None = None
        self._limits: dict[str, tuple[float, float]] = {}
        self._was_docked = False
        self._graphics = pg.GraphicsLayoutWidget()
        self._graphics.setBackground("k")
        self._graphics.setMinimumHeight(_LOWEST_PX)
        self._graphics.ci.layout.setContentsMargins(0, 0, 0, 0)
        self._box = self._graphics.addViewBox(lockAspect=True, invertY=True, enableMenu=False)
        self._images = {
            (kind, rows): self._add_image(color)
            for kind, color in _COLORS.items()
            for rows in (1, 0)
        }
        self._dots = pg.ScatterPlotItem(pen=None)
        self._box.addItem(self._dots, ignoreBounds=True)
        self.setToolTip(
            "Maximum projections: from above, and below it from the side (z down). Dots: chosen"
            " neurons, the large one is the current one"
        )
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self._graphics)
        engine.started.connect(self._begin)
        engine.updated.connect(self.refresh)
        engine.chosen_changed.connect(self._draw_dots)
        engine.current_changed.connect(self._draw_dots)

    def sizeHint(self) -> QSize:  # noqa: N802
        """Return a size that fits below the layer list."""
        return QSize(260, 240)

    def showEvent(self, event: QShowEvent) -> None:  # noqa: N802
        """Catch up with what came while the dock was hidden."""
        super().showEvent(event)
        self.refresh()

    def refresh(self) -> None:
        """Show the newest volume."""
        newest = self._newest() if self.isVisible() else None
        if newest is None or newest is self._shown:
            return
        self._shown = newest
        before, self._grid = self._grid, newest.volume.spec.grid
        self._draw(newest.volume)
        self._draw_dots()
        if before != self._grid:  # else what the user zoomed to stays, over sessions too
            self._box.autoRange(padding=0.02, items=list(self._images.values()))

    def event(self, event: QEvent) -> bool:
        """Tell that the dock was closed: napari sends no close event."""
        if event.type() == QEvent.Type.ParentChange:
            if self.parentWidget() is not None:
                self._was_docked = True
            elif self._was_docked:
                self._was_docked = False
                self.closed.emit()
        return bool(super().event(event))

    def _add_image(self, color: tuple[int, int, int]) -> pg.ImageItem:
        image = pg.ImageItem(axisOrder="row-major")
        ramp = np.linspace(0, 1, 256)[:, None] * np.asarray(color)
        image.setLookupTable(ramp.astype(np.uint8))
        image.setCompositionMode(QPainter.CompositionMode.CompositionMode_Plus)
        self._box.addItem(image)
        return image

    def _newest(self) -> Any:
        run = self._engine.run
        return None if run is None or run.session is None else run.session.latest()

    def _begin(self) -> None:
        self._shown = None
        self._limits = {}  # nobody has set them, and the next animal may be darker
        for image in self._images.values():
            image.clear()
        self._dots.setData([], [])

    def _draw(self, volume: Volume) -> None:
        grid = volume.spec.grid
        run = self._engine.run
        alignment = None if run is None else run.alignment
        for kind in _COLORS:
            affine = _affine_of(kind, alignment, grid)
            for rows, picture in zip((1, 0), projections(getattr(volume, kind)), strict=True):
                if kind not in self._limits:
                    self._limits[kind] = _contrast_of(picture)
                image = self._images[kind, rows]
                image.setImage(picture, autoLevels=False, levels=self._limits[kind])
                shift_um = _side_view_um(grid) if rows == 0 else 0.0
                image.setTransform(plane_transform(grid, affine, rows=rows, shift_um=shift_um))

    def _draw_dots(self) -> None:
        newest = self._shown
        if newest is None:
            return
        sample, grid = newest.sample, newest.volume.spec.grid
        numbers = [n for n in sorted(self._engine.chosen) if n <= len(sample.confidence)]
        rows = np.array(numbers, np.intp) - 1
        center_um = sample.centroid_px[rows] * np.asarray(grid.stored_voxel_size_um())
        is_seen = np.isfinite(center_um).all(axis=1)
        rows, center_um = rows[is_seen], center_um[is_seen]
        z_um, y_um, x_um = center_um.T
        size = np.where(rows + 1 == self._engine.current, _CURRENT_PX, _DOT_PX)
        brushes = [pg.mkBrush(*rgb) for rgb in confidence_rgb(sample.confidence[rows]).tolist()]
        self._dots.setData(
            np.tile(x_um, 2),
            np.concatenate([y_um, z_um + _side_view_um(grid)]),
            size=np.tile(size, 2),
            brush=brushes * 2,
        )


def _affine_of(
    kind: str, alignment: ChannelAlignment | None, grid: VoxelGrid
) -> NDArray[np.float64]:
    if kind == "activity" and alignment is not None:
        return activity_affine(alignment, grid)
    return np.eye(4)


def _side_view_um(grid: VoxelGrid) -> float:
    """Return how far the view from the side is moved down: below the view from above."""
    placement = image_placement(grid)
    size, first = placement["scale"], placement["translate"]
    bottom_um = first[1] + (grid.shape[1] - 0.5) * size[1]
    return float(bottom_um + _GAP_UM - (first[0] - size[0] / 2))


def _contrast_of(picture: NDArray[Any]) -> tuple[float, float]:
    low, high = np.percentile(picture[::2, ::2], [_DARKEST, _BRIGHTEST])
    return float(low), float(max(high, low + 1))
