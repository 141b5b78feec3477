"""The row of controls above the traces."""

from dataclasses import replace

from qtpy.QtCore import Qt, Signal
from qtpy.QtWidgets import QCheckBox, QComboBox, QHBoxLayout, QPushButton, QWidget

from napari_acll.trace import deconvolution_is_known, why_no_deconvolution
from napari_acll.widgets._background import Background
from napari_acll.widgets._trace_view import TimeAxis, TraceValues, TraceView

_EVERYTHING_S = 0.0
_BEING_LOADED = "The package for it is being loaded."
_WINDOWS_S = (_EVERYTHING_S, 30.0, 60.0, 120.0, 300.0, 600.0)
_VALUES_TIP = (
    "What is drawn; what is stored stays as it is."
    "\nratio: activity over marker, each neuron over its own range"
    "\nF/F0: the ratio over the 20th percentile of the 60 s before, all neurons over one range"
    "\nz-score: standard deviations from the mean so far, all neurons over one range"
    "\nDeconvolved: F/F0 without the indicator's decay, all neurons over one range; noisier, and"
    " made for neurons that spike, as few of C. elegans do"
)


class TraceControls(QWidget):
    """Edits a `TraceView`, and says whether the live edge is followed.

    Attributes
    ----------
    valueChanged : Signal(object)
        The new `TraceView`.
    followed : Signal(bool)
        Whether the live edge is followed from now on.
    """

    valueChanged = Signal(object)  # noqa: N815  Qt classes keep Qt's names
    followed = Signal(bool)

    def __init__(self) -> None:
        super().__init__()
        self._value = TraceView()
        self.live = QPushButton("Live")
        self.live.setCheckable(True)
        self.live.setChecked(True)
        self.live.setToolTip(
            "Follow the recording. Zooming or dragging the time axis ends it, and what you look at"
            " stays; press it to go on following"
        )
        self.window_length = _combo("How much of the recording is shown while it is followed")
        for window_s in _WINDOWS_S:
            self._add_window(window_s)
        self.axis = _combo("Time axis in seconds or volumes")
        for axis in TimeAxis:
            self.axis.addItem(axis.value, axis)
        self.values = _combo(_VALUES_TIP)
        for values in TraceValues:
            self.values.addItem(values.value, values)
        self._find_out_about_deconvolution()
        self.band = QCheckBox("±SD")
        self.band.setChecked(self._value.has_band)
        self.band.setToolTip(
            "A band of one standard deviation by noise around each trace, where the estimator"
            " tells it"
        )
        layout = QHBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(4)
        for control in (self.live, self.window_length, self.axis, self.values, self.band):
            layout.addWidget(control)
        self.live.toggled.connect(self.followed)
        for combo in (self.window_length, self.axis, self.values):
            combo.currentIndexChanged.connect(self._on_changed)
        self.band.toggled.connect(self._on_changed)
        self.window_length.activated.connect(self._follow)

    @property
    def is_following(self) -> bool:
        """Whether the live edge is followed."""
        return bool(self.live.isChecked())

    def value(self) -> TraceView:
        """Return what the controls show."""
        return self._value

    def setValue(self, value: TraceView) -> None:  # noqa: N802
        """Show other values; ratios in the place of what cannot be worked out here."""
        window_s = value.window_s or _EVERYTHING_S
        if self.window_length.findData(window_s) < 0:
            self._add_window(window_s)
        for combo, wanted in (
            (self.window_length, window_s),
            (self.axis, value.axis),
            (self.values, value.values if self._offers(value.values) else TraceValues.RATIO),
        ):
            combo.setCurrentIndex(combo.findData(wanted))
        self.band.setChecked(value.has_band)

    def _find_out_about_deconvolution(self) -> None:
        """Offer it if it can be worked out here; its package is not loaded in this thread."""
        if deconvolution_is_known():
            self._offer_deconvolution(why_no_deconvolution())
            return
        self._offer_deconvolution(_BEING_LOADED)
        loader = Background("acll-load-deconvolution", self)
        loader.done.connect(self._offer_deconvolution)
        loader.failed.connect(self._offer_deconvolution)
        loader.start(why_no_deconvolution)

    def _offer_deconvolution(self, problem: str) -> None:
        index = self.values.findData(TraceValues.DECONVOLVED)
        self.values.model().item(index).setEnabled(not problem)
        self.values.setItemData(index, problem or None, Qt.ItemDataRole.ToolTipRole)

    def _offers(self, values: TraceValues) -> bool:
        return bool(self.values.model().item(self.values.findData(values)).isEnabled())

    def _add_window(self, window_s: float) -> None:
        text = f"last {window_s:g} s" if window_s else "everything"
        self.window_length.addItem(text, window_s)

    def _follow(self) -> None:
        """Follow again: whoever chooses how much is followed wants to see it."""
        self.live.setChecked(True)

    def _on_changed(self) -> None:
        value = replace(
            self._value,
            values=TraceValues(self.values.currentData()),
            axis=TimeAxis(self.axis.currentData()),
            window_s=self.window_length.currentData() or None,
            has_band=self.band.isChecked(),
        )
        self.band.setEnabled(value.values is not TraceValues.DECONVOLVED)  # of which none tells it
        if value != self._value:
            self._value = value
            self.valueChanged.emit(value)


def _combo(tip: str) -> QComboBox:
    combo = QComboBox()
    combo.setToolTip(tip)
    combo.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToContents)
    return combo
