"""One calibration of the channel alignment in a thread of its own; knows no Qt."""

import threading
from dataclasses import dataclass

from napari_acll.core import AcllSettings, VolumeSource
from napari_acll.session import CalibrationReport, calibrate_recording
from napari_acll.widgets._error_sentence import sentence_of_error


@dataclass(frozen=True, slots=True, kw_only=True)
class CalibrationRequest:
    """What is to be calibrated.

    Parameters
    ----------
    recording : str or VolumeSource
        A path, `simulated`, or a source, which is closed at the end.
    settings : AcllSettings
        How it is read, and on how many volumes it is calibrated.
    is_spread : bool
        Whether the volumes are taken from the whole recording.
    """

    recording: str | VolumeSource
    settings: AcllSettings
    is_spread: bool


class CalibrationJob:
    """Calibrates, and leaves what it finds for the GUI thread to fetch.

    Parameters
    ----------
    request : CalibrationRequest
        What to do.
    """

    def __init__(self, request: CalibrationRequest) -> None:
        self.request = request
        self.report: CalibrationReport | None = None
        self.error = ""
        self.progress = (0, 0)
        self._canceled = threading.Event()
        self._done = threading.Event()
        self._source: VolumeSource | None = None
        self._thread = threading.Thread(target=self._work, name="acll-calibrate", daemon=True)

    @property
    def is_over(self) -> bool:
        """Whether it has ended, in whatever way."""
        return self._done.is_set()

    @property
    def is_canceled(self) -> bool:
        """Whether somebody asked it to end early."""
        return self._canceled.is_set()

    def start(self) -> None:
        """Start; returns at once."""
        self._thread.start()

    def cancel(self) -> None:
        """Ask it to end; returns at once, and may be called twice.

        A volume that is being looked at is finished; a live source that waits is closed.
        """
        self._canceled.set()
        source = self._source
        if source is not None and source.is_live:
            source.close()

    def wait(self, timeout: float | None = None) -> bool:
        """Wait for the end; return whether it came within `timeout` seconds."""
        self._thread.join(timeout)
        return not self._thread.is_alive()

    def _work(self) -> None:
        try:
            self.report = self._calibrated()
        except Exception as error:  # noqa: BLE001  outer edge of the thread: shown on screen
            if not self.is_canceled:
                self.error = sentence_of_error(error, what="The calibration")
        finally:
            self._done.set()

    def _calibrated(self) -> CalibrationReport | None:
        request = self.request
        report = calibrate_recording(
            request.recording,
            request.settings,
            is_spread=request.is_spread,
            opened=self._note_source,
            progress=self._note_progress,
            is_canceled=self._canceled.is_set,
        )
        if report is None or self.is_canceled:
            return None
        _ = report.estimates, report.profile  # computed here, so that the screen need not wait
        return report

    def _note_source(self, source: VolumeSource) -> None:
        self._source = source

    def _note_progress(self, n_usable: int, n_seen: int) -> None:
        self.progress = (n_usable, n_seen)
