"""`python -m napari_acll.widgets.selftest_window JOB.json`: `acll selftest` in a real viewer."""

import sys
import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from napari_acll.core import SessionError
from napari_acll.selftest import Job, memory_used, run_step

if TYPE_CHECKING:
    from napari_acll.widgets import LiveSessionWidget

_SIZE_PX = (1500, 900)
_TICK_MS = 20
_LIVE, _TRACES = "AutoCellLabel Live", "AutoCellLabel Traces"


def play_in_window(job: Job) -> Mapping[str, object]:
    """Run a session by the Live dock of a viewer, which opens the traces beside it.

    Parameters
    ----------
    job : Job
        What is asked for.

    Raises
    ------
    SessionError
        If the session failed, or nothing of it was shown.
    """
    import napari
    from qtpy.QtCore import QTimer

    from napari_acll.widgets import LiveSessionWidget

    viewer = napari.Viewer(title="AutoCellLabel Live: self-test", show=True)
    try:
        viewer.window.resize(*_SIZE_PX)
        live = LiveSessionWidget(viewer)
        viewer.window.add_dock_widget(live, name=_LIVE, area="right")
        live.setup.set_settings(job.settings)
        live.setup.set_recording(job.recording)
        live.setup.out.setValue(str(job.session))
        pulse = Pulse()
        timer = QTimer()
        timer.timeout.connect(pulse.beat)
        timer.start(_TICK_MS)
        live.buttons.start.click()
        _wait_for_the_end(live, pulse)
        timer.stop()
        error = None if live.engine.run is None else live.engine.run.error
        if error is not None:
            raise error
        viewer.window.screenshot(str(job.screenshot), flash=False)
        told = _shown(viewer, live)
        return {**told, "window": {**told["window"], **pulse.told()}, "memory": memory_used()}
    finally:
        viewer.close()


class Pulse:
    """How long the screen stood still at a time."""

    def __init__(self) -> None:
        self._last_s: float | None = None
        self._longest_s = 0.0
        self.n = 0

    def beat(self) -> None:
        """Take note that the screen's thread is free."""
        now_s = time.perf_counter()
        if self._last_s is not None:
            self._longest_s = max(self._longest_s, now_s - self._last_s)
        self._last_s = now_s
        self.n += 1

    def told(self) -> Mapping[str, object]:
        """Return the longest stop, in ms."""
        return {"longest_stop_ms": round(1e3 * self._longest_s, 1), "n_beats": self.n}


def _wait_for_the_end(live: "LiveSessionWidget", pulse: Pulse) -> None:
    """Let the screen live until the session is over and the last volume is drawn.

    Raises
    ------
    SessionError
        If the dock did not start one.
    """
    from qtpy.QtCore import QCoreApplication, QEventLoop

    if live.engine.run is None:
        raise SessionError(f"The Live dock started nothing: {live.status.state.text()}")
    pulse.beat()
    while not live.engine.state.is_over:
        QCoreApplication.processEvents(QEventLoop.ProcessEventsFlag.WaitForMoreEvents, _TICK_MS)
    live.engine.run.wait()
    for _ in range(10):
        QCoreApplication.processEvents()


def _shown(viewer: Any, live: "LiveSessionWidget") -> dict[str, Any]:
    """Return what the viewer shows of the session.

    Raises
    ------
    SessionError
        If that is nothing.
    """
    from napari_acll.widgets._rendering import renderer_name

    names = [layer.name for layer in viewer.layers]
    missing = {"live marker", "live labels"} - set(names)
    if missing:
        raise SessionError(f"The viewer shows no layer {' and no '.join(sorted(missing))}.")
    docks = list(viewer.window.dock_widgets)
    if not any(_TRACES in dock for dock in docks):
        raise SessionError(f"The Live dock opened no {_TRACES}; there are {', '.join(docks)}.")
    return {
        "state": str(live.engine.state),
        "window": {
            "n_layers": len(names),
            "docks": docks,
            "renderer": renderer_name(),
            "volumes": live.status.volumes.text(),
            "speed": live.status.speed.text(),
        },
    }


if __name__ == "__main__":
    sys.exit(run_step(sys.argv[1], play_in_window))
