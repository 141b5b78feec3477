"""Two small plots that show how far a calibration can be believed."""

import numpy as np
import pyqtgraph as pg
from qtpy.QtCore import Qt
from qtpy.QtWidgets import QHBoxLayout, QWidget

from napari_acll.core import ChannelAlignment, VoxelGrid
from napari_acll.preprocess import ScoreProfile, VolumeEstimate

_HEIGHT_PX = 132
_BACKGROUND = "#15171c"
_Y_COLOR, _X_COLOR = "#f0a030", "#4fb3d9"
_POINT_COLOR, _LIMIT_COLOR = "#d8dee9", "#3fbf7f"
_SYMBOL_PX = 7
_LEAST_SPAN_UM = 0.3


class AlignmentPlots(QWidget):
    """The estimate of each volume around the joint one, and the score around that."""

    def __init__(self) -> None:
        super().__init__()
        self.setFixedHeight(_HEIGHT_PX)
        graphics = pg.GraphicsLayoutWidget()
        graphics.setBackground(_BACKGROUND)
        graphics.setToolTip(
            "Left: the shift of each calibration volume beside the joint one, in um; within the"
            " circle they agree well enough. Right: the score if the activity is shifted away"
            " along y or x; good is one clear top at 0."
        )
        layout = QHBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(graphics)
        self._volumes = _small_plot(graphics, "x (um)", "y (um)")
        self._volumes.getViewBox().setAspectLocked(True)
        self._volumes.getViewBox().invertY(True)
        self._points = pg.ScatterPlotItem(
            size=_SYMBOL_PX, pen=None, brush=pg.mkBrush(_POINT_COLOR), symbol="o"
        )
        self._limit = pg.PlotCurveItem(pen=pg.mkPen(_LIMIT_COLOR))
        self._volumes.addItem(self._limit)
        self._volumes.addItem(self._points)
        self._score = _small_plot(graphics, "shift (um)", "score")
        legend = self._score.addLegend(labelTextSize="7pt")
        legend.anchor((0.5, 1), (0.5, 1), offset=(0, -2))  # the curves are low at the sides
        self._along_y = self._score.plot(pen=pg.mkPen(_Y_COLOR), name="along y")
        self._along_x = self._score.plot(
            pen=pg.mkPen(_X_COLOR, style=Qt.PenStyle.DashLine), name="along x"
        )
        self._score.addItem(pg.InfiniteLine(0.0, pen=pg.mkPen(_POINT_COLOR, width=1)))

    def clear(self) -> None:
        """Show nothing."""
        self._points.setData([], [])
        for curve in (self._limit, self._along_y, self._along_x):
            curve.setData([], [])

    def show_estimates(
        self,
        joint: ChannelAlignment,
        estimates: tuple[VolumeEstimate, ...],
        *,
        grid: VoxelGrid,
        limit_um: float,
    ) -> None:
        """Show what each volume says by itself.

        Parameters
        ----------
        joint : ChannelAlignment
            The estimate of all together, in the middle.
        estimates : tuple of VolumeEstimate
            Those that found nothing are left out.
        grid : VoxelGrid
            Shifts are those of its middle.
        limit_um : float
            Radius within which volumes agree.
        """
        middle = joint.middle_shift_um(grid)
        found = [one.alignment.middle_shift_um(grid) for one in estimates if one.alignment]
        y, x = (np.array([one[axis] - middle[axis] for one in found]) for axis in (0, 1))
        self._points.setData(x, y)
        turn = np.linspace(0, 2 * np.pi, 73)
        self._limit.setData(limit_um * np.cos(turn), limit_um * np.sin(turn))
        reach = max(limit_um, _LEAST_SPAN_UM, *np.abs(x), *np.abs(y))
        self._volumes.setRange(xRange=(-reach, reach), yRange=(-reach, reach))

    def show_profile(self, profile: ScoreProfile | None) -> None:
        """Show how the score falls off beside the estimate."""
        if profile is None:
            self._along_y.setData([], [])
            self._along_x.setData([], [])
            return
        self._along_y.setData(profile.offset_um, profile.along_y)
        self._along_x.setData(profile.offset_um, profile.along_x)
        self._score.setXRange(profile.offset_um[0], profile.offset_um[-1], padding=0.02)
        highest = max(float(profile.along_y.max()), float(profile.along_x.max()), 0.1)
        self._score.setYRange(0.0, highest, padding=0.08)


def _small_plot(graphics: pg.GraphicsLayoutWidget, bottom: str, left: str) -> pg.PlotItem:
    plot = graphics.addPlot()
    plot.disableAutoRange()
    plot.hideButtons()
    plot.setMenuEnabled(False)
    plot.setMouseEnabled(x=False, y=False)
    for side, text in (("bottom", bottom), ("left", left)):
        plot.setLabel(side, text)
        plot.getAxis(side).enableAutoSIPrefix(False)
    return plot
