"""Requirements as lines with a light each: preflight, and what a look finds."""

from collections.abc import Sequence

from qtpy.QtCore import QEvent, QObject, QSize, Qt, Signal
from qtpy.QtGui import QResizeEvent
from qtpy.QtWidgets import (
    QFrame,
    QGridLayout,
    QHBoxLayout,
    QLabel,
    QScrollArea,
    QToolButton,
    QVBoxLayout,
    QWidget,
)

from napari_acll.core import Check, Light, worst_light
from napari_acll.widgets._lights import BAD, FLAGGED, GOOD, QUIET, color_text
from napari_acll.widgets._text_size import text_scale

LIGHT_COLORS = {Light.GREEN: GOOD, Light.AMBER: FLAGGED, Light.RED: BAD}
_SIGNS = {Light.GREEN: "●", Light.AMBER: "▲", Light.RED: "■"}
"""Told apart without color vision, too."""
_LEAST_LINES = 5.5
"""Of text, in the smallest dock: two or three requirements, and half a line if there is more."""
_LIGHTS = (Light.RED, Light.AMBER, Light.GREEN)


class CheckList(QWidget):
    """A headline, and one line per requirement; green lines are folded away.

    Parameters
    ----------
    title : str
        What is checked.
    hint : str
        Shown instead of the headline while nothing was checked.
    """

    asked_again = Signal()

    def __init__(self, title: str, hint: str = "") -> None:
        super().__init__()
        self._title, self._hint = title, hint
        self._checks: tuple[Check, ...] = ()
        self._rows: list[tuple[QLabel, QLabel]] = []
        self._lines = _Lines()
        self._grid = self._lines.grid
        self.headline = QLabel()
        self.again_button = _tool("↻", "Check again")
        self.again_button.clicked.connect(self.asked_again)
        self.fold_button = _tool("…", "Show all lines, or only those that are not green")
        self.fold_button.setCheckable(True)
        self.fold_button.toggled.connect(self._show_rows)
        head = QHBoxLayout()
        head.addWidget(self.headline, 1)
        head.addWidget(self.fold_button)
        head.addWidget(self.again_button)
        column = QVBoxLayout(self)
        column.setContentsMargins(4, 0, 4, 0)
        column.setSpacing(1)
        column.addLayout(head)
        column.addWidget(self._lines)
        self.setValue(())

    def value(self) -> tuple[Check, ...]:
        """Return the lines."""
        return self._checks

    def setValue(self, checks: Sequence[Check]) -> None:  # noqa: N802
        """Show these lines."""
        if checks and tuple(checks) == self._checks:
            return
        self._checks = tuple(checks)
        while len(self._rows) < len(self._checks):
            self._add_row()
        for row, check in zip(self._rows, self._checks, strict=False):
            _fill(row, check)
        self._show_rows()
        self._show_headline()

    def show_busy(self) -> None:
        """Show that it is being looked at; the lines before stay, gray, so that nothing jumps."""
        self._checks = ()
        self.headline.setText(f"{self._title}: looking…")
        color_text(self.headline, QUIET)
        for row in self._rows:
            for label in row:
                color_text(label, QUIET)

    def _is_shown(self, check: Check) -> bool:
        return self.fold_button.isChecked() or check.light is not Light.GREEN

    def _show_rows(self) -> None:
        for number, row in enumerate(self._rows):
            is_used = number < len(self._checks)
            is_shown = is_used and self._is_shown(self._checks[number])
            for label in row:
                label.setVisible(is_shown)
        self._lines.fit()

    def _show_headline(self) -> None:
        self.fold_button.setVisible(bool(self._checks))
        if not self._checks:
            self.headline.setText(self._hint)
            color_text(self.headline, QUIET)
            return
        lights = [check.light for check in self._checks]
        counted = ((lights.count(light), light.value) for light in _LIGHTS)
        numbers = ", ".join(f"{n} {name}" for n, name in counted if n)
        worst = worst_light(self._checks)
        self.headline.setText(f"{_SIGNS[worst]} {self._title}: {numbers}")
        color_text(self.headline, LIGHT_COLORS[worst])

    def _add_row(self) -> None:
        name, sentence = QLabel(), QLabel()
        name.setTextFormat(Qt.TextFormat.PlainText)
        sentence.setTextFormat(Qt.TextFormat.PlainText)
        sentence.setWordWrap(True)
        sentence.setAlignment(Qt.AlignmentFlag.AlignTop)  # beside its name in a row that is taller
        sentence.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        number = len(self._rows)
        self._grid.addWidget(name, number, 0, Qt.AlignmentFlag.AlignTop)
        self._grid.addWidget(sentence, number, 1)
        self._rows.append((name, sentence))


class _Lines(QScrollArea):
    """The lines, as tall as they are where there is room; else some of them, and a scroll bar."""

    def __init__(self) -> None:
        super().__init__()
        self._needed_px = 0
        self.setFrameShape(QFrame.Shape.NoFrame)
        self.setWidgetResizable(True)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        body = QWidget()
        self.grid = QGridLayout(body)
        self.grid.setContentsMargins(0, 0, 0, 0)
        self.grid.setVerticalSpacing(1)
        self.grid.setColumnStretch(1, 1)
        self.setWidget(body)

    def fit(self) -> None:
        """Ask for the height of the lines; in a small dock a part of it has to do."""
        body = self.widget()
        if body is None:  # it is being taken apart
            return
        self.setVisible(any(not label.isHidden() for label in body.findChildren(QLabel)))
        inside = self.contentsRect()  # napari's style gives it a frame
        lines_px = self.grid.totalHeightForWidth(max(1, inside.width()))
        needed_px = max(0, lines_px) + self.height() - inside.height()
        if needed_px != self._needed_px:
            self._needed_px = needed_px
            least_px = int(
                _LEAST_LINES * self.fontMetrics().lineSpacing() * max(1.0, text_scale())
            )
            self.setMaximumHeight(needed_px)
            self.setMinimumHeight(min(needed_px, least_px))
            self.updateGeometry()
        # told, not left to Qt: a bar takes width, so that lines wrap, so that it is needed
        policy = Qt.ScrollBarPolicy
        is_cut = self.height() < needed_px
        self.setVerticalScrollBarPolicy(
            policy.ScrollBarAlwaysOn if is_cut else policy.ScrollBarAlwaysOff
        )

    def resizeEvent(self, event: QResizeEvent) -> None:  # noqa: N802
        """Ask anew where there is another width, and scroll where there is too little height."""
        super().resizeEvent(event)
        self.fit()

    def sizeHint(self) -> QSize:  # noqa: N802
        """Return the size at which nothing has to be scrolled."""
        return QSize(super().sizeHint().width(), self._needed_px)

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:  # noqa: N802
        """Ask anew where lines are changed, or wrapped otherwise."""
        is_handled = bool(super().eventFilter(watched, event))
        if event.type() in (QEvent.Type.LayoutRequest, QEvent.Type.Resize):
            self.fit()
        return is_handled


def _fill(row: tuple[QLabel, QLabel], check: Check) -> None:
    name, sentence = row
    name.setText(f"{_SIGNS[check.light]} {check.name}")
    color_text(name, LIGHT_COLORS[check.light])
    sentence.setText(check.sentence)
    color_text(sentence, "")
    sentence.setToolTip(check.sentence)


def _tool(text: str, tip: str) -> QToolButton:
    button = QToolButton()
    button.setText(text)
    button.setToolTip(tip)
    button.setAutoRaise(True)
    return button
