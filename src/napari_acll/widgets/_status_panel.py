"""What the running session says: state, counters, speed, alignment, notes."""

import math

from qtpy.QtCore import Qt
from qtpy.QtWidgets import (
    QFormLayout,
    QLabel,
    QPlainTextEdit,
    QSizePolicy,
    QTabWidget,
    QWidget,
)

from napari_acll.core import (
    NOVELTY_LIMIT,
    ChannelAlignment,
    DeadlineReport,
    Light,
    SessionCounters,
    SessionState,
)
from napari_acll.widgets._latency_bar import LatencyBar
from napari_acll.widgets._lights import BAD, FLAGGED, GOOD, QUIET, color_text
from napari_acll.widgets._mark_panel import MarkPanel
from napari_acll.widgets._text_size import text_scale

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
_TABS_HEIGHT_PX = 110
_DISK_COLORS = {Light.GREEN: "", Light.AMBER: FLAGGED, Light.RED: BAD}


def state_words(
    state: SessionState, *, is_live: bool, is_built: bool, is_ready: bool, is_look: bool
) -> str:
    """Return where a session stands, in words that tell what to do at the microscope.

    Parameters
    ----------
    state : SessionState
        Of the session; WARMING_UP while it is built.
    is_live : bool
        Whether it follows a recording that may not have begun.
    is_built : bool
        Whether the recording has begun.
    is_ready : bool
        Whether the model is warm before it has.
    is_look : bool
        Whether nothing is recorded.
    """
    if state is SessionState.WARMING_UP and is_live and not is_built:
        if is_ready:
            return "armed and ready: start the microscope"
        return "armed: loading the model, or waiting for the first volume"
    if is_look and not state.is_over:
        return f"looking, not recorded ({state.value})"
    return state.value


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
    """Return how long a volume takes against the time there is for it, and the light's color.

    Green: fast enough. Orange: above 80 % of the period. Red: slower than the microscope.
    """
    color = GOOD
    if volume_s > period_s:
        color = BAD
    elif volume_s > _LATE_SHARE * period_s:
        color = FLAGGED
    return f"{volume_s * 1000:.0f} ms per volume, period {period_s * 1000:.0f} ms", color


