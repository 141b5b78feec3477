"""The marks of a session that a screen can draw."""

import threading

from napari_acll.core import Mark

MOST_OF_A_NAME = 200
"""A name that comes more often is a measure, such as a speed, and no single moment."""
_MOST_NAMES = 100


class MarkMemory:
    """Remembers the marks that stand for moments; bounded, and usable from any thread.

    A name that came more than `MOST_OF_A_NAME` times is forgotten here, and so are names beyond
    the first hundred. What the session keeps on disk is complete.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._marks: dict[str, list[Mark]] = {}
        self._measures: set[str] = set()

    def add(self, mark: Mark) -> None:
        """Remember a mark."""
        with self._lock:
            if mark.name in self._measures:
                return
            if mark.name not in self._marks and self._n_names >= _MOST_NAMES:
                return
            marks = self._marks.setdefault(mark.name, [])
            marks.append(mark)
            if len(marks) > MOST_OF_A_NAME:
                del self._marks[mark.name]
                self._measures.add(mark.name)

    def moments(self) -> tuple[Mark, ...]:
        """Return the marks that stand for moments, grouped by name."""
        with self._lock:
            return tuple(mark for marks in self._marks.values() for mark in marks)

    @property
    def _n_names(self) -> int:
        return len(self._marks) + len(self._measures)
