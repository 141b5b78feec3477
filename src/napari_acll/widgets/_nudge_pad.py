"""A pad that takes arrow keys and says how far something is to be moved by them."""

from functools import partial
from typing import NamedTuple

from qtpy.QtCore import QEvent, Qt, Signal
from qtpy.QtGui import QKeyEvent, QMouseEvent
from qtpy.QtWidgets import QApplication, QFrame, QGridLayout, QLabel, QPushButton

FINE_PX, COARSE_PX = 0.25, 1.0
TURN_DEG = 0.05


class Nudge(NamedTuple):
    """How far a picture is moved.

    Parameters
    ----------
    y_px, x_px : float
        Down and to the right, in pixels of the volumes that are labeled.
    turn_deg : float
        Clockwise, in degrees.
    """

    y_px: float = 0.0
    x_px: float = 0.0
    turn_deg: float = 0.0


UP, DOWN = Qt.Key.Key_Up.value, Qt.Key.Key_Down.value
LEFT, RIGHT = Qt.Key.Key_Left.value, Qt.Key.Key_Right.value
COUNTERCLOCKWISE, CLOCKWISE = Qt.Key.Key_BracketLeft.value, Qt.Key.Key_BracketRight.value
_MOVES = {UP: (-1, 0), DOWN: (1, 0), LEFT: (0, -1), RIGHT: (0, 1)}
_TURNS = {COUNTERCLOCKWISE: -1, CLOCKWISE: 1}
_KEYS = {*_MOVES, *_TURNS}
_BUTTONS = (
    ("↑", 0, 1, UP, "Up by a quarter of a pixel, with Shift by one"),
    ("←", 1, 0, LEFT, "Left by a quarter of a pixel, with Shift by one"),
    ("→", 1, 2, RIGHT, "Right by a quarter of a pixel, with Shift by one"),
    ("↓", 2, 1, DOWN, "Down by a quarter of a pixel, with Shift by one"),
    ("⟲", 0, 0, COUNTERCLOCKWISE, "Turn counterclockwise by 0.05 degrees"),
    ("⟳", 0, 2, CLOCKWISE, "Turn clockwise by 0.05 degrees"),
)
_STYLE = (
    "NudgePad {{ border: {width}px solid {color}; border-radius: 3px; }}"
    " NudgePad QPushButton {{ padding: 1px; min-width: 26px; max-width: 40px; }}"
)
_FOCUSED, _UNFOCUSED = "#3fbf7f", "#5c6370"


class NudgePad(QFrame):
    """Sums up arrow keys (a quarter of a pixel, with Shift one) and brackets (a turn).

    It takes the keys while it has the focus: click into it, or reach it by Tab. Its buttons do the
    same by mouse.
    """

    valueChanged = Signal(object)  # noqa: N815  Qt classes keep Qt's names

    def __init__(self) -> None:
        super().__init__()
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.setToolTip(
            "Arrow keys move the activity by a quarter of a pixel, with Shift by one; [ and ] turn"
            " it by 0.05 degrees. Click here first."
        )
        self._value = Nudge()
        layout = QGridLayout(self)
        layout.setContentsMargins(4, 4, 4, 4)
        layout.setSpacing(2)
        for text, row, column, key, tip in _BUTTONS:
            button = QPushButton(text)
            button.setToolTip(tip)
            button.setFocusPolicy(Qt.FocusPolicy.NoFocus)  # the pad itself takes the keys
            button.clicked.connect(partial(self._press, key))
            layout.addWidget(button, row, column)
        self._sum, self._how = QLabel(), QLabel()
        self._sum.setWordWrap(True)
        layout.addWidget(self._sum, 0, 3, 2, 1)
        layout.addWidget(self._how, 2, 3)
        layout.setColumnStretch(3, 1)
        self._show()
        self._show_focus()

    def value(self) -> Nudge:
        """Return how far everything together moves."""
        return self._value

    def setValue(self, value: Nudge) -> None:  # noqa: N802
        """Show another sum."""
        changed = value != self._value
        self._value = value
        self._show()
        if changed:
            self.valueChanged.emit(value)

    def step(self, key: int, *, is_coarse: bool) -> None:
        """Do what a key does.

        Parameters
        ----------
        key : int
            Qt's number of an arrow or a square bracket.
        is_coarse : bool
            Whether arrows move by a whole pixel.
        """
        y, x, turn = self._value
        by_px = COARSE_PX if is_coarse else FINE_PX
        down, right = _MOVES.get(key, (0, 0))
        turn = round(turn + TURN_DEG * _TURNS.get(key, 0), 6)
        self.setValue(Nudge(y + down * by_px, x + right * by_px, turn))

    def event(self, event: QEvent) -> bool:
        """Take the keys before shortcuts of the window do."""
        if event.type() == QEvent.Type.ShortcutOverride and event.key() in _KEYS:
            event.accept()
            return True
        if event.type() in (QEvent.Type.FocusIn, QEvent.Type.FocusOut):
            self._show_focus()
        return bool(super().event(event))

    def keyPressEvent(self, event: QKeyEvent) -> None:  # noqa: N802
        """Nudge by the arrow keys and the brackets."""
        if event.key() not in _KEYS:
            super().keyPressEvent(event)
            return
        is_coarse = bool(event.modifiers() & Qt.KeyboardModifier.ShiftModifier)
        self.step(event.key(), is_coarse=is_coarse)
        event.accept()

    def mousePressEvent(self, event: QMouseEvent) -> None:  # noqa: N802
        """Take the focus, and thus the keys."""
        self.setFocus()
        super().mousePressEvent(event)

    def _press(self, key: int) -> None:
        shift = QApplication.keyboardModifiers() & Qt.KeyboardModifier.ShiftModifier
        self.setFocus()
        self.step(key, is_coarse=bool(shift))

    def _show(self) -> None:
        y, x, turn = self._value
        moved = f"Moved by y {y:+.2f} px, x {x:+.2f} px, turned by {turn:+.2f}°"
        self._sum.setText(moved if any(self._value) else "Not moved by hand")

    def _show_focus(self) -> None:
        has_keys = self.hasFocus()
        self._how.setText(
            "Arrows, Shift + arrows, [ and ] move it" if has_keys else "Click here to use the keys"
        )
        self.setStyleSheet(
            _STYLE.format(width=2 if has_keys else 1, color=_FOCUSED if has_keys else _UNFOCUSED)
        )
