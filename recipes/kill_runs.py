"""Kill running sessions at random moments, resume them, and see that nothing was lost.

python recipes/kill_runs.py --n 200 --seed 1 [--routes nd2 folder ...] [--work FOLDER]

Each round starts a real `acll run` on one route, kills it (SIGKILL) at a random moment, sometimes
kills the `acll resume` after it as well, resumes, and compares with a session that was left alone:

* what stood in the session when it was killed is there afterwards, byte by byte;
* every volume has the values of the undisturbed session. On the routes whose source keeps its
  volumes (files, folders, the simulated worm, a ring of shared memory that is large enough) none
  may be missing. Over the network, volumes that were sent while nothing listened are lost; of
  those sent before the kill at most the one in flight and the one that waited.

Prints one line per round, then the counts by route; the exit code says whether all was well.
"""

import argparse
import contextlib
import json
import os
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from napari_acll.core import SourceSettings, Volume, VolumeStatus
from napari_acll.export import SavedSession
from napari_acll.simulate import SimulatedSource, write_nd2, write_nd2_folder
from napari_acll.sources import VolumeRingWriter, VolumeSender

ROUTES = ("simulated", "nd2", "folder", "growing-nd2", "growing-folder", "memory", "network")
LIVE = ("growing-nd2", "growing-folder", "memory", "network")
KEPT = ("time_s", "timings_s", "neuron_time_s", "ratio", "detection_start")
VALUES = ("ratio", "activity_sum", "marker_sum", "confidence", "centroid_px", "n_voxels")
CROP = {"z_start_px": 6, "z_stop_px": 18, "y_start_px": 20, "y_stop_px": 50}
MOST_IN_FLIGHT = 2
PATIENCE_S = 300.0


class Paced:
    """A source whose volumes come when a microscope would give them; says when each was sent.

    Parameters
    ----------
    source : SimulatedSource
        The volumes.
    period_s : float
        Time between them.
    """

    def __init__(self, source: SimulatedSource, period_s: float) -> None:
        self.spec = source.spec
        self._volumes = list(source)
        self._period_s = period_s

    def __iter__(self) -> Iterator[Volume]:
        due_s = time.monotonic()
        for volume in self._volumes:
            time.sleep(max(0.0, due_s - time.monotonic()))
            due_s += self._period_s
            yield volume
            sys.stdout.write(f"{volume.index} {time.time()}\n")
            sys.stdout.flush()


def feed(route: str, target: str, recording: str, period_s: float) -> None:
    """Write a recording as a microscope does; runs in a process of its own."""
    source = SimulatedSource.from_recording(recording, SourceSettings())
    n_volumes = len(source.indices)
    paced = Paced(source, period_s)
    if route == "growing-nd2":
        write_nd2(paced, Path(target), n_volumes)
    elif route == "growing-folder":
        write_nd2_folder(paced, Path(target), n_volumes)
    else:
        _feed_stream(route, target, paced, n_volumes)


def _feed_stream(route: str, target: str, paced: Paced, n_volumes: int) -> None:
    about: dict[str, Any] = {
        "channel_names": ("activity", "marker"),
        "voxel_size_um": paced.spec.voxel_size_um,
        "period_s": paced.spec.period_s,
        "n_volumes": n_volumes,
    }
    sender: Any
    if route == "network":
        sender = VolumeSender(target, shape=paced.spec.shape, **about)
        sys.stdout.write(f"address {sender.address}\n")
        sys.stdout.flush()
        sender.wait_for_reader(60)
    else:
        name = target.removeprefix("shm:")
        sender = VolumeRingWriter(name, shape=(*paced.spec.shape, 2), n_slots=n_volumes, **about)
    send, axis = (sender.send, 0) if route == "network" else (sender.write, -1)
    for volume in paced:
        stack = np.stack((volume.activity, volume.marker), axis=axis)
        send(stack, index=volume.index, slice_times_s=volume.slice_times_s.tolist())
    sender.finish()
    if route == "network":
        told = threading.Thread(target=sys.stdin.readline, daemon=True)
        told.start()
        while told.is_alive():
            sender.stay(0.2)
    else:
        sys.stdin.readline()
    sender.close()


