"""The same work as the original pipeline does it, on the same volume and machine.

Written from what is published of AutoCellLabel Live, none of it copied. What would take minutes
on a CPU is done in part and scaled; `how` says which part.
"""

import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from napari_acll.core import LabeledVolume, Volume
from napari_acll.label import Part, alignment_part, labels_part, network_part, traces_part

_N_CLASSES = 185
_MOST_REPEATS, _LONG_S = 5, 1.0
_N_COLUMNS = 800
"""Of the file of traces when the volume comes: half of a recording."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReferenceStep:
    """One step of the original pipeline.

    Parameters
    ----------
    name : str
        What it does.
    stage : str
        The stage of ours that does the same.
    wall_ms, cpu_ms : float
        For a whole volume, in ms by the clock and of computing time.
    how : str
        What was computed.
    is_once : bool
        Whether it is done for the first ten volumes only.
    """

    name: str
    stage: str
    wall_ms: float
    cpu_ms: float
    how: str
    is_once: bool = False


def reference_steps(stored: Volume, volume: Volume, labeled: LabeledVolume) -> list[ReferenceStep]:
    """Return how long each step of the original takes for one volume.

    Parameters
    ----------
    stored : Volume
        As the recording holds it.
    volume : Volume
        The same cropped and binned.
    labeled : LabeledVolume
        Its labels.
    """
    with tempfile.TemporaryDirectory(prefix="acll-bench-") as folder:
        steps = list(_steps(stored, volume, labeled, Path(folder)))
        return [_timed(*step) for step in steps]


_Step = tuple[str, str, Callable[[], Part]]


def _steps(
    stored: Volume, volume: Volume, labeled: LabeledVolume, folder: Path
) -> Iterator[_Step]:
    marker = volume.marker.astype(np.float32) - volume.marker_background
    activity = volume.activity.astype(np.float32) - volume.activity_background
    labels = np.minimum(labeled.instances, _N_CLASSES - 1)
    shape = volume.spec.shape
    binning = "crop, bin, background"
    yield "open and read a file", "read", lambda: _read_part(stored, folder)
    yield "sum 3 x 3, median", binning, lambda: _binning_part(stored, volume)
    yield "dense network", "label", lambda: network_part(shape)
    yield "dense labels", "label", lambda: labels_part(shape)
    yield "align, sum", "trace", lambda: traces_part(marker, activity, labels)
    yield "open the file of traces, append", "save", lambda: _saving_part(folder)
    yield "search the alignment", "", lambda: alignment_part(marker, activity)


def _timed(name: str, stage: str, make: Callable[[], Part]) -> ReferenceStep:
    """Return the fastest of some repetitions; what takes long is not repeated."""
    part = make()
    wall_s = cpu_s = float("inf")
    stop_s = time.perf_counter() + _LONG_S
    for _ in range(_MOST_REPEATS):
        began_s, began_cpu_s = time.perf_counter(), time.process_time()
        part.compute()
        cpu_s = min(cpu_s, time.process_time() - began_cpu_s)
        wall_s = min(wall_s, time.perf_counter() - began_s)
        if time.perf_counter() > stop_s:
            break
    return ReferenceStep(
        name=name,
        stage=stage,
        wall_ms=1e3 * wall_s * part.times,
        cpu_ms=1e3 * cpu_s * part.times,
        how=part.how,
        is_once=not stage,
    )


def _read_part(stored: Volume, folder: Path) -> Part:
    import nd2

    from napari_acll.simulate import write_nd2

    path = folder / "volume.nd2"
    write_nd2(_OneVolume(stored), path, 1)
    return Part(lambda: nd2.imread(path), 1.0, "nd2.imread of a file with this volume")


class _OneVolume:
    """A source of one volume."""

    def __init__(self, volume: Volume) -> None:
        self.spec = replace(volume.spec, n_volumes=1)
        self._volume = replace(
            volume,
            index=0,
            timestamp_s=0.0,
            slice_times_s=volume.slice_times_s - volume.timestamp_s,
        )

    def __iter__(self) -> Iterator[Volume]:
        """Yield it."""
        return iter((self._volume,))


def _binning_part(stored: Volume, volume: Volume) -> Part:
    """Return crop, sums and medians with NumPy, as one would write it in a minute."""
    grid, was = volume.spec.grid, stored.spec.grid
    factor = tuple(b // a for a, b in zip(was.bin_px, grid.bin_px, strict=True))
    start = [(a - b) // c for a, b, c in zip(grid.start_px, was.start_px, was.bin_px, strict=True)]
    box = tuple(
        slice(first, first + size * n)
        for first, size, n in zip(start, grid.shape, factor, strict=True)
    )
    z, y, x = grid.shape

    def channel(counts: NDArray[np.unsignedinteger]) -> float:
        split = counts[box].reshape(z, factor[0], y, factor[1], x, factor[2])
        return float(np.median(split.sum((1, 3, 5), dtype=np.uint32)))

    return Part(
        lambda: (channel(stored.marker), channel(stored.activity)), 1.0, "NumPy, both channels"
    )


def _saving_part(folder: Path) -> Part:
    import h5py

    path = folder / "traces.h5"
    with h5py.File(path, "w") as file:
        file.create_dataset(
            "signal",
            data=np.zeros((_N_CLASSES, _N_COLUMNS), np.float32),
            maxshape=(_N_CLASSES, None),
            chunks=True,
        )
    column = np.zeros(_N_CLASSES, np.float32)

    def append() -> None:
        with h5py.File(path, "a") as file:
            signal = file["signal"]
            signal.resize(signal.shape[1] + 1, axis=1)
            signal[:, -1] = column

    return Part(append, 1.0, f"HDF5 file of {_N_COLUMNS} volumes")
