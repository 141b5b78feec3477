"""How long the stages take against the deadline, as one stacked bar with numbers."""

import math
from itertools import pairwise

from qtpy.QtCore import QRectF, QSize, Qt
from qtpy.QtGui import QColor, QPainter, QPaintEvent, QPen
from qtpy.QtWidgets import QLabel, QSizePolicy, QVBoxLayout, QWidget

from napari_acll.core import DeadlineReport, Durations
from napari_acll.widgets._lights import BAD, FLAGGED, GOOD, QUIET, color_text
from napari_acll.widgets._text_size import text_scale

STAGE_COLORS = {
    "read": "#56b4e9",
    "preprocess": "#0072b2",
    "wait": "#9aa0aa",
    "label": "#e69f00",
    "trace": "#009e73",
    "publish": "#cc79a7",
}
"""Told apart without color vision: the palette of Okabe and Ito."""
_BAR_PX = 12
_NUMBERS_PX = 11
_LATE_SHARE = 0.8
_MS_PER_S = 1000.0
_ROOM = 1.1
"""What lies beyond the deadline is still seen."""


def stage_durations_s(report: DeadlineReport) -> dict[str, float]:
    """Return the median of each stage that was measured, in s, in the order of the stages."""
    return {
        name: report.stages[name].p50_s
        for name in STAGE_COLORS
        if name in report.stages and report.stages[name].n
    }


def latency_sentence(report: DeadlineReport, period_s: float) -> tuple[str, str]:
    """Return how late samples are, and the light's color.

    Green: in time. Orange: the median above 80 % of the deadline, or some late. Red: late now.

    Parameters
    ----------
    report : DeadlineReport
        Of a session.
    period_s : float
        Stands for the deadline where there is none, in s.
    """
    whole = report.stages.get("end_to_end", Durations())
    if not whole.n:
        return "no sample yet", QUIET
    text = f"{_ms(whole.p50_s)} (p99 {_ms(whole.p99_s)})"
    if report.deadline_s is None:
        return f"{text}, no deadline; period {_ms(period_s)}", QUIET
    text += f" of {_ms(report.deadline_s)}"
    if report.n_missed:
        text += f"; {report.n_missed} of {report.n_judged} late"
    if report.is_late:
        return text, BAD
    is_near = whole.p50_s > _LATE_SHARE * report.deadline_s
    return text, FLAGGED if is_near or report.n_missed else GOOD


def _ms(seconds: float) -> str:
    return f"{_MS_PER_S * seconds:.0f} ms"


class LatencyBar(QWidget):
    """Shows a `DeadlineReport`: a sentence, a bar with one part per stage, and their numbers."""

    def __init__(self) -> None:
        super().__init__()
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(1)
        self.sentence = QLabel("-")
        self.sentence.setWordWrap(True)
        self.bar = _Bar()
        self.numbers = QLabel()
        self.numbers.setTextFormat(Qt.TextFormat.RichText)
        self.numbers.setWordWrap(True)
        self.numbers.setStyleSheet(f"font-size: {_NUMBERS_PX * text_scale():.0f}px")
        for part in (self.sentence, self.bar, self.numbers):
            layout.addWidget(part)
        self.setToolTip(
            "Median time of each stage, from the last slice of a volume to its sample, or to the"
            " packet where samples are published. The line is the deadline, the tick the 99th"
            " percentile."
        )
        self._report: DeadlineReport | None = None

    def value(self) -> DeadlineReport | None:
        """Return what is shown, None if nothing is."""
        return self._report

    def setValue(self, report: DeadlineReport | None, period_s: float = math.nan) -> None:  # noqa: N802
        """Show a report.

        Parameters
        ----------
        report : DeadlineReport, optional
            None: nothing has run yet.
        period_s : float
            Time between two volumes, in s: what the bar is drawn against if there is no deadline.
        """
        if report is not None and report == self._report:
            return
        self._report = report
        stages = {} if report is None else stage_durations_s(report)
        self.bar.setVisible(bool(stages))
        self.numbers.setVisible(bool(stages))
        if report is None:
            self.sentence.setText("-")
            color_text(self.sentence, "")
            return
        text, color = latency_sentence(report, period_s)
        self.sentence.setText(f"● {text}")
        color_text(self.sentence, color)
        self.bar.set_parts(
            stages,
            limit_s=period_s if report.deadline_s is None else report.deadline_s,
            p99_s=report.stages["end_to_end"].p99_s if "end_to_end" in report.stages else math.nan,
        )
        self.numbers.setText(" ".join(_number(name, took) for name, took in stages.items()))


def _number(name: str, took_s: float) -> str:
    color = STAGE_COLORS[name]
    return f'<span style="color:{color}">■</span>&nbsp;{name}&nbsp;{_MS_PER_S * took_s:.0f}'


class _Bar(QWidget):
    """The parts one after the other, the limit as a line, the 99th percentile as a tick."""

    def __init__(self) -> None:
        super().__init__()
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        self._parts: dict[str, float] = {}
        self._limit_s = self._p99_s = math.nan

    def sizeHint(self) -> QSize:  # noqa: N802
        return QSize(200, int(_BAR_PX * text_scale()))

    def set_parts(self, parts: dict[str, float], *, limit_s: float, p99_s: float) -> None:
        self._parts, self._limit_s, self._p99_s = parts, limit_s, p99_s
        self.update()

    def spans(self) -> dict[str, tuple[float, float]]:
        """Return where each part begins and ends, as shares of the width."""
        ends_s = [0.0]
        for took_s in self._parts.values():
            ends_s.append(ends_s[-1] + took_s)
        full_s = self._full_s(ends_s[-1])
        spans = [(start / full_s, stop / full_s) for start, stop in pairwise(ends_s)]
        return dict(zip(self._parts, spans, strict=True))

    def _full_s(self, sum_s: float) -> float:
        known = [value for value in (sum_s, self._limit_s, self._p99_s) if math.isfinite(value)]
        return max(_ROOM * max(known, default=1.0), 1e-9)

    def paintEvent(self, event: QPaintEvent) -> None:  # noqa: N802, ARG002
        painter = QPainter(self)
        width, height = self.width(), self.height()
        painter.fillRect(self.rect(), QColor(QUIET).darker(300))
        for name, (start, stop) in self.spans().items():
            part = QRectF(start * width, 1, (stop - start) * width, height - 2)
            painter.fillRect(part, QColor(STAGE_COLORS[name]))
        full_s = self._full_s(sum(self._parts.values()))
        for value_s, color, top in ((self._limit_s, "white", 0), (self._p99_s, BAD, height // 2)):
            if math.isfinite(value_s):
                x = round(value_s / full_s * width)
                painter.setPen(QPen(QColor(color), 2))
                painter.drawLine(x, top, x, height)
        painter.end()
