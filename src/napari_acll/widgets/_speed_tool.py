"""Keeps the line below the device true: looks up what was measured, and measures."""

from functools import partial

from qtpy.QtCore import QObject, QTimer, Signal

from napari_acll.core import AcllError, LabelSettings, SettingsError
from napari_acll.session import LabelSpeed, measure_label_speed, measured_label_speed
from napari_acll.widgets._background import Background
from napari_acll.widgets._long_work import LongWork
from napari_acll.widgets._setup_panel import SetupPanel

_SETTLE_MS = 300
_MEASURING = "Measuring the speed of the model"


class SpeedTool(QObject):
    """Shows how long the model of a form takes on its device.

    Parameters
    ----------
    setup : SetupPanel
        The form.

    Attributes
    ----------
    failed : Signal(str)
        Why it could not be measured.
    measured : Signal()
        It was; what depends on it may be looked at again.
    """

    failed = Signal(str)
    measured = Signal()

    def __init__(self, setup: SetupPanel) -> None:
        super().__init__(setup)
        self._setup = setup
        self._shown: LabelSettings | None = None
        self._lookup = Background("acll-speed", self)
        self._lookup.done.connect(setup.speed.setValue)
        self.work = LongWork("acll-measure", self)
        self.work.done.connect(self._show)
        self.work.failed.connect(self._fail)
        self.work.canceled.connect(self._end)
        self._timer = QTimer(self)
        self._timer.setSingleShot(True)
        self._timer.setInterval(_SETTLE_MS)
        self._timer.timeout.connect(self.look_up)
        setup.valueChanged.connect(self._timer.start)
        setup.speed.measure_asked.connect(self.measure)
        setup.speed.cancel_asked.connect(self.work.cancel)
        self._timer.start()

    def look_up(self, *, is_forced: bool = False) -> None:
        """Show what was measured of the model and the device that the form shows."""
        settings = self._settings()
        if settings is None or (settings == self._shown and not is_forced):
            return
        self._shown = settings
        self._lookup.start(partial(_measured, settings))

    def measure(self) -> None:
        """Measure now, in the background; an error is told by `failed`."""
        settings = self._settings()
        if settings is None or self.work.is_busy:
            return
        self._setup.speed.show_busy(True)
        self.work.start(_MEASURING, lambda steps: measure_label_speed(settings, progress=steps))

    def _settings(self) -> LabelSettings | None:
        try:
            return self._setup.settings().label
        except SettingsError:
            return None  # the preflight says so

    def _show(self, speed: LabelSpeed) -> None:
        self._setup.speed.setValue(speed)
        self._end()
        self.measured.emit()

    def _fail(self, sentence: str) -> None:
        self._end()
        self.failed.emit(sentence)

    def _end(self) -> None:
        self._setup.speed.show_busy(False)
        self.look_up(is_forced=True)


def _measured(settings: LabelSettings) -> LabelSpeed | None:
    try:
        return measured_label_speed(settings)
    except (AcllError, OSError):  # such as a model that is not there, which the preflight tells
        return None
