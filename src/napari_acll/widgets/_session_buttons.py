"""The buttons of a session; they know neither viewer nor session."""

from qtpy.QtWidgets import QCheckBox, QHBoxLayout, QPushButton, QToolButton, QWidget


class SessionButtons(QWidget):
    """Look, start, pause, stop, and what is shown beside them.

    Parameters
    ----------
    projections : QCheckBox
        Shows and hides the projections.
    """

    def __init__(self, projections: QCheckBox) -> None:
        super().__init__()
        self.look = _button("Look", "Label volumes without recording them (F6)")
        self.start = _button("Start", "Record what the form says (F7)")
        self.pause = _button(
            "Pause", "A replay stands still; of a live recording, what comes meanwhile is skipped"
        )
        self.pause.setCheckable(True)
        self.stop = _button("Stop", "End the session and keep what was traced (Shift+F7)")
        self.setup = QCheckBox("Setup")
        self.setup.setChecked(True)
        self.setup.setToolTip("Show or hide the form")
        self.help = QToolButton()
        self.help.setText("?")
        self.help.setToolTip("Keys of this dock (Shift+F1)")
        row = QHBoxLayout(self)
        row.setContentsMargins(0, 0, 0, 0)
        for button in (self.look, self.start, self.pause, self.stop):
            row.addWidget(button, 1)
        for button in (projections, self.setup, self.help):
            row.addWidget(button)

    def show_state(
        self, *, is_looking: bool, can_look: bool, can_start: bool, can_pause: bool, can_stop: bool
    ) -> None:
        """Show what can be done now; after a look, Start is called Record."""
        self.start.setText("Record" if is_looking else "Start")
        self.look.setEnabled(can_look)
        self.start.setEnabled(can_start)
        self.pause.setEnabled(can_pause)
        self.stop.setEnabled(can_stop)

    def show_paused(self, is_paused: bool) -> None:
        """Show whether the session stands still."""
        self.pause.setText("Go on" if is_paused else "Pause")
        self.pause.setChecked(is_paused)


def _button(text: str, tip: str) -> QPushButton:
    button = QPushButton(text)
    button.setToolTip(tip)
    return button
