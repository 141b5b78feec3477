"""What has appeared in a folder since it was armed."""

import os
import time
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

from napari_acll.sources._folder_listing import NamedFile, named_file

_RECHECK_S = 0.25


class FolderWatch:
    """Lists the files of volumes that appear in a folder.

    What is there when the watch is made is left out, until it is written anew: an armed session
    must not take the animal before. Names alone are looked at, so a look costs little however
    large the files are.

    Parameters
    ----------
    folder : Path
        The folder; it may appear later.
    takes_existing : bool
        Whether what is there already counts, too.

    Attributes
    ----------
    foreign : set of str
        Names of files that are no volumes.
    """

    def __init__(self, folder: Path, *, takes_existing: bool) -> None:
        self._folder = folder
        self._named: dict[str, NamedFile] = {}
        self._done: set[str] = set()
        self._before: dict[str, tuple[int, int]] = {}
        self._is_armed = takes_existing
        self._recheck_at_s = 0.0
        self.foreign: set[str] = set()
        with suppress(OSError):  # a share that is gone: armed at the first look that succeeds
            self._arm()

    def look(self) -> list[NamedFile]:
        """Return the files that have appeared and are not done, whatever state they are in.

        Raises
        ------
        OSError
            If the folder cannot be listed.
        """
        self._arm()
        now_s = time.monotonic()
        is_recheck = now_s >= self._recheck_at_s
        if is_recheck:
            self._recheck_at_s = now_s + _RECHECK_S
        with os.scandir(self._folder) as entries:
            return [
                named
                for entry in entries
                if entry.name not in self._done
                and (named := self._candidate(entry, is_recheck=is_recheck)) is not None
            ]

    def leave_out(self, paths: Iterable[Path]) -> None:
        """Never return these files again."""
        for path in paths:
            self._done.add(path.name)
            self._named.pop(path.name, None)

    def _arm(self) -> None:
        if self._is_armed:
            return
        with suppress(FileNotFoundError), os.scandir(self._folder) as entries:
            self._before = {entry.name: _signature(entry) for entry in entries}
        self._is_armed = True

    def _candidate(self, entry: os.DirEntry[str], *, is_recheck: bool) -> NamedFile | None:
        if entry.name in self._before:
            if not is_recheck or _signature(entry) == self._before[entry.name]:
                return None
            del self._before[entry.name]
        named = self._named.get(entry.name) or self._parsed(entry)
        if named is not None:
            self._named[entry.name] = named
        return named

    def _parsed(self, entry: os.DirEntry[str]) -> NamedFile | None:
        if entry.name.startswith("."):
            return None
        named = named_file(self._folder / entry.name)
        if named is None or named.number is None or not entry.is_file():
            self.foreign.add(entry.name)
            return None
        self.foreign.discard(entry.name)
        return named


def _signature(entry: os.DirEntry[str]) -> tuple[int, int]:
    try:
        status = entry.stat()
    except FileNotFoundError:
        return 0, 0
    return status.st_size, status.st_mtime_ns