@dataclass
class Round:
    """What came of one round."""

    route: str
    n_kills: int = 0
    began: bool = True
    n_rows: list[int] = field(default_factory=list)
    n_backfilled: int = 0
    n_in_flight: int = 0
    n_while_down: int = 0
    wrong: list[str] = field(default_factory=list)

    def line(self) -> str:
        """Return the round as one line."""
        rows = "+".join(str(n) for n in self.n_rows) or "none"
        return (
            f"{self.route:15} kills {self.n_kills}, rows at the kill {rows}, in flight lost"
            f" {self.n_in_flight}, lost while down {self.n_while_down}, labeled later"
            f" {self.n_backfilled}; {'; '.join(self.wrong) or 'ok'}"
        )


class Bench:
    """The recording, the undisturbed session, and what all rounds share.

    Parameters
    ----------
    work : Path
        Folder for everything.
    n_volumes : int
        Length of the recording.
    period_s : float
        Time between volumes of a live one.
    """

    def __init__(self, work: Path, n_volumes: int, period_s: float) -> None:
        self.work = work
        self.n_volumes = n_volumes
        self.period_s = period_s
        self.recording = f"simulated:geometry=small,volumes={n_volumes},seed=3"
        self.env = {
            **os.environ,
            "OMP_NUM_THREADS": "1",
            "ACLL_DATA_DIR": str(work / "rigs"),
        }
        self.startup_s = self.duration_s = 0.0

    def prepare(self) -> None:
        """Write the recordings and make the undisturbed session."""
        self.work.mkdir(parents=True, exist_ok=True)
        source = SimulatedSource.from_recording(self.recording, SourceSettings())
        if not (self.work / "worm.nd2").exists():
            write_nd2(source, self.work / "worm.nd2", self.n_volumes)
            write_nd2_folder(source, self.work / "worm", self.n_volumes)
        began_s = time.monotonic()
        process = self.start(self.run_command("simulated", self.recording, self.reference))
        _wait_until_it_reads(process, self.reference, self, n_before=0)
        self.startup_s = time.monotonic() - began_s
        if self.wait(process) != 0:
            sys.exit("The undisturbed session failed.")
        self.duration_s = time.monotonic() - began_s

    @property
    def reference(self) -> Path:
        """The undisturbed session."""
        return self.work / "undisturbed.acll"

    def run_command(
        self, route: str, recording: str, out: Path, *, is_lossless: bool = True
    ) -> list[str]:
        """Return the command of a new session.

        A live session either skips nothing and calibrates, or may skip and is given the
        alignment: skipped volumes would change on which volumes it is calibrated. One that reads
        shared memory skips nothing, for that cannot give a volume once more.
        """
        words = ["run", recording, "--out", str(out), "--set", "alignment.n_volumes=3"]
        for name, value in CROP.items():
            words += ["--set", f"preprocess.crop.{name}={value}"]
        if route in LIVE:
            words += ["--live", "--takes-existing"]
            words += ["--set", "source.live.idle_timeout_s=4"]
            words += ["--set", "source.live.start_timeout_s=60"]
        if route == "network" or (route in LIVE and not is_lossless):
            words += ["--alignment", str(self.reference / "alignment.json")]
        elif route in LIVE:
            words += ["--drop-policy", "block"]
        return words

    def start(self, words: list[str]) -> "subprocess.Popen[str]":
        """Start `acll` with these words."""
        command = [sys.executable, "-m", "napari_acll.cli", *words]
        log = (self.work / "acll.log").open("a", encoding="utf-8")
        with log:
            log.write(f"$ acll {' '.join(words)}\n")
            log.flush()
            return subprocess.Popen(command, env=self.env, stdout=log, stderr=log, text=True)

    def wait(self, process: "subprocess.Popen[str]") -> int:
        """Return the exit code of a process."""
        return process.wait(PATIENCE_S)


@contextlib.contextmanager
def feeder(bench: Bench, route: str, number: int) -> Iterator[tuple[str, Path]]:
    """Give the recording of a route, fed by another process if it is live, and when it sent."""
    finished = {"simulated": bench.recording, "nd2": "worm.nd2", "folder": "worm"}
    sent = bench.work / f"sent-{number}.txt"
    if route in finished:
        name = finished[route]
        yield (name if route == "simulated" else str(bench.work / name)), sent
        return
    target = {
        "growing-nd2": str(bench.work / f"grown-{number}.nd2"),
        "growing-folder": str(bench.work / f"grown-{number}"),
        "memory": f"shm:kill{os.getpid()}-{number}",
        "network": "tcp://127.0.0.1:*",
    }[route]
    command = [sys.executable, __file__, "--feed", route, target, bench.recording]
    with sent.open("w", encoding="utf-8") as log:
        process = subprocess.Popen(
            [*command, str(bench.period_s)],
            stdin=subprocess.PIPE,
            stdout=log,
            env=bench.env,
            text=True,
        )
    try:
        yield (_address(sent) if route == "network" else target), sent
    finally:
        process.communicate("end\n", timeout=PATIENCE_S)


