"""What is drawn of a growing trace store, at the least cost."""

from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import NDArray

from napari_acll.core import Mark, TraceStore, volume_times
from napari_acll.widgets._shown_values import ShownValues
from napari_acll.widgets._time_marks import TimeMark, gap_marks, session_marks
from napari_acll.widgets._trace_columns import ColumnWatch, places_between
from napari_acll.widgets._trace_overlays import TraceSurroundings
from napari_acll.widgets._trace_plots import TracePlots
from napari_acll.widgets._trace_scaling import TraceScaling
from napari_acll.widgets._trace_view import TimeAxis, TraceValues, TraceView


class TracePicture:
    """Keeps the plots up to date: only volumes that are new or have changed are drawn.

    Parameters
    ----------
    plots : TracePlots
        Where it is drawn.
    """

    def __init__(self, plots: TracePlots) -> None:
        self.is_following = True
        self._plots = plots
        self._view = TraceView()
        self._period_s = 1.0
        self._marks: list[object] = []
        self._redraws_from = 0
        self._has_new_rows = True
        self._reference: int | None = None
        self.clear()

    def clear(self) -> None:
        """Forget the recording, and which traces are drawn."""
        self._rows: NDArray[np.intp] = np.zeros(0, np.intp)
        self._position: NDArray[np.float64] = np.zeros(0)
        self._time_s: NDArray[np.float64] = np.zeros(0)
        self._watch = ColumnWatch()
        self._plots.clear_traces()
        self._restart()

    def begin(self, period_s: float) -> None:
        """Prepare for a recording with this time from volume to volume, in s."""
        self._period_s = period_s
        self._restart()

    def set_reference(self, row: int | None) -> None:
        """Draw the trace of this neuron behind all others, too; None: of none."""
        if row != self._reference:
            self._reference = row
            self._has_new_rows = True

    def set_rows(self, rows: Sequence[int], names: Sequence[str]) -> None:
        """Draw the traces of these neurons, from the top."""
        if not np.array_equal(rows, self._rows):
            self._rows = np.asarray(rows, np.intp)
            self._has_new_rows = True
        self._plots.set_names(names)

    def set_view(self, view: TraceView) -> None:
        """Draw other values, on another axis, or more or less of the recording."""
        before, self._view = self._view, view
        if view.values is not before.values:
            self._restart()
        if view.axis is not before.axis:
            self._change_axis()
        self._has_new_rows |= view.has_band != before.has_band
        self.follow()

    def places(self) -> NDArray[np.float64]:
        """Return where each volume lies on the horizontal axis, shape `(n_timepoints,)`."""
        return self._position

    @property
    def is_behind(self) -> bool:
        """Whether the next update draws what this one was too short for."""
        return self._shown.is_behind

    @property
    def _is_unfinished(self) -> bool:
        return self._shown.share_done < 1

    def sentence(self) -> str:
        """Return what the height of one row stands for, or how far the values are worked out."""
        if self._is_unfinished:
            return f"working out: {self._shown.share_done:.0%}"
        return self._scaling.sentence()

    def update(self, store: TraceStore, marks: Sequence[Mark], events: Iterable[TimeMark]) -> None:
        """Draw what is new.

        Parameters
        ----------
        store : TraceStore
            The traces so far.
        marks : sequence of Mark
            Marks of behavior and stimuli.
        events : iterable of TimeMark
            What the session told.
        """
        n_timepoints = store.n_timepoints
        status = store.status[:n_timepoints]
        changed = self._watch.first_new(status)
        first = min(changed, self._redraws_from)
        lines = [*marks, *events]
        has_new_marks = lines != self._marks
        if first == n_timepoints and not self._has_new_rows and not has_new_marks:
            return
        values = self._shown.update(store.ratio[:, :n_timepoints], first=changed)
        if self._is_unfinished:
            self._redraws_from = first
            return
        time_s = volume_times(store.time_s[:n_timepoints], self._period_s)
        self._place(time_s)
        if first < n_timepoints or self._has_new_rows:
            self._draw(store, values, first)
        if first < n_timepoints or has_new_marks:
            placed = [*gap_marks(status), *session_marks(marks, time_s), *events]
            self._plots.draw_marks(placed, self._position)
        self._marks, self._has_new_rows = lines, False
        self._redraws_from = self._shown.stale_from
        self.follow()

    def follow(self) -> None:
        """Show the newest volumes, if that is wanted."""
        if not self.is_following or not len(self._position):
            return
        left, right = self._edges()
        if self._view.window_s is not None:
            left = right - self._view.window_s * (self._step() / self._period_s)
        self._plots.show_span(left, right)

    def _restart(self) -> None:
        """Work everything out anew, at the next update."""
        self._scaling = TraceScaling(self._view.values)
        self._shown = ShownValues(self._view.values, self._period_s)
        self._marks = []
        self._redraws_from, self._has_new_rows = 0, True
        for part in (self._plots.heat_map, self._plots.lines, self._plots.overlays):
            part.clear()

    def _draw(self, store: TraceStore, values: NDArray[np.float32], first: int) -> None:
        confidence = store.confidence[:, : values.shape[1]]
        generation = self._scaling.generation
        self._scaling.update(values)
        self._plots.draw_all(values, confidence, self._scaling, first=first, edges=self._edges())
        is_all_new = self._has_new_rows or generation != self._scaling.generation
        first = 0 if is_all_new else first
        normalized = self._scaling.normalized(values[self._rows], self._rows)
        self._plots.lines.update(self._position, normalized, confidence[self._rows], first=first)
        around = self._surroundings(store, values)
        self._plots.overlays.update(self._position, normalized, around, first=first)

    def _surroundings(self, store: TraceStore, values: NDArray[np.float32]) -> TraceSurroundings:
        rows, n_timepoints = self._rows, values.shape[1]
        height_sd = reference = None
        if self._view.has_band and self._view.values is not TraceValues.DECONVOLVED:
            sd = store.ratio_sd[rows, :n_timepoints]
            if self._view.values is TraceValues.OVER_BASELINE:  # divided as the ratio was
                with np.errstate(divide="ignore", invalid="ignore"):
                    sd = sd * (values[rows] / store.ratio[rows, :n_timepoints])
            height_sd = self._scaling.in_ranges(sd, rows)
        if self._reference is not None and self._reference < len(values):
            row = np.array([self._reference])
            reference = self._scaling.normalized(values[row], row)[0]
        return TraceSurroundings(
            height_sd=height_sd, flags=store.flags[rows, :n_timepoints], reference=reference
        )

    def _place(self, time_s: NDArray[np.float64]) -> None:
        in_volumes = self._view.axis is TimeAxis.VOLUMES
        self._position = np.arange(len(time_s), dtype=np.float64) if in_volumes else time_s
        self._time_s = time_s

    def _change_axis(self) -> None:
        """Change the unit of the axis; what the user looks at stays the same."""
        self._plots.set_axis(self._view.axis)
        self._redraws_from, self._has_new_rows = 0, True
        if not len(self._position):
            return
        before = self._position
        self._place(self._time_s)
        left, right = places_between(np.array(self._plots.span), before, self._position)
        self._plots.show_span(float(left), float(right))

    def _step(self) -> float:
        return 1.0 if self._view.axis is TimeAxis.VOLUMES else self._period_s

    def _edges(self) -> tuple[float, float]:
        half = self._step() / 2
        return float(self._position[0] - half), float(self._position[-1] + half)
