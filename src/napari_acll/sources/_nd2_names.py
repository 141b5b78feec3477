"""Names of growing ND2 files: one that is given, one of a pattern, the next of a split one."""

import contextlib
import re
from pathlib import Path

_LAST_NUMBER = re.compile(r"(\d+)$")
_WILDCARD = "*"


class ExpectedFile:
    """The file that a recording is going to be written to.

    Parameters
    ----------
    path : Path
        Its name, or a pattern such as `D:/worms/*.nd2` for the next file that appears.
    takes_existing : bool
        Whether a pattern may mean a file that is there already; then the newest is taken.
    """

    def __init__(self, path: Path, *, takes_existing: bool) -> None:
        self._path = path
        self._is_pattern = _WILDCARD in path.name
        self._takes_existing = takes_existing
        self._known = frozenset() if takes_existing else frozenset(self._matching())

    def find(self) -> Path | None:
        """Return the file, which need not exist unless a pattern was given; None if none fits."""
        if not self._is_pattern:
            return self._path
        found = sorted((_time_ns(path), path) for path in self._matching() - self._known)
        if not found:
            return None
        return found[-1 if self._takes_existing else 0][1]

    def _matching(self) -> set[Path]:
        if not self._is_pattern:
            return set()
        try:
            return set(self._path.parent.glob(self._path.name))
        except OSError:  # a folder that is not there yet, or a share that is away
            return set()


def next_part(path: Path) -> Path | None:
    """Return the name of the next file of a split recording; None if names do not count.

    Examples
    --------
    >>> next_part(Path("worm009.nd2")).name
    'worm010.nd2'
    """
    number = _LAST_NUMBER.search(path.stem)
    if number is None:
        return None
    digits = number.group()
    counted = str(int(digits) + 1).zfill(len(digits))
    return path.with_name(path.stem[: number.start()] + counted + path.suffix)


def _time_ns(path: Path) -> int:
    with contextlib.suppress(OSError):  # gone in between
        return path.stat().st_mtime_ns
    return 0