def _address(sent: Path) -> str:
    deadline_s = time.monotonic() + PATIENCE_S
    while time.monotonic() < deadline_s:
        first, newline, _ = sent.read_text(encoding="utf-8").partition("\n")
        if newline:
            return first.removeprefix("address ")
        time.sleep(0.05)
    sys.exit("The sender did not start.")


def play(bench: Bench, route: str, number: int, rng: np.random.Generator) -> Round:
    """Run, kill, resume and compare once."""
    result = Round(route)
    out = bench.work / f"killed-{number}.acll"
    kept: list[tuple[float, dict[str, bytes]]] = []
    with feeder(bench, route, number) as (recording, sent):
        is_lossless = bool(rng.random() < 0.5) or route == "memory"
        words = bench.run_command(route, recording, out, is_lossless=is_lossless)
        for _ in range(int(rng.choice([1, 1, 2]))):
            process = bench.start(words)
            _wait_for_a_moment(bench, process, out, result, rng)
            process.kill()
            process.wait()
            result.n_kills += 1
            if not out.exists():  # nothing to resume: whoever was there starts it again
                result.began = False
                if route == "network":
                    return result
                continue
            kept.append((time.time(), _rows(out, result)))
            words = ["resume", str(out)]
        if bench.wait(bench.start(words)) != 0:
            result.wrong.append(f"acll {words[0]} failed, see acll.log")
            return result
    _compare(bench, out, kept, sent, result)
    return result


def _wait_for_a_moment(
    bench: Bench,
    process: "subprocess.Popen[str]",
    out: Path,
    result: Round,
    rng: np.random.Generator,
) -> None:
    """Wait for a random time: one in five from the start on, else once volumes may come."""
    is_early = rng.random() < 0.2
    share = float(rng.uniform(0, 0.9))
    labeling_s = bench.duration_s - bench.startup_s
    if result.route in LIVE:
        labeling_s = max(labeling_s, bench.n_volumes * bench.period_s)
    if is_early:
        after_s = share * (bench.startup_s + labeling_s)
    else:
        after_s = share * labeling_s
        _wait_until_it_reads(process, out, bench, n_before=len(result.n_rows))
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(after_s)


def _wait_until_it_reads(
    process: "subprocess.Popen[str]", out: Path, bench: Bench, *, n_before: int
) -> None:
    """Wait until a session says that its model is warm; `n_before` did so before it."""
    deadline_s = time.monotonic() + 4 * bench.startup_s + 60
    events = out / "events.jsonl"
    while process.poll() is None and time.monotonic() < deadline_s:
        if events.exists() and events.read_text(encoding="utf-8").count('"ready"') > n_before:
            return
        time.sleep(0.02)


def _rows(out: Path, result: Round) -> dict[str, bytes]:
    """Return what a killed session holds, row by row."""
    saved = SavedSession.open(out)
    if saved.state not in ("interrupted", "finished"):
        result.wrong.append(f"a killed session is {saved.state}")
    result.n_rows.append(saved.n_timepoints)
    rows = {}
    for index in range(saved.n_timepoints):
        if saved.status[index] in (VolumeStatus.SKIPPED, VolumeStatus.LOST):
            continue
        for name in KEPT:
            rows[f"{name} {index}"] = saved.read(name, index, index + 1).tobytes()
        rows[f"labels {index}"] = saved.labels(index).tobytes()
    return rows


