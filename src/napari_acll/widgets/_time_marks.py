"""Vertical lines with names: marks of the experimenter, and volumes that have no values."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

import numpy as np
import pyqtgraph as pg
from numpy.typing import NDArray
from qtpy.QtCore import Qt

from napari_acll.core import Mark, VolumeStatus
from napari_acll.widgets._trace_columns import places_between

MOST_LINES = 400
"""Only the newest are drawn: more would be a carpet."""
_MOST_NAMES = 40
_REACH = 1000.0
"""Height of the lines in rows: more than any plot has."""
_NAME_PX = 10
_GAPS = {
    VolumeStatus.SKIPPED: "skipped",
    VolumeStatus.LOST: "lost",
    VolumeStatus.UNLABELABLE: "unfit",
}


class MarkKind(StrEnum):
    """What a vertical line stands for."""

    MARK = "mark"
    """A stimulus or behavior."""
    GAP = "gap"
    """Volumes without values begin here."""
    EVENT = "event"
    """Something that the session told."""


_COLORS = {
    MarkKind.MARK: (127, 209, 255, 200),
    MarkKind.GAP: (240, 160, 48, 150),
    MarkKind.EVENT: (154, 160, 170, 150),
}


@dataclass(frozen=True, slots=True)
class TimeMark:
    """A vertical line.

    Parameters
    ----------
    volume : float
        Where it stands, in volumes from the start; between two volumes it is a fraction.
    text : str
        Its name.
    kind : MarkKind
        Decides the color.
    """

    volume: float
    text: str
    kind: MarkKind


def gap_marks(status: NDArray[np.uint8]) -> list[TimeMark]:
    """Return a mark for every stretch of volumes without values, the oldest first.

    Parameters
    ----------
    status : ndarray of uint8, shape (n_timepoints,)
        `VolumeStatus` of each volume.
    """
    edges = np.flatnonzero(np.diff(status)) + 1
    starts = np.concatenate([[0], edges]) if len(status) else edges
    stops = np.concatenate([edges, [len(status)]])
    found = []
    for start, stop in zip(starts.tolist(), stops.tolist(), strict=False):
        name = _GAPS.get(VolumeStatus(int(status[start])))
        if name is not None:
            found.append(TimeMark(start - 0.5, f"{name} {stop - start}", MarkKind.GAP))
    return found


def session_marks(marks: Sequence[Mark], time_s: NDArray[np.float64]) -> list[TimeMark]:
    """Return where the marks of a session stand; those without a time stand nowhere.

    Parameters
    ----------
    marks : sequence of Mark
        Marks of behavior and stimuli.
    time_s : ndarray of float64, shape (n_timepoints,)
        Time of every volume, in s, finite.
    """
    known = [mark for mark in marks if np.isfinite(mark.time_s)]
    places = places_between(
        np.array([mark.time_s for mark in known]), time_s, np.arange(len(time_s), dtype=float)
    )
    return [
        TimeMark(place, _text(mark), MarkKind.MARK)
        for place, mark in zip(places.tolist(), known, strict=True)
    ]


def _text(mark: Mark) -> str:
    return mark.name if np.isnan(mark.value) else f"{mark.name} {mark.value:g}"


class TimeMarkLines:
    """Draws marks through several plots, and names as many as there is room for in one of them.

    Parameters
    ----------
    plots : sequence of pyqtgraph.PlotItem
        All of them get the lines; the last one gets the names, at its top.
    """

    def __init__(self, plots: Sequence[pg.PlotItem]) -> None:
        self._box = plots[-1].getViewBox()
        self._curves: dict[MarkKind, list[pg.PlotCurveItem]] = {kind: [] for kind in MarkKind}
        for kind, curves in self._curves.items():
            for plot in plots:
                pen = pg.mkPen(*_COLORS[kind], width=1, style=Qt.PenStyle.DashLine)
                curve = pg.PlotCurveItem(pen=pen, skipFiniteCheck=True)
                plot.getViewBox().addItem(curve, ignoreBounds=True)
                curves.append(curve)
        self._names: list[pg.TextItem] = []
        self._written: list[tuple[str, MarkKind] | None] = []
        self._placed: list[tuple[float, TimeMark]] = []
        for signal in (self._box.sigRangeChanged, self._box.sigResized):
            signal.connect(self._write_names)

    def update(self, marks: Sequence[TimeMark], position: NDArray[np.float64]) -> None:
        """Draw these marks.

        Parameters
        ----------
        marks : sequence of TimeMark
            In any order; the last `MOST_LINES` in time are drawn.
        position : ndarray of float64, shape (n_timepoints,)
            Where volumes lie on the horizontal axis.
        """
        newest = sorted(marks, key=lambda mark: mark.volume)[-MOST_LINES:]
        volumes = np.array([mark.volume for mark in newest])
        places = places_between(volumes, np.arange(len(position), dtype=float), position)
        self._placed = list(zip(places.tolist(), newest, strict=True))
        for kind, curves in self._curves.items():
            at = [place for place, mark in self._placed if mark.kind is kind]
            for curve in curves:
                curve.setData(np.repeat(at, 2), np.tile([-1.0, _REACH], len(at)), connect="pairs")
        self._write_names()

    def _write_names(self) -> None:
        (left, right), (_, top) = self._box.viewRange()
        width_px = self._box.width()
        px_per_unit = width_px / max(right - left, 1e-9)
        free_px, n_written = np.inf, 0
        for place, mark in reversed(self._placed):
            if n_written == _MOST_NAMES or not left <= place <= right:
                continue
            name = self._name(n_written, mark)
            place_px, name_px = (place - left) * px_per_unit, name.boundingRect().width()
            is_at_the_end = place_px + name_px > width_px
            start_px = place_px - name_px if is_at_the_end else place_px
            if start_px + name_px > free_px:
                continue  # the next one takes this item
            name.setAnchor((1, 0) if is_at_the_end else (0, 0))
            name.setPos(place, top)
            name.show()
            free_px, n_written = start_px, n_written + 1
        for name in self._names[n_written:]:
            name.hide()

    def _name(self, number: int, mark: TimeMark) -> pg.TextItem:
        if number == len(self._names):
            name = pg.TextItem(anchor=(0, 0), fill=(21, 23, 28, 190))
            font = name.textItem.font()
            font.setPixelSize(_NAME_PX)
            name.setFont(font)
            self._box.addItem(name, ignoreBounds=True)
            self._names.append(name)
            self._written.append(None)
        name = self._names[number]
        if self._written[number] != (mark.text, mark.kind):
            name.setText(mark.text, color=_COLORS[mark.kind][:3])
            self._written[number] = mark.text, mark.kind
        return name
