"""Replays a folder with one file per volume."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Self

from napari_acll.core import RecordingError, SourceSettings, Volume
from napari_acll.sources._array_files import is_zarr
from napari_acll.sources._folder_listing import (
    VolumeFiles,
    drop_incomplete_pairs,
    list_volume_files,
)
from napari_acll.sources._folder_spec import check_geometry, folder_spec
from napari_acll.sources._geometry import even_slice_times, resolve_period
from napari_acll.sources._replay import ReplaySource
from napari_acll.sources._volume_files import READERS, FileVolume

_S_PER_DAY = 86_400.0
_N_SHOWN_GAPS = 5


class FolderSource(ReplaySource):
    """A folder with one file per volume, in the order of the numbers in their names.

    Takes `.nd2`, `.h5`, `.tif` and `.npy` files and pairs of `.nrrd` files, one kind per
    folder. Indices count from the first number; a number that is missing is a lost volume. A
    last file that is incomplete is taken as not there yet.

    Parameters
    ----------
    folder : Path
        The folder.
    settings : SourceSettings
        Channels, axes, and what overrides the files' own calibration.

    Raises
    ------
    RecordingError
        If the folder holds no volumes, several kinds, two with one number, or the first one
        cannot be read.
    """

    def __init__(self, folder: Path, settings: SourceSettings) -> None:
        self._settings = settings
        notes: list[str] = []
        files = list_volume_files(folder, settings, notes)
        files = drop_incomplete_pairs(files, notes)
        if not files.of_number:
            raise RecordingError(
                f"{folder} holds no volume with the files of both channels; each needs a pair"
                " such as name_t0001_ch1.nrrd and name_t0001_ch2.nrrd."
            )
        self._kind = files.kind
        self._first_number = next(iter(files.of_number))
        first = self._read_number(files, self._first_number)
        notes.insert(0, first.note)
        files, last = self._without_incomplete_last(files, first, notes)
        self._files = files
        indices = [number - self._first_number for number in files.of_number]
        _note_gaps(indices, notes)
        self._start_day = first.start_julian_day
        found_period_s = self._found_period(first, last, indices[-1])
        self._is_timed = found_period_s is not None and settings.period_s is None
        spec = folder_spec(
            first,
            settings,
            notes,
            period_s=resolve_period(found_period_s, settings, notes, n_volumes=len(indices)),
            n_volumes=indices[-1] + 1,
        )
        super().__init__(
            spec=spec,
            indices=indices,
            notes=notes,
            description={
                "kind": f"folder of {files.kind}",
                "path": str(folder.absolute()),
                "n_volumes": len(indices),
                "first_number": self._first_number,
                "marker_channel": first.marker_channel,
                "activity_channel": first.activity_channel,
            },
        )
        self._dtype = first.marker.dtype

    @classmethod
    def rejects(cls, recording: str) -> str:
        """Return why this cannot be a folder of volumes, in one sentence; empty if it can."""
        path = Path(recording)
        if not path.is_dir():
            return "it is not a folder"
        return "it is a Zarr array" if is_zarr(path) else ""

    @classmethod
    def from_recording(cls, recording: str, settings: SourceSettings) -> Self:
        """Open a folder.

        Raises
        ------
        RecordingError
            See the class.
        """
        return cls(Path(recording), settings)

    def resume_at(self, index: int, described: Mapping[str, object]) -> None:
        """Count volumes as a session did whose first files may be gone by now."""
        del index
        first = described.get("first_number")
        if isinstance(first, int) and first != self._first_number:
            self._first_number = first
            numbers = [number for number in self._files.of_number if number >= first]
            self._recount([number - first for number in numbers])
        if isinstance(start_day := described.get("start_day"), float):
            self._start_day = start_day

    def _read_number(self, files: VolumeFiles, number: int) -> FileVolume:
        paths: Any = files.of_number[number]
        if self._kind != "nrrd":
            paths = tuple(paths.values())
        return READERS[self._kind](paths, self._settings)

    def _without_incomplete_last(
        self, files: VolumeFiles, first: FileVolume, notes: list[str]
    ) -> tuple[VolumeFiles, FileVolume]:
        """Return the files and their last volume; one that cannot be read is left out."""
        numbers = list(files.of_number)
        if len(numbers) == 1:
            return files, first
        try:
            return files, self._read_number(files, numbers[-1])
        except RecordingError as error:
            notes.append(f"The last volume is left out: {error}")
        of_number = {number: files.of_number[number] for number in numbers[:-1]}
        files = VolumeFiles(kind=files.kind, of_number=of_number)
        last = first if len(numbers) == 2 else self._read_number(files, numbers[-2])
        return files, last

    def _found_period(self, first: FileVolume, last: FileVolume, n_steps: int) -> float | None:
        """Return the mean period by the files' own times; None without, or if they stand."""
        if n_steps == 0:
            return None
        start_s, end_s = self._file_start_s(first), self._file_start_s(last)
        if start_s is None or end_s is None or end_s <= start_s:
            return None
        return (end_s - start_s) / n_steps

    def _file_start_s(self, stored: FileVolume) -> float | None:
        """Return the time of the first slice from the start of the first file, in s."""
        if stored.slice_times_s is None:
            return None
        return self._days_s(stored) + float(stored.slice_times_s[0])

    def _days_s(self, stored: FileVolume) -> float:
        if stored.start_julian_day is None or self._start_day is None:
            return 0.0
        return (stored.start_julian_day - self._start_day) * _S_PER_DAY

    def _load(self, index: int) -> Volume:
        number = index + self._first_number
        stored = self._read_number(self._files, number)
        name = next(iter(self._files.of_number[number].values()))
        check_geometry(stored, self._spec, self._dtype, recording=str(name))
        n_z, period_s = self._spec.shape[0], self._spec.period_s
        slice_times_s = even_slice_times(index * period_s, n_z, period_s)
        if self._is_timed and stored.slice_times_s is not None:
            slice_times_s = stored.slice_times_s + self._days_s(stored)
        return Volume(
            index=index,
            timestamp_s=float(slice_times_s[0]),
            marker=stored.marker,
            activity=stored.activity,
            spec=self._spec,
            slice_times_s=slice_times_s,
            missing_z=stored.missing_z,
        )

    def _release(self) -> None:
        """Nothing is open between volumes."""


def _note_gaps(indices: list[int], notes: list[str]) -> None:
    lost = sorted(set(range(indices[-1] + 1)) - set(indices))
    if lost:
        shown = ", ".join(str(index) for index in lost[:_N_SHOWN_GAPS])
        more = ", ..." if len(lost) > _N_SHOWN_GAPS else ""
        notes.append(f"{len(lost)} volumes are missing and count as lost: {shown}{more}.")