def _compare(
    bench: Bench, out: Path, kept: list[tuple[float, dict[str, bytes]]], sent: Path, result: Round
) -> None:
    saved, expected = SavedSession.open(out), SavedSession.open(bench.reference)
    if saved.state != "finished":
        result.wrong.append(f"the resumed session is {saved.state}")
    after = _rows(out, Round(""))
    for _, rows in kept:
        changed = [key for key, value in rows.items() if after.get(key) != value]
        if changed:
            result.wrong.append(f"changed after the kill: {', '.join(changed[:4])}")
    has_values = np.isin(saved.status, (VolumeStatus.TRACED, VolumeStatus.BACKFILLED))
    result.n_backfilled = int((saved.status == VolumeStatus.BACKFILLED).sum())
    for index in range(bench.n_volumes):
        if index < len(saved.status) and has_values[index]:
            _compare_volume(saved, expected, index, result)
        else:
            _explain(index, kept, sent, result)
    if result.n_in_flight > MOST_IN_FLIGHT * result.n_kills:
        result.wrong.append(f"{result.n_in_flight} volumes sent before the kill are missing")


def _compare_volume(saved: SavedSession, expected: SavedSession, index: int, to: Round) -> None:
    for name in VALUES:
        a, b = (session.read(name, index, index + 1) for session in (saved, expected))
        if not np.array_equal(a, b, equal_nan=True):
            to.wrong.append(f"{name} of volume {index} is another")
    if not np.array_equal(saved.labels(index), expected.labels(index)):
        to.wrong.append(f"labels of volume {index} are others")


def _explain(
    index: int, kept: list[tuple[float, dict[str, bytes]]], sent: Path, result: Round
) -> None:
    """Count a volume without values as what it is."""
    if result.route != "network":
        result.wrong.append(f"volume {index} is missing")
        return
    lines = [line.split() for line in sent.read_text(encoding="utf-8").splitlines()]
    sent_s = {int(words[0]): float(words[1]) for words in lines if words[0].isdigit()}
    is_before = any(
        sent_s.get(index, np.inf) <= killed_s and index >= n_rows > 0
        for (killed_s, _), n_rows in zip(kept, result.n_rows, strict=True)
    )
    if is_before and not _was_down(sent_s[index], kept):
        result.n_in_flight += 1
    else:
        result.n_while_down += 1


def _was_down(at_s: float, kept: list[tuple[float, dict[str, bytes]]]) -> bool:
    """Return whether a volume was sent after an earlier kill, when a session was starting."""
    return any(killed_s < at_s for killed_s, _ in kept)


def summary(rounds: list[Round]) -> str:
    """Return the counts by route as a table."""
    head = (
        "| route | rounds | kills | before it began | rows kept | in flight lost |"
        " lost while down | labeled later | wrong |"
    )
    lines = [head, "|" + "---|" * 9]
    for route in [*ROUTES, "all"]:
        mine = [one for one in rounds if route in (one.route, "all")]
        if not mine:
            continue
        counts = Counter[str]()
        for one in mine:
            counts["kills"] += one.n_kills
            counts["before"] += not one.began
            counts["rows"] += one.n_rows[-1] if one.n_rows else 0
            counts["flight"] += one.n_in_flight
            counts["down"] += one.n_while_down
            counts["later"] += one.n_backfilled
            counts["wrong"] += bool(one.wrong)
        names = ("kills", "before", "rows", "flight", "down", "later", "wrong")
        numbers = " | ".join(str(counts[name]) for name in names)
        lines.append(f"| {route} | {len(mine)} | {numbers} |")
    return "\n".join(lines)


def main() -> None:
    """Play the rounds."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--n", type=int, default=14, help="rounds")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--routes", nargs="+", choices=ROUTES, default=list(ROUTES))
    parser.add_argument("--volumes", type=int, default=10)
    parser.add_argument("--period-s", type=float, default=0.8)
    parser.add_argument("--work", type=Path, default=Path("kill-runs"))
    parser.add_argument("--feed", nargs=4, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.feed:
        route, target, recording, period_s = given.feed
        feed(route, target, recording, float(period_s))
        return
    work = given.work / time.strftime("%Y%m%d-%H%M%S")
    bench = Bench(work.absolute(), given.volumes, given.period_s)
    bench.prepare()
    rounds = []
    for number in range(given.n):
        rng = np.random.default_rng([given.seed, number])
        rounds.append(play(bench, given.routes[number % len(given.routes)], number, rng))
        sys.stdout.write(f"{number:4} {rounds[-1].line()}\n")
        sys.stdout.flush()
    (work / "rounds.json").write_text(json.dumps([vars(one) for one in rounds], indent=1))
    sys.stdout.write(summary(rounds) + "\n")
    sys.exit(any(one.wrong for one in rounds))


if __name__ == "__main__":
    main()
