"""Which files of a folder are the volumes of a recording, and their numbers."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from napari_acll.core import RecordingError, SourceSettings
from napari_acll.sources._array_files import NpyArray

_KIND_OF_SUFFIX = {
    ".nd2": "nd2",
    ".nrrd": "nrrd",
    ".h5": "h5",
    ".hdf5": "h5",
    ".tif": "tif",
    ".tiff": "tif",
    ".npy": "npy",
}
_TIME_NUMBER = re.compile(r"_t(\d+)", re.IGNORECASE)
_ANY_NUMBER = re.compile(r"\d+")
_CHANNEL = re.compile(r"_ch(\d+)$", re.IGNORECASE)
_N_SHOWN = 3
_DEFAULT_N_AXES = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class VolumeFiles:
    """The files of one recording.

    Parameters
    ----------
    kind : str
        `nd2`, `nrrd`, `h5`, `tif` or `npy`.
    of_number : mapping of int to mapping of int to Path
        For each number, ascending, its file, or the file of each channel.
    """

    kind: str
    of_number: Mapping[int, Mapping[int, Path]]


@dataclass(frozen=True, slots=True)
class NamedFile:
    """A file that can be a volume, or one channel of it, and what its name says.

    Parameters
    ----------
    path : Path
        The file.
    kind : str
        `nd2`, `nrrd`, `h5`, `tif` or `npy`.
    number : int or None
        Number of the volume; None if the name has none.
    is_time_number : bool
        Whether the number stands after `_t`.
    channel : int
        Number of the channel; 0 if the file holds all of them.
    """

    path: Path
    kind: str
    number: int | None
    is_time_number: bool
    channel: int


def list_volume_files(folder: Path, settings: SourceSettings, notes: list[str]) -> VolumeFiles:
    """Return the files of the volumes in a folder.

    The number of a volume stands after `_t`, else it is the last number in the name. Other
    files are left out and noted; without any number, the order is that of the names.

    Parameters
    ----------
    folder : Path
        The folder.
    settings : SourceSettings
        Axes of `.npy` files, which tell volumes from other arrays.
    notes : list of str
        Gets what the user should know.

    Raises
    ------
    RecordingError
        If there are no volumes, several kinds of them, or two with the same number.
    """
    try:
        entries = sorted(entry for entry in folder.iterdir() if not entry.name.startswith("."))
    except OSError as error:
        raise RecordingError(
            f"Cannot list {folder} ({error.strerror}); check the path and its permissions."
        ) from error
    candidates = [
        named for entry in entries if (named := named_file(entry)) is not None and entry.is_file()
    ]
    chosen = _numbered(candidates) or _in_name_order(candidates, settings, notes)
    kinds = sorted({named.kind for named in chosen})
    if not chosen:
        raise RecordingError(
            f"{folder} holds no volumes; one file per volume is expected (.nd2, .h5, .tif, .npy,"
            " or .nrrd pairs such as name_t0001_ch1.nrrd): choose another folder."
        )
    if len(kinds) > 1:
        examples = ", ".join(_example(chosen, kind) for kind in kinds)
        raise RecordingError(
            f"{folder} holds volumes of several kinds ({examples}); keep those of one recording"
            " in a folder of their own."
        )
    taken = {named.path for named in chosen}
    _note_foreign([entry for entry in entries if entry not in taken], notes)
    return VolumeFiles(kind=kinds[0], of_number=_by_number(chosen, folder))


def drop_incomplete_pairs(files: VolumeFiles, notes: list[str]) -> VolumeFiles:
    """Return the files without the numbers that lack the file of a channel."""
    channels = {channel for paths in files.of_number.values() for channel in paths}
    complete = {
        number: paths for number, paths in files.of_number.items() if len(paths) == len(channels)
    }
    n_dropped = len(files.of_number) - len(complete)
    if n_dropped and complete:
        notes.append(f"{n_dropped} volumes lack the file of a channel and count as lost.")
    return VolumeFiles(kind=files.kind, of_number=complete)


def named_file(path: Path) -> NamedFile | None:
    """Return what a name says, without looking at the file; None if it is no volume's name."""
    kind = _KIND_OF_SUFFIX.get(path.suffix.casefold())
    if kind is None:
        return None
    stem, channel = path.stem, 0
    if kind == "nrrd":
        match = _CHANNEL.search(stem)
        if match is None:
            return None
        stem, channel = stem[: match.start()], int(match[1])
    numbers = _TIME_NUMBER.findall(stem)
    is_time_number = bool(numbers)
    numbers = numbers or _ANY_NUMBER.findall(stem)
    number = int(numbers[-1]) if numbers else None
    return NamedFile(path, kind, number, is_time_number, channel)


def _numbered(candidates: Iterable[NamedFile]) -> list[NamedFile]:
    numbered = [named for named in candidates if named.number is not None]
    timed = [named for named in numbered if named.is_time_number]
    return timed or numbered


def _in_name_order(
    candidates: Iterable[NamedFile], settings: SourceSettings, notes: list[str]
) -> list[NamedFile]:
    n_axes = len(settings.axes) if settings.axes else _DEFAULT_N_AXES
    volumes = [
        named
        for named in candidates
        if named.kind != "npy" or len(NpyArray(named.path).shape) == n_axes
    ]
    stems = sorted({_CHANNEL.sub("", named.path.stem) for named in volumes})
    if len(stems) > 1:
        notes.append(
            f"The names of the files carry no numbers; they are taken in the order of their"
            f" names, {stems[0]} first."
        )
    return [
        NamedFile(
            named.path,
            named.kind,
            stems.index(_CHANNEL.sub("", named.path.stem)),
            False,
            named.channel,
        )
        for named in volumes
    ]


def _by_number(chosen: Iterable[NamedFile], folder: Path) -> dict[int, dict[int, Path]]:
    found: dict[int, dict[int, Path]] = {}
    for named in chosen:
        paths = found.setdefault(int(named.number or 0), {})
        if named.channel in paths:
            raise RecordingError(
                f"{paths[named.channel].name} and {named.path.name} in {folder} are both volume"
                f" {named.number}; keep one recording per folder, each volume once."
            )
        paths[named.channel] = named.path
    return dict(sorted(found.items()))


def _note_foreign(foreign: list[Path], notes: list[str]) -> None:
    if foreign:
        shown = ", ".join(path.name for path in foreign[:_N_SHOWN])
        more = ", ..." if len(foreign) > _N_SHOWN else ""
        notes.append(f"{len(foreign)} files are not volumes and are left out: {shown}{more}.")


def _example(chosen: Iterable[NamedFile], kind: str) -> str:
    return next(named.path.name for named in chosen if named.kind == kind)
