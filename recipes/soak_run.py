"""A whole recording at the true rate: the rig, and a session that follows it, side by side.

python recipes/soak_run.py --route nd2 --folder /data/soak --json nd2.json
python recipes/soak_run.py --route folder --viewer --folder /data/soak
python recipes/soak_run.py --route shm --volumes 30

Full frame (80 x 630 x 966 x 2), 1600 volumes, 0.6 s by default: 16 minutes, 312 GB, of which the
disk holds 4 GB and the film 4 GB. The session is `acll run --live --profile flavell_raw` with the
bundled model; with `--viewer` the docks in napari run it instead (give it a screen, such as
`xvfb-run -a`). Prints and writes what was lost, how long each stage took, from the last frame
written to the sample on disk, and how memory and computing time went.

The rig frees what is older than `--keep` volumes. A session that comes later than that reads empty
files and dark volumes: then the figures do not hold, the run says so and ends with code 1.
"""

import argparse
import contextlib
import csv
import json
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import psutil
from soak_watch import STEADY_AFTER, Saved, Usage

from napari_acll.core import StageTimings, VolumeStatus
from napari_acll.export import SavedSession

ACLL = (sys.executable, "-m", "napari_acll.cli")
ROUTES = {
    "nd2": "worm.nd2",
    "folder": "worm",
    "shm": "shm:acll-soak",
    "zmq": "tcp://127.0.0.1:5599",
}
PROFILE = "flavell_raw"
SAMPLE_S = 5.0
PATIENCE_S = 180.0
_VIEWER = "--as-viewer"
_READ, _TOTAL = (list(StageTimings.__dataclass_fields__).index(n) for n in ("read_s", "total_s"))


def spread_ms(values_s: Sequence[float] | np.ndarray) -> dict[str, float]:
    """Return median, 99 % and largest value in ms."""
    values = np.asarray(values_s, np.float64)
    values = values[np.isfinite(values)]
    if not len(values):
        return {}
    p50, p99 = np.percentile(values, (50, 99))
    return {"p50_ms": 1e3 * p50, "p99_ms": 1e3 * p99, "most_ms": 1e3 * values.max()}


def freed_before_read(
    read_s: Mapping[int, float], complete_s: Mapping[int, float], n_kept: int
) -> dict[int, int]:
    """Return volumes that were read when the rig had begun to free them, and how late that was.

    Parameters
    ----------
    read_s : mapping
        By volume: when it had been read.
    complete_s : mapping
        By volume: when the rig had written it, on the same clock.
    n_kept : int
        Volumes that the rig keeps.

    Returns
    -------
    dict
        By volume: how many volumes were complete behind it when it was read.
    """
    written_s = np.array([complete_s[index] for index in sorted(complete_s)])
    behind = {
        index: int(np.searchsorted(written_s, moment_s)) - 1 - index
        for index, moment_s in read_s.items()
    }
    return {index: n for index, n in behind.items() if n >= n_kept}


def run_soak(given: argparse.Namespace) -> dict[str, Any]:
    """Run both processes to their end and return what came of it."""
    folder: Path = given.folder
    folder.mkdir(parents=True, exist_ok=True)
    address = ROUTES[given.route]
    recording = address if ":" in address else str(folder / address)
    session, log = folder / "soak.acll", folder / "rig.csv"
    follower = _start(_follow_command(given, recording, session), folder / "session.txt")
    saved = Saved(session)
    usages = {"session": Usage(psutil.Process(follower.pid))}
    try:
        _wait_for_warm(follower, given.warm_up_s, usages["session"])
        rig = _start(_rig_command(given, recording, log), folder / "rig.txt")
        usages["rig"] = Usage(psutil.Process(rig.pid))
        _prefer(usages["rig"].process)
        most_bytes = _watch(follower, rig, usages, Path(recording))
    finally:
        saved.stop()
        follower.terminate()
    return {
        "route": given.route,
        "viewer": given.viewer,
        "exit_codes": {"session": follower.wait(), "rig": rig.wait()},
        "recording_gb_on_disk_most": most_bytes / 1e9,
        **_outcome(session, log, saved.perf_s, n_kept=_n_kept(given)),
        "usage": _usage(usages, log),
        "samples": {name: _samples(usage) for name, usage in usages.items()},
    }


def _n_kept(given: argparse.Namespace) -> int | None:
    """Return how many volumes the rig keeps on the disk, None where there is none."""
    return given.keep if given.route in ("nd2", "folder") else None


