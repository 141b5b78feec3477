"""What following a microscope costs, beside a reader as one would write it in a minute.

python recipes/measure_live_sources.py --volumes 30 --folder /data/measured

`acll rig` plays a full-frame recording (0.6 s per volume) in a process of its own, once for each
route and reader. Each reader crops and bins what it reads as a session does. Printed are MB/s, the
time from the last frame written to the volume available and binned (median, 99 %), and the
computing time of the reader as a share of one core.

The naive readers wait until all bytes of a volume are there, and then use NumPy, or the package
`nd2`, which cannot read a growing file.
"""

import argparse
import csv
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import nd2
import numpy as np

from napari_acll.cli._resolve import resolve_settings
from napari_acll.core import AcllSettings, Volume
from napari_acll.preprocess import Preprocessor
from napari_acll.sources import GrowingFolderSource, GrowingNd2Source, open_source

PROFILE = "flavell_raw"
SHM = "shm:acll-measured"
HEAD_BYTES, BLOCK_BYTES = 4096, 4096
LOOK_S = 0.003
PATIENCE_S = 5.0
Seen = Iterator[tuple[int, float, float]]
"""Index of a volume, and when it was available and binned."""


def follow(source: object, settings: AcllSettings) -> Seen:
    """Read with one of our sources."""
    preprocessor = None
    try:
        for volume in source:  # type: ignore[attr-defined]
            available_s = time.perf_counter()
            if preprocessor is None:
                preprocessor = Preprocessor(volume.spec, settings.preprocess)
            preprocessor.apply(volume)
            yield volume.index, available_s, time.perf_counter()
            del volume  # its memory is used again, as in a session
    finally:
        source.close()  # type: ignore[attr-defined]


