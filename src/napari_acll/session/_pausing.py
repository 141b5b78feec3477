"""A session that stands still for a while, because somebody wants it to."""

import threading
from collections.abc import Callable

from napari_acll.session._outbox import Event
from napari_acll.session._volume_queue import VolumeQueue


class Pausing:
    """Lets a replay stand still, and a live session leave out what comes.

    A replay waits: nothing is read, and what was read waits with it. A microscope does not, so
    a live recording is read on, and each volume that comes meanwhile is skipped.

    Any thread may call any method; none but `stand_still` waits for anything.

    Parameters
    ----------
    is_live : bool
        Whether volumes come by themselves.
    queue : VolumeQueue
        Where volumes wait.
    tell : callable
        Gets events; must not wait.
    """

    def __init__(
        self, *, is_live: bool, queue: VolumeQueue, tell: Callable[[Event], object]
    ) -> None:
        self._is_live = is_live
        self._queue = queue
        self._tell = tell
        self._lock = threading.Lock()
        self._goes_on = threading.Event()
        self._goes_on.set()
        self._is_over = False
        self._left_out: list[int] = []

    @property
    def is_paused(self) -> bool:
        """Whether the session is paused."""
        return not self._goes_on.is_set()

    def pause(self) -> None:
        """Pause; nothing happens if that was done before, or if the session ends."""
        with self._lock:
            if self._is_over or self.is_paused:
                return
            self._goes_on.clear()
            if not self._is_live:
                self._queue.hold()
            what = "what comes is skipped" if self._is_live else "the replay stands still"
            self._tell(Event("paused", f"The session is paused: {what}."))

    def unpause(self) -> None:
        """Go on; nothing happens if the session is not paused."""
        with self._lock:
            if self.is_paused:
                self._let_go("The session goes on")

    def end(self) -> None:
        """Let whoever waits go, for good: the session ends."""
        with self._lock:
            self._is_over = True
            if self.is_paused:
                self._let_go("The session ends")

    def leaves_out(self, index: int) -> bool:
        """Return whether a volume is skipped because it came during a pause."""
        with self._lock:
            is_left_out = self._is_live and self.is_paused
            if is_left_out:
                self._left_out.append(index)
            return is_left_out

    def stand_still(self) -> bool:
        """Wait while a replay is paused; return whether there was anything to wait for."""
        if self._is_live or not self.is_paused:
            return False
        self._goes_on.wait()
        return True

    def _let_go(self, what: str) -> None:
        left_out, self._left_out = self._left_out, []
        self._goes_on.set()
        self._queue.let_go()
        self._tell(_unpaused(what, left_out))


def _unpaused(what: str, left_out: list[int]) -> Event:
    if not left_out:
        return Event("unpaused", f"{what}.")
    first, last = left_out[0], left_out[-1]
    message = f"{what}; volumes {first} to {last} came while it was paused, and are skipped."
    details = {"first": first, "last": last, "count": len(left_out)}
    return Event("unpaused", message, details)
