"""The volumes that a folder gave, so that they can be read once more."""

from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from napari_acll.core import RecordingError, SourceSettings
from napari_acll.sources._arrivals import Pattern, pattern_of
from napari_acll.sources._folder_listing import named_file
from napari_acll.sources._volume_files import READERS, FileVolume


class GivenFiles:
    """Files and times of the volumes that were read.

    Parameters
    ----------
    folder : Path
        Where volumes are looked for that were read by a session before an interruption.
    settings : SourceSettings
        How they are read.
    """

    def __init__(self, folder: Path, settings: SourceSettings) -> None:
        self._folder = folder
        self._settings = settings
        self._paths: dict[int, Mapping[int, Path]] = {}
        self._times_s: dict[int, NDArray[np.float64]] = {}

    def add(
        self, number: int, paths: Mapping[int, Path], slice_times_s: NDArray[np.float64]
    ) -> None:
        """Take note of a volume that was read."""
        self._paths[number] = dict(paths)
        self._times_s[number] = slice_times_s

    def times_s(self, number: int) -> NDArray[np.float64] | None:
        """Return the times of the slices of a volume that was read, in s."""
        return self._times_s.get(number)

    def read(self, number: int, pattern: Pattern) -> tuple[FileVolume, float] | None:
        """Return a volume and when it was written, in s; None if its files are gone.

        Raises
        ------
        RecordingError
            If it cannot be read.
        """
        paths = self._paths.get(number) or self._found(number, pattern)
        if not paths:
            return None
        given = paths if pattern[0] == "nrrd" else tuple(paths.values())
        try:
            stored = READERS[pattern[0]](given, self._settings)
            return stored, max(path.stat().st_mtime for path in paths.values())
        except (OSError, RecordingError):
            if all(path.exists() for path in paths.values()):
                raise
            return None

    def _found(self, number: int, pattern: Pattern) -> dict[int, Path]:
        found = {}
        with suppress(OSError):
            for path in self._folder.iterdir():
                named = named_file(path)
                if named and named.number == number and pattern_of(named) == pattern:
                    found[named.channel] = path
        return found
