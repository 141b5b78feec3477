"""Preflight: what a session needs, looked at again whenever the form changes."""

from collections.abc import Sequence
from functools import partial
from pathlib import Path

from qtpy.QtCore import QTimer, Signal

from napari_acll.core import Check, Light, SettingsError, worst_light
from napari_acll.session import preflight
from napari_acll.widgets._background import Background
from napari_acll.widgets._check_list import CheckList
from napari_acll.widgets._setup_panel import SetupPanel

_SETTLE_MS = 600
"""After the last change of the form; a typed path is not looked for letter by letter."""


class PreflightPanel(CheckList):
    """The lines of the preflight of what a form shows.

    Parameters
    ----------
    setup : SetupPanel
        The form.
    """

    changed = Signal()

    def __init__(self, setup: SetupPanel) -> None:
        super().__init__("Before you start", "Choose a recording: what it needs is then checked.")
        self._setup = setup
        self._background = Background("acll-preflight", self)
        self._background.done.connect(self._show)
        self._background.failed.connect(self._show_failure)
        self._timer = QTimer(self)
        self._timer.setSingleShot(True)
        self._timer.setInterval(_SETTLE_MS)
        self._timer.timeout.connect(self.check)
        self.asked_again.connect(self.check)
        setup.valueChanged.connect(self.ask)

    @property
    def is_red(self) -> bool:
        """Whether a session cannot start."""
        return worst_light(self.value()) is Light.RED

    def ask(self) -> None:
        """Look at everything soon, if this panel is shown; the form may still change."""
        if not self.isHidden():
            self._timer.start()

    def check(self) -> None:
        """Look at everything now, in the background."""
        self._timer.stop()
        recording = self._setup.recording.value()
        if not recording:
            self._show(())
            return
        try:
            settings = self._setup.settings()
        except SettingsError as error:
            self._show_failure(str(error))
            return
        out = Path(self._setup.out.value()).expanduser() if self._setup.out.value() else None
        self.show_busy()
        self.changed.emit()
        self._background.start(partial(preflight, recording, settings=settings, out=out))

    def cancel(self) -> None:
        """Look at nothing until the form changes again: a session has what it needs."""
        self._timer.stop()
        self._background.cancel()
        self._show(())

    def _show(self, checks: Sequence[Check]) -> None:
        self.setValue(checks)
        self.changed.emit()

    def _show_failure(self, sentence: str) -> None:
        self._show((Check(name="Settings", light=Light.RED, sentence=sentence),))