def naive_nd2(path: Path, settings: AcllSettings, film_shape: tuple[int, int, int]) -> Seen:
    """Wait for the bytes of each volume, read them in one piece, and sort them with NumPy."""
    n_z, height, width = film_shape
    stride = -(-height * width * 4 // BLOCK_BYTES) * BLOCK_BYTES + HEAD_BYTES
    while not path.exists():
        time.sleep(LOOK_S)
    start, index, moved_s = None, 0, time.monotonic()
    while time.monotonic() - moved_s < PATIENCE_S:
        size = path.stat().st_size
        if start is None and size > stride:
            head = path.read_bytes()[: size - stride + HEAD_BYTES]
            start = head.find(b"ImageDataSeq|0!") - 16
        if start is None or size < start + (index + 1) * n_z * stride:
            time.sleep(LOOK_S)
            continue
        with path.open("rb") as file:
            file.seek(start + index * n_z * stride)
            raw = np.frombuffer(file.read(n_z * stride), np.uint8).reshape(n_z, stride)
        pixels = raw[:, HEAD_BYTES : HEAD_BYTES + height * width * 4]
        stack = np.ascontiguousarray(pixels).view(np.uint16).reshape(n_z, height, width, 2)
        channels = np.ascontiguousarray(np.moveaxis(stack, 3, 0))
        available_s = time.perf_counter()
        naive_bins(channels, settings)
        yield index, available_s, time.perf_counter()
        index, moved_s = index + 1, time.monotonic()


def naive_folder(folder: Path, settings: AcllSettings) -> Seen:
    """Try to open each file with `nd2` until it works."""
    index, moved_s = 0, time.monotonic() + 60
    while time.monotonic() - moved_s < PATIENCE_S:
        path = folder / f"{folder.name}_t{index + 1:04d}.nd2"
        try:
            channels = np.ascontiguousarray(np.moveaxis(nd2.imread(path), 1, 0))
        except Exception:  # noqa: BLE001  whatever it says of a file that is not finished
            time.sleep(LOOK_S)
            continue
        available_s = time.perf_counter()
        naive_bins(channels, settings)
        yield index, available_s, time.perf_counter()
        index, moved_s = index + 1, time.monotonic()


def naive_bins(channels: np.ndarray, settings: AcllSettings) -> np.ndarray:
    """Crop and bin with NumPy."""
    crop, bin_px = settings.preprocess.crop, settings.preprocess.bin_px or 1
    part = channels[
        :,
        crop.z_start_px : crop.z_stop_px,
        crop.y_start_px : crop.y_stop_px,
        crop.x_start_px : crop.x_stop_px,
    ]
    c, z, y, x = part.shape
    bins = part.reshape(c, z, y // bin_px, bin_px, x // bin_px, bin_px)
    return bins.sum((3, 5), dtype=np.uint32)


def measure(
    name: str, target: str, read: Callable[[], Seen], given: argparse.Namespace
) -> tuple[str, ...]:
    """Play a recording to one reader; return a row of the table."""
    log = given.folder / "rig.csv"
    command = [sys.executable, "-m", "napari_acll.cli", "rig", target, "--log", str(log)]
    command += ["--volumes", str(given.volumes + given.warm_up), "--period", str(given.period)]
    command += [] if given.film is None else ["--film", str(given.film)]
    if "naive" in name:  # which may fall so far behind that all it waits for is gone
        command += ["--keep", str(given.volumes + given.warm_up)]
    rig = subprocess.Popen(command, stdout=subprocess.DEVNULL)  # noqa: S603
    seen: dict[int, tuple[float, float]] = {}
    cpu_s = began_s = ended_s = used_s = 0.0
    for index, available_s, binned_s in read():
        if len(seen) == given.warm_up:
            cpu_s, began_s = time.process_time(), time.perf_counter()
        seen[index] = (available_s, binned_s)
        ended_s, used_s = time.perf_counter(), time.process_time()
        if index == given.volumes + given.warm_up - 1:
            break
    rig.wait()
    with log.open(newline="") as file:
        rows = list(csv.DictReader(file))[given.warm_up :]
    complete_s = {int(row["volume"]): float(row["complete_perf_s"]) for row in rows}
    delays_ms = np.array(
        [
            [1e3 * (time_s - complete_s[index]) for time_s in seen[index]]
            for index in complete_s
            if index in seen
        ]
    )
    if not len(delays_ms):
        return (name, f"0 of {given.volumes}", "", "", "", "")
    n_bytes = 2 * 2 * int(np.prod(given.shape)) * (len(delays_ms) - 1)
    (p50, binned_p50), (p99, binned_p99) = np.percentile(delays_ms, (50, 99), axis=0)
    return (
        name,
        f"{len(delays_ms)} of {given.volumes}",
        f"{n_bytes / 1e6 / (ended_s - began_s):.0f}",
        f"{p50:.1f} / {p99:.1f}",
        f"{binned_p50:.1f} / {binned_p99:.1f}",
        f"{100 * (used_s - cpu_s) / (ended_s - began_s):.0f} %",
    )


def cases(given: argparse.Namespace) -> Iterator[tuple[str, str, Callable[[], Seen]]]:
    """Yield name, target of the rig, and reader of each case."""
    settings = resolve_settings({"profile": PROFILE, "live": True})
    file, folder = given.folder / "worm.nd2", given.folder / "worm"

    def ours(source: Callable[[], Iterator[Volume]]) -> Callable[[], Seen]:
        return lambda: follow(source(), settings)

    yield "growing ND2", str(file), ours(lambda: GrowingNd2Source(file, settings.source))
    yield "growing ND2, naive", str(file), lambda: naive_nd2(file, settings, given.shape)
    yield "folder", str(folder), ours(lambda: GrowingFolderSource(folder, settings.source))
    yield "folder, naive", str(folder), lambda: naive_folder(folder, settings)
    yield "shared memory", SHM, ours(lambda: open_source(SHM, settings.source))


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--volumes", type=int, default=30)
    parser.add_argument("--warm-up", type=int, default=5, help="volumes before those that count")
    parser.add_argument("--period", type=float, default=0.6)
    parser.add_argument("--folder", type=Path, default=Path("measured"))
    parser.add_argument("--film", type=Path)
    parser.add_argument("--only", default="", help="cases whose name contains this")
    given = parser.parse_args()
    given.shape = (80, 630, 966)
    given.folder.mkdir(parents=True, exist_ok=True)
    head = ("reader", "volumes", "MB/s", "available ms p50 / p99", "binned ms p50 / p99", "core")
    lines = [head]
    for name, target, read in cases(given):
        if given.only in name:
            lines.append(measure(name, target, read, given))
            sys.stdout.write("| " + " | ".join(lines[-1]) + " |\n")
            (given.folder / "worm.nd2").unlink(missing_ok=True)
            shutil.rmtree(given.folder / "worm", ignore_errors=True)
    sys.stdout.write("\n".join(f"| {' | '.join(line)} |" for line in lines) + "\n")


if __name__ == "__main__":
    main()
