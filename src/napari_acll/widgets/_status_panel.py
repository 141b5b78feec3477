"""What the running session says: state, counters, speed, alignment, notes."""

import math

from qtpy.QtCore import Qt
from qtpy.QtWidgets import QFormLayout, QLabel, QPlainTextEdit, QSizePolicy, QWidget

from napari_acll.core import NOVELTY_LIMIT, ChannelAlignment, SessionCounters, SessionState

GOOD, FLAGGED, BAD, QUIET = "#3fbf7f", "#f0a030", "#ff5c5c", "#9aa0aa"
_STATE_COLORS = {
    SessionState.IDLE: QUIET,
    SessionState.WARMING_UP: FLAGGED,
    SessionState.CALIBRATING: FLAGGED,
    SessionState.RUNNING: GOOD,
    SessionState.STOPPING: FLAGGED,
    SessionState.FINISHED: QUIET,
    SessionState.FAILED: BAD,
}
_LATE_SHARE = 0.8
_MAX_NOTES = 200


def alignment_sentence(alignment: ChannelAlignment) -> str:
    """Return an alignment as one line: shift, rotation, score, and whether to trust it."""
    score = "" if alignment.score is None else f", score {alignment.score:.2f}"
    standing = "trusted" if alignment.is_trusted else "not trusted"
    origin = alignment.origin.value.replace("_", " ")
    note = f": {alignment.note}" if alignment.note and not alignment.is_trusted else ""
    return (
        f"shift y {alignment.dy_um:+.2f} um, x {alignment.dx_um:+.2f} um, rotation"
        f" {alignment.theta_deg:+.2f}°{score} ({origin}, {standing}{note})"
    )


def speed_sentence(volume_s: float, period_s: float) -> tuple[str, str]:
    """Return how long a volume takes against the time there is for it, and the light's colour.

    Green: fast enough. Orange: above 80 % of the period. Red: slower than the microscope.
    """
    color = GOOD
    if volume_s > period_s:
        color = BAD
    elif volume_s > _LATE_SHARE * period_s:
        color = FLAGGED
    return f"{volume_s * 1000:.0f} ms per volume, period {period_s * 1000:.0f} ms", color


def names_sentence(calibrated_on: str, novelty: float, reason: str) -> tuple[str, str]:
    """Return how far names can be believed, and the light's colour.

    Red: the animal looks unlike those that the model knows. Orange: calibrated on simulation only,
    or not at all. Green: calibrated on a rig.

    Parameters
    ----------
    calibrated_on : str
        On what the probabilities were calibrated, empty if they never were.
    novelty : float
        How odd the last volumes look, 0 to 1; NaN if nobody knows.
    reason : str
        What is odd about the newest one.
    """
    text = f"calibrated on {calibrated_on}" if calibrated_on else "never calibrated"
    if novelty >= NOVELTY_LIMIT:
        why = f" ({reason})" if reason else ""
        return f"unlike what the model knows{why} · {text}", BAD
    if not math.isnan(novelty):
        text += f" · looks as usual ({novelty:.2f})"
    return text, GOOD if calibrated_on.startswith("rig") else FLAGGED


class StatusPanel(QWidget):
    """Shows a session; knows nothing of how it runs."""

    def __init__(self) -> None:
        super().__init__()
        self.setSizePolicy(QSizePolicy.Policy.Preferred, QSizePolicy.Policy.Maximum)
        form = QFormLayout(self)
        form.setContentsMargins(4, 0, 4, 0)
        form.setVerticalSpacing(2)
        form.setFieldGrowthPolicy(QFormLayout.FieldGrowthPolicy.AllNonFixedFieldsGrow)
        self.state = _value_label()
        self.volumes = _value_label()
        self.speed = _value_label()
        self.alignment = _value_label()
        form.addRow("State", self.state)
        form.addRow("Volumes", self.volumes)
        form.addRow("Speed", self.speed)
        form.addRow("Alignment", self.alignment)
        self.names = _value_label()
        form.addRow("Names", self.names)
        self.notes = QPlainTextEdit()
        self.notes.setReadOnly(True)
        self.notes.setMaximumBlockCount(_MAX_NOTES)
        self.notes.setMaximumHeight(64)
        self.notes.setPlaceholderText("Notes and events")
        form.addRow(self.notes)
        self.clear()

    def clear(self) -> None:
        """Show that nothing has run yet."""
        self.show_state(SessionState.IDLE)
        for label in (self.volumes, self.speed, self.alignment, self.names):
            label.setText("-")
            label.setStyleSheet("")
        self.notes.clear()

    def show_state(self, state: SessionState) -> None:
        """Show where the session stands."""
        _light(self.state, state.value, _STATE_COLORS[state])

    def show_paused(self) -> None:
        """Show that the session stands still because somebody wants it to."""
        _light(self.state, "paused", FLAGGED)

    def show_error(self, sentence: str) -> None:
        """Show why the session failed, or why none could be started."""
        _light(self.state, sentence, BAD)

    def show_counters(self, counters: SessionCounters) -> None:
        """Show what became of the volumes; skipped and lost ones stand out."""
        later = f" ({counters.n_backfilled} labeled later)" if counters.n_backfilled else ""
        text = (
            f"{counters.n_traced} of {counters.n_read} traced · {counters.n_waiting} waiting"
            f" · {counters.n_skipped} skipped{later} · {counters.n_lost} lost"
        )
        if counters.n_unlabelable:
            text += f" · {counters.n_unlabelable} unfit"
        self.volumes.setText(text)
        is_bad = counters.n_skipped or counters.n_lost
        self.volumes.setStyleSheet(f"color: {FLAGGED}" if is_bad else "")

    def show_speed(self, volume_s: float, period_s: float) -> None:
        """Show the deadline light."""
        text, color = speed_sentence(volume_s, period_s)
        _light(self.speed, text, color)

    def show_alignment(self, alignment: ChannelAlignment) -> None:
        """Show the alignment, in colour whether it is trusted."""
        color = GOOD if alignment.is_trusted else FLAGGED
        _light(self.alignment, alignment_sentence(alignment), color)

    def show_names(self, calibrated_on: str, novelty: float, reason: str) -> None:
        """Show how far names can be believed."""
        _light(self.names, *names_sentence(calibrated_on, novelty, reason))

    def add_note(self, sentence: str) -> None:
        """Add a line to the notes."""
        self.notes.appendPlainText(sentence)


def _value_label() -> QLabel:
    label = QLabel("-")
    label.setWordWrap(True)
    label.setTextFormat(Qt.TextFormat.PlainText)
    label.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
    return label


def _light(label: QLabel, text: str, color: str) -> None:
    label.setText(f"● {text}")
    label.setStyleSheet(f"color: {color}")
