"""Work that is too long for the thread of the screen; only the newest result counts."""

import threading
from collections import deque
from collections.abc import Callable
from typing import Any

from qtpy.QtCore import QObject, QTimer, Signal

from napari_acll.widgets._error_sentence import sentence_of_error

_POLL_MS = 50


class Background(QObject):
    """Runs one function at a time in a thread, and hands its result to the thread of the screen.

    A function that is started while another one runs waits for it, and takes the place of one that
    waits already; the result of one that was followed or canceled is thrown away.

    Parameters
    ----------
    name : str
        Name of the thread.
    parent : QObject
        Owns it.
    """

    done = Signal(object)
    failed = Signal(str)

    def __init__(self, name: str, parent: QObject) -> None:
        super().__init__(parent)
        self._name = name
        self._waiting: Callable[[], object] | None = None
        self._is_wanted = False
        self._thread: threading.Thread | None = None
        self._results: deque[tuple[str, Any]] = deque(maxlen=1)
        self._timer = QTimer(self)
        self._timer.setInterval(_POLL_MS)
        self._timer.timeout.connect(self._poll)

    def start(self, work: Callable[[], object]) -> None:
        """Run a function; its result comes by `done`, its error as a sentence by `failed`."""
        self._is_wanted = True
        self._waiting = work
        self._timer.start()
        self._poll()

    def cancel(self) -> None:
        """Want no result any more; what runs is not interrupted."""
        self._waiting = None
        self._is_wanted = False

    def _poll(self) -> None:
        thread = self._thread
        if thread is not None:
            if thread.is_alive():
                return
            self._thread = None
        kind, result = self._results.pop() if self._results else ("", None)
        if self._waiting is not None:
            work, self._waiting = self._waiting, None
            results = self._results
            # holds nothing of Qt: it may outlive the dock
            self._thread = threading.Thread(
                target=_run, args=(work, results), name=self._name, daemon=True
            )
            self._thread.start()
            return
        self._timer.stop()
        if not self._is_wanted or not kind:
            return
        self._is_wanted = False
        (self.done if kind == "done" else self.failed).emit(result)


def _run(work: Callable[[], object], results: "deque[tuple[str, Any]]") -> None:
    try:
        results.append(("done", work()))
    except Exception as error:  # noqa: BLE001  outer edge of the thread: told on the screen
        results.append(("failed", sentence_of_error(error)))