def _follow_command(given: argparse.Namespace, recording: str, session: Path) -> list[str]:
    if given.viewer:
        return [sys.executable, __file__, _VIEWER, recording, str(session), given.profile]
    options = ["--live", "--out", str(session)]
    options += ["--profile", given.profile] if given.profile else []
    return [*ACLL, "run", recording, *options, *given.run_option]


def _rig_command(given: argparse.Namespace, recording: str, log: Path) -> list[str]:
    options = ["--route", given.route, "--volumes", str(given.volumes), "--log", str(log)]
    options += ["--period", str(given.period), "--geometry", given.geometry]
    options += ["--keep", str(given.keep), "--delay", str(given.delay_s)]
    options += [] if given.film is None else ["--film", str(given.film)]
    faults = [word for fault in given.fault for word in ("--fault", fault)]
    return [*ACLL, "rig", recording, *options, *faults]


def _start(command: Sequence[str], output: Path) -> subprocess.Popen[bytes]:
    with output.open("wb") as file:
        return subprocess.Popen(command, stdout=file, stderr=subprocess.STDOUT)  # noqa: S603


def _prefer(process: psutil.Process) -> None:
    """Let the rig go first, where that is allowed: a microscope has a computer of its own."""
    with contextlib.suppress(psutil.Error, OSError):
        process.nice(getattr(psutil, "HIGH_PRIORITY_CLASS", -10))


def _wait_for_warm(follower: subprocess.Popen[bytes], warm_up_s: float, usage: Usage) -> None:
    until_s = time.monotonic() + warm_up_s
    while time.monotonic() < until_s:
        usage.sample()
        if follower.poll() is not None:
            raise SystemExit("The session ended before the rig began; see session.txt.")
        time.sleep(1)


def _watch(
    follower: subprocess.Popen[bytes],
    rig: subprocess.Popen[bytes],
    usages: Mapping[str, Usage],
    recording: Path,
) -> int:
    """Sample both until they are over; return the most bytes that the recording had on disk."""
    most_bytes, give_up_s = 0, None
    while follower.poll() is None or rig.poll() is None:
        for usage in usages.values():
            usage.sample()
        most_bytes = max(most_bytes, _bytes_on_disk(recording))
        if rig.poll() is not None:
            give_up_s = give_up_s or time.monotonic() + PATIENCE_S
            if time.monotonic() > give_up_s:
                break
        time.sleep(SAMPLE_S if rig.poll() is None else 0.5)
    return most_bytes


