"""Collections of garbage that leave out what lives as long as the program."""

import gc
import threading

_lock = threading.Lock()
_holders: "set[GarbagePause]" = set()


class GarbagePause:
    """Keeps what is in memory now out of all collections of garbage until it is ended.

    A full collection looks at every object of napari, Qt and torch: 160 ms on a slow computer, in
    whichever thread happens to ask for memory, while all others stand still. None of these
    objects goes away while a session runs. What comes later is collected as always, in little
    time. Pauses of several sessions overlap; after the last one everything is as before.
    """

    def begin(self) -> None:
        """Leave out what is there now, garbage included; a second call does nothing.

        Nothing is collected here: a collection that is forced while Qt calls us would end windows
        that were just closed at a moment that nobody has chosen.
        """
        with _lock:
            if self in _holders:
                return
            _holders.add(self)
            gc.freeze()

    def end(self) -> None:
        """Let everything be collected again; may be called twice, and from any thread."""
        with _lock:
            if self not in _holders:
                return
            _holders.discard(self)
            if not _holders:
                gc.unfreeze()