def names_sentence(calibrated_on: str, novelty: float, reason: str) -> tuple[str, str]:
    """Return how far names can be believed, and the light's color.

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
        self.latency = LatencyBar()
        self.disk = _value_label()
        self.alignment = _value_label()
        self.names = _value_label()
        for title, tip, widget in (
            ("State", "Where the session stands, and what to do", self.state),
            (
                "Volumes",
                "What became of the volumes; shown are those that the viewer had time to draw, and"
                " how long after their samples; skipped ones came while we were late, lost ones"
                " never came",
                self.volumes,
            ),
            ("Speed", "Computing time per volume, against the time there is for it", self.speed),
            ("Latency", self.latency.toolTip(), self.latency),
            ("Disk", "Size of the session folder, and what is left on its disk", self.disk),
            ("Alignment", "How the activity channel lies on the marker channel", self.alignment),
            ("Names", "How far the names can be believed", self.names),
        ):
            form.addRow(title, widget)
            widget.setToolTip(tip)
            form.labelForField(widget).setToolTip(tip)
        measures = [self.volumes, self.speed, self.latency, self.disk, self.alignment, self.names]
        self._measures = [*measures, *map(form.labelForField, measures)]
        self.notes = QPlainTextEdit()
        self.notes.setReadOnly(True)
        self.notes.setMaximumBlockCount(_MAX_NOTES)
        self.notes.setPlaceholderText("Notes and events")
        self.marks = MarkPanel()
        self.tabs = QTabWidget()
        self.tabs.setMaximumHeight(round(_TABS_HEIGHT_PX * max(1.0, text_scale())))
        self.tabs.setDocumentMode(True)
        self.tabs.tabBar().setDrawBase(False)  # a bright line in napari's dark theme
        self.tabs.addTab(self.notes, "Events")
        self.tabs.addTab(self.marks, "Marks")
        self.tabs.setTabToolTip(0, "What was worth telling")
        self.tabs.setTabToolTip(1, "Mark a stimulus or what the animal does")
        form.addRow(self.tabs)
        self.clear()

    def clear(self) -> None:
        """Show that nothing has run yet."""
        self.show_state(SessionState.IDLE)
        for label in (self.volumes, self.speed, self.disk, self.alignment, self.names):
            label.setText("-")
            color_text(label, "")
        self.latency.setValue(None)
        self.notes.clear()
        self.marks.clear()

    def show_measures(self, is_wanted: bool) -> None:
        """Show all lines, or the state alone, and events only if there are any."""
        for part in self._measures:
            part.setVisible(is_wanted)
        self.tabs.setVisible(is_wanted or bool(self.notes.toPlainText()))
        self.updateGeometry()

    def show_state(self, state: SessionState, words: str = "") -> None:
        """Show where the session stands, in other words than the state's own where given."""
        _light(self.state, words or state.value, _STATE_COLORS[state])

    def show_paused(self) -> None:
        """Show that the session stands still because somebody wants it to."""
        _light(self.state, "paused", FLAGGED)

    def show_error(self, sentence: str) -> None:
        """Show why the session failed, or why none could be started."""
        _light(self.state, sentence, BAD)

    def show_counters(
        self,
        counters: SessionCounters,
        given_up: tuple[str, ...] = (),
        *,
        n_shown: int = 0,
        shown_after_s: float = math.nan,
    ) -> None:
        """Show what became of the volumes; skipped and lost ones stand out.

        Parameters
        ----------
        counters : SessionCounters
            Of this moment.
        given_up : tuple of str
            What is not done now because labeling fell behind.
        n_shown : int
            How many the viewer was given.
        shown_after_s : float
            How long after the sample, in s; NaN if nobody knows.
        """
        later = f" ({counters.n_backfilled} labeled later)" if counters.n_backfilled else ""
        text = (
            f"{counters.n_traced} of {counters.n_read} traced{_shown(n_shown, shown_after_s)}"
            f" · {counters.n_waiting} waiting · {counters.n_skipped} skipped{later}"
            f" · {counters.n_lost} lost"
        )
        if counters.n_unlabelable:
            text += f" · {counters.n_unlabelable} unfit"
        if given_up:
            text += f" · to catch up (step {len(given_up)}): {'; '.join(given_up)}"
        self.volumes.setText(text)
        is_bad = counters.n_skipped or counters.n_lost or given_up
        color_text(self.volumes, FLAGGED if is_bad else "")

    def show_speed(self, volume_s: float, period_s: float) -> None:
        """Show the deadline light."""
        text, color = speed_sentence(volume_s, period_s)
        _light(self.speed, text, color)

    def show_latency(self, report: DeadlineReport, period_s: float) -> None:
        """Show how long the stages take against the deadline."""
        self.latency.setValue(report, period_s)

    def show_disk(self, sentence: str, light: Light) -> None:
        """Show what was written and what is left, in color if that is little."""
        self.disk.setText(sentence)
        color_text(self.disk, _DISK_COLORS[light])

    def show_alignment(self, alignment: ChannelAlignment) -> None:
        """Show the alignment, in color whether it is trusted."""
        color = GOOD if alignment.is_trusted else FLAGGED
        _light(self.alignment, alignment_sentence(alignment), color)

    def show_names(self, calibrated_on: str, novelty: float, reason: str) -> None:
        """Show how far names can be believed."""
        _light(self.names, *names_sentence(calibrated_on, novelty, reason))

    def add_note(self, sentence: str) -> None:
        """Add a line to the notes."""
        self.notes.appendPlainText(sentence)
        self.tabs.show()


def _shown(n_shown: int, after_s: float) -> str:
    if not n_shown:
        return ""
    after = "" if math.isnan(after_s) else f" {after_s * 1000:.0f} ms later"
    return f" · {n_shown} shown{after}"


def _value_label() -> QLabel:
    label = QLabel("-")
    label.setWordWrap(True)
    label.setTextFormat(Qt.TextFormat.PlainText)
    label.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
    return label


def _light(label: QLabel, text: str, color: str) -> None:
    label.setText(f"● {text}")
    color_text(label, color)