def _bytes_on_disk(recording: Path) -> int:
    files = [recording] if recording.is_file() else recording.glob("*")
    total = 0
    for file in files:
        try:
            known = file.stat()
        except OSError:  # deleted meanwhile
            continue
        total += getattr(known, "st_blocks", known.st_size // 512) * 512
    return total


def _outcome(
    session: Path, log: Path, saved_s: Mapping[int, float], *, n_kept: int | None
) -> dict[str, Any]:
    with log.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    complete_s = {int(row["volume"]): float(row["complete_perf_s"]) for row in rows}
    saved = SavedSession.open(session)
    status, timings_s = saved.status, saved.read("timings_s")
    is_traced = status == VolumeStatus.TRACED
    delay_s = {
        index: saved_s[index] - complete_s[index]
        for index in np.flatnonzero(is_traced).tolist()
        if index in saved_s and index in complete_s
    }
    since_read = timings_s[:, _TOTAL] - timings_s[:, _READ]
    read_s = {
        index: saved_s[index] - float(since_read[index])
        for index in delay_s
        if np.isfinite(since_read[index])
    }
    freed = {} if n_kept is None else freed_before_read(read_s, complete_s, n_kept)
    steady_s = [delay for index, delay in delay_s.items() if index >= STEADY_AFTER * len(rows)]
    counts = {name.name.lower(): int((status == name).sum()) for name in VolumeStatus}
    counts["never reached"] = max(0, len(rows) - len(status))
    return {
        "n_played": len(rows),
        "counts": counts,
        "freed_before_read": freed,
        "state": saved.state,
        "events": [f"{event['kind']}: {event['message']}" for event in saved.events()][:50],
        "stages": {
            name: spread_ms(timings_s[is_traced, column])
            for column, name in enumerate(StageTimings.__dataclass_fields__)
            if column < timings_s.shape[1]
        },
        "last_frame_to_sample_on_disk": spread_ms(list(delay_s.values())),
        "last_frame_to_sample_on_disk_later": spread_ms(steady_s),
        "rig_late": spread_ms([float(row["late_ms"]) / 1e3 for row in rows]),
    }


def _usage(usages: Mapping[str, Usage], log: Path) -> dict[str, Any]:
    with log.open(encoding="utf-8", newline="") as file:
        complete_s = [float(row["complete_perf_s"]) for row in csv.DictReader(file)]
    return {
        name: usage.summary(min(complete_s), max(complete_s)) for name, usage in usages.items()
    }


def _samples(usage: Usage) -> dict[str, Any]:
    names = ("time_s", "rss_mb", "private_mb", "cpu_s")
    return {name: np.round(getattr(usage, name), 3).tolist() for name in names}


def run_viewer(recording: str, out: str, profile: str) -> None:
    """Run the session in napari, with its docks, until it is over."""
    import napari
    from qtpy.QtTest import QTest

    from napari_acll.cli._resolve import resolve_settings
    from napari_acll.widgets._run import RunRequest

    viewer = napari.Viewer(show=True)
    _, live = viewer.window.add_plugin_dock_widget("napari-acll", "AutoCellLabel Live")
    viewer.window.add_plugin_dock_widget("napari-acll", "AutoCellLabel Traces")
    settings = resolve_settings({"profile": profile or None, "live": True})
    live.engine.start(RunRequest(recording=recording, settings=settings, out=Path(out)))
    while not live.engine.state.is_over:
        QTest.qWait(200)
    live.engine.run.wait()
    viewer.close()


def _lines(result: Mapping[str, Any]) -> Iterator[str]:
    counts = result["counts"]
    yield f"{result['route']}{' with the viewer' if result['viewer'] else ''}: {counts}"
    if result["freed_before_read"]:
        yield _warning(result["freed_before_read"])
    yield f"played {result['n_played']}, session {result['state']}, exit {result['exit_codes']}"
    yield f"last frame -> sample on disk: {_shown(result['last_frame_to_sample_on_disk'])}"
    later = result["last_frame_to_sample_on_disk_later"]
    yield f"  without the first {100 * STEADY_AFTER:.0f} %: {_shown(later)}"
    for name, spread in result["stages"].items():
        yield f"  {name}: {_shown(spread)}"
    yield f"rig late: {_shown(result['rig_late'])}"
    for name, usage in result["usage"].items():
        yield f"{name}: " + ", ".join(f"{key} {value:.3g}" for key, value in usage.items())
    yield f"recording on disk: at most {result['recording_gb_on_disk_most']:.2f} GB"


def _warning(freed: Mapping[int, int]) -> str:
    return (
        f"NOT VALID: {len(freed)} volumes, the first of them {min(freed)}, were read when the rig"
        " had freed them or was about to: they may be dark, or parts of them. Run again with"
        f" --keep {2 * max(freed.values())} or a longer --warm-up-s."
    )


def _shown(spread: Mapping[str, float]) -> str:
    return ", ".join(f"{name} {value:.1f}" for name, value in spread.items()) or "nothing"


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--route", choices=ROUTES, default="nd2")
    parser.add_argument("--volumes", type=int, default=1600)
    parser.add_argument("--period", type=float, default=0.6)
    parser.add_argument("--geometry", default="raw")
    parser.add_argument("--profile", default=PROFILE, help="settings; empty for none")
    parser.add_argument(
        "--keep",
        type=int,
        default=20,
        help="volumes that the rig keeps for a session that is late",
    )
    parser.add_argument("--fault", action="append", default=[])
    parser.add_argument("--viewer", action="store_true")
    parser.add_argument("--warm-up-s", type=float, default=20.0, help="before the rig starts")
    parser.add_argument(
        "--delay-s",
        type=float,
        default=20.0,
        help="between the opening of file or memory and the first volume; a session can get ready"
        " in shared memory then",
    )
    parser.add_argument("--folder", type=Path, default=Path("soak"))
    parser.add_argument("--film", type=Path)
    parser.add_argument("--json", type=Path)
    parser.add_argument(
        "--run-option", action="append", default=[], help="goes to `acll run`, word by word"
    )
    return parser


def main() -> None:
    """Run, print, and write the JSON file."""
    if sys.argv[1:2] == [_VIEWER]:
        run_viewer(*sys.argv[2:5])
        return
    given = _parser().parse_args()
    result = run_soak(given)
    sys.stdout.write("\n".join(_lines(result)) + "\n")
    target = given.json or given.folder / "soak.json"
    target.write_text(json.dumps(result, indent=1), encoding="utf-8")
    sys.stdout.write(f"{target}\n")
    if result["freed_before_read"]:
        raise SystemExit(1)


if __name__ == "__main__":
    main()
