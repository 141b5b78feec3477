"""A line across the traces at the volume of a saved session that the viewer shows."""

from collections.abc import Callable, Sequence

import numpy as np
import pyqtgraph as pg
from numpy.typing import NDArray

from napari_acll.widgets._engine import LiveEngine

_COLOR = (255, 255, 255, 170)


class TimeCursor:
    """One line per plot, all at the same volume; drag one to go to another volume.

    There is none while a session runs: the newest volume is at the right end.

    Parameters
    ----------
    engine : LiveEngine
        Knows the volume, and moves the viewer.
    plots : sequence of pyqtgraph.PlotItem
        Where the lines are drawn.
    places : callable, optional
        Returns where each volume lies on the x axis; None: at its time in s.
    """

    def __init__(
        self,
        engine: LiveEngine,
        plots: Sequence[pg.PlotItem],
        places: Callable[[], NDArray[np.float64]] | None = None,
    ) -> None:
        self._engine = engine
        self._places = places or self._times_s
        self._index: int | None = None
        self._lines = [_line_in(plot) for plot in plots]
        for line in self._lines:
            line.sigDragged.connect(self._move_others)
            line.sigPositionChangeFinished.connect(self._go_to)
        engine.started.connect(self.hide)
        engine.volume_shown.connect(self.show)

    @property
    def is_shown(self) -> bool:
        """Whether there is a line."""
        return bool(self._lines[0].isVisible())

    @property
    def place(self) -> float:
        """Where it stands on the x axis."""
        return float(self._lines[0].value())

    def hide(self) -> None:
        """Take the lines away."""
        self._index = None
        for line in self._lines:
            line.hide()

    def show(self, index: int) -> None:
        """Put the lines at a volume."""
        self._index = index
        self.follow_axis()

    def follow_axis(self) -> None:
        """Stay at the volume when the axis has changed."""
        places = self._known_places()
        if self._index is None or self._index >= len(places):
            return
        for line in self._lines:
            line.setValue(float(places[self._index]))
            line.show()

    def _known_places(self) -> NDArray[np.float64]:
        """Return where volumes lie; at their times, as long as nothing is drawn."""
        places = self._places()
        return places if len(places) else self._times_s()

    def _times_s(self) -> NDArray[np.float64]:
        run = self._engine.run
        session = None if run is None else run.session
        if session is None:
            return np.zeros(0)
        known = session.store.time_s
        on_period = np.arange(len(known)) * session.spec.period_s
        return np.where(np.isfinite(known), known, on_period)

    def _move_others(self, moved: pg.InfiniteLine) -> None:
        for line in self._lines:
            if line is not moved:
                line.setValue(moved.value())

    def _go_to(self, moved: pg.InfiniteLine) -> None:
        places = self._known_places()
        if len(places):
            self._engine.show_volume(int(np.abs(places - moved.value()).argmin()))


def _line_in(plot: pg.PlotItem) -> pg.InfiniteLine:
    line = pg.InfiniteLine(angle=90, movable=True, pen=pg.mkPen(*_COLOR, width=1))
    line.setToolTip("The volume that the viewer shows; drag to go to another one")
    line.hide()
    plot.addItem(line, ignoreBounds=True)
    return line
