"""Shows an alignment in words and numbers, and what there is to judge it by."""

from qtpy.QtCore import Qt
from qtpy.QtWidgets import QFormLayout, QLabel, QSizePolicy, QWidget

from napari_acll.core import AlignmentOrigin, ChannelAlignment, ChannelDrift, VoxelGrid
from napari_acll.widgets._lights import BAD, FLAGGED, GOOD, QUIET
from napari_acll.widgets._status_panel import alignment_sentence

_NOTHING = "-"


def shift_text(alignment: ChannelAlignment, grid: VoxelGrid | None) -> str:
    """Return the shift in um, and in pixels of a grid if there is one."""
    text = f"y {alignment.dy_um:+.3f} um, x {alignment.dx_um:+.3f} um"
    if grid is None:
        return text
    _, size_y, size_x = grid.voxel_size_um
    y_px, x_px = alignment.dy_um / size_y, alignment.dx_um / size_x
    return f"{text} (y {y_px:+.2f} px, x {x_px:+.2f} px)"


def spread_text(alignment: ChannelAlignment, grid: VoxelGrid | None) -> str:
    """Return the spread over the volumes, and on how many the estimate rests."""
    if alignment.spread_um is None:
        return "not measured"
    in_px = (
        "" if grid is None else f" ({alignment.spread_um / max(grid.voxel_size_um[1:]):.2f} px)"
    )
    return f"{alignment.spread_um:.3f} um{in_px} over {alignment.n_volumes} volumes"


def trust_sentence(alignment: ChannelAlignment) -> tuple[str, str]:
    """Return whether an alignment is trusted, and why not, and the light's color."""
    origin = alignment.origin.value.replace("_", " ")
    if alignment.is_trusted:
        return f"trusted ({origin})", GOOD
    if alignment.origin is AlignmentOrigin.MANUAL:
        return f"set by hand, so no check vouches for it. {alignment.note}", FLAGGED
    reason = f": {alignment.note}" if alignment.note else ""
    return f"not trusted ({origin}){reason}", FLAGGED


def drift_sentence(drift: ChannelDrift | None, limit_um: float) -> tuple[str, str]:
    """Return how far the channels drifted, and the light's color.

    Parameters
    ----------
    drift : ChannelDrift, optional
        The last measurement.
    limit_um : float
        From where on it is an alarm.
    """
    if drift is None:
        return "not measured yet", QUIET
    where = f"{drift.distance_um:.2f} um off around volume {drift.index}, limit {limit_um:g} um"
    if drift.distance_um <= limit_um:
        return where, GOOD
    toward = f"y {drift.dy_um:+.2f} um, x {drift.dx_um:+.2f} um"
    return f"{where} ({toward}): calibrate for the next session", BAD


class AlignmentPanel(QWidget):
    """The alignment that is being looked at."""

    def __init__(self) -> None:
        super().__init__()
        form = _form(self)
        self.shift = _add_line(form, "Shift", "Of the activity channel against the marker channel")
        self.rotation = _add_line(form, "Rotation", "About the center of the full camera frame")
        self.score = _add_line(
            form,
            "Score",
            "Correlation of both channels around the nuclei: unrelated channels score up to 0.16,"
            " aligned ones 0.4 and more",
        )
        self.spread = _add_line(
            form, "Spread", "How far the estimates of single volumes lie from the joint one"
        )
        self.trust = _add_line(form, "Trust", "Whether the estimate passed its own checks")

    def clear(self) -> None:
        """Show that there is none."""
        for label in (self.shift, self.rotation, self.score, self.spread, self.trust):
            label.setText(_NOTHING)
            label.setStyleSheet("")

    def show_alignment(self, alignment: ChannelAlignment, grid: VoxelGrid | None) -> None:
        """Show an alignment, its shift also in pixels of a grid if there is one."""
        self.shift.setText(shift_text(alignment, grid))
        self.rotation.setText(f"{alignment.theta_deg:+.3f}°")
        self.show_score(alignment.score)
        self.spread.setText(spread_text(alignment, grid))
        _light(self.trust, *trust_sentence(alignment))

    def show_score(self, score: float | None) -> None:
        """Show how well the channels agree; None: not known."""
        self.score.setText("not measured" if score is None else f"{score:.3f}")


class AlignmentStanding(QWidget):
    """What the running session applies, how far it drifted, and what the next one will apply."""

    def __init__(self) -> None:
        super().__init__()
        form = _form(self)
        self.session = _add_line(
            form, "This session", "The alignment that the present session applies; it keeps it"
        )
        self.drift = _add_line(
            form,
            "Drift",
            "How far the channels lie from the applied alignment, measured now and then while a"
            " session runs; it is never corrected by itself",
        )
        self.following = _add_line(form, "Next session", "What the next session will apply")
        self.show_session(None)
        self.show_following("")
        self.show_drift(None, 0.0)

    def show_session(self, alignment: ChannelAlignment | None) -> None:
        """Show what the present session applies."""
        if alignment is None:
            self.session.setText(_NOTHING)
            self.session.setStyleSheet("")
            return
        _light(
            self.session,
            alignment_sentence(alignment),
            GOOD if alignment.is_trusted else FLAGGED,
        )

    def show_drift(self, drift: ChannelDrift | None, limit_um: float) -> None:
        """Show the last measurement of the drift."""
        _light(self.drift, *drift_sentence(drift, limit_um))

    def show_following(self, sentence: str) -> None:
        """Show what the next session does; empty: nothing was decided here."""
        self.following.setText(sentence or "as it is set up in the Live dock")


def _form(widget: QWidget) -> QFormLayout:
    widget.setSizePolicy(QSizePolicy.Policy.Preferred, QSizePolicy.Policy.Maximum)
    form = QFormLayout(widget)
    form.setContentsMargins(0, 0, 0, 0)
    form.setVerticalSpacing(2)
    form.setFieldGrowthPolicy(QFormLayout.FieldGrowthPolicy.AllNonFixedFieldsGrow)
    return form


def _add_line(form: QFormLayout, text: str, tip: str) -> QLabel:
    label = QLabel(_NOTHING)
    label.setWordWrap(True)
    label.setTextFormat(Qt.TextFormat.PlainText)
    label.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
    label.setToolTip(tip)
    form.addRow(text, label)
    form.labelForField(label).setToolTip(tip)
    return label


def _light(label: QLabel, text: str, color: str) -> None:
    shown = f"● {text}"
    if shown != label.text():  # asked for ten times a second, and a style sheet is not cheap
        label.setText(shown)
        label.setStyleSheet(f"color: {color}")
