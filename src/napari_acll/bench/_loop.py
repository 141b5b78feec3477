"""A whole session, with all its threads: at the pace of the recording, and as fast as it can."""

import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, fields
from pathlib import Path

import numpy as np
import psutil
from numpy.typing import NDArray

from napari_acll.bench._looped_source import LoopedSource
from napari_acll.bench._spread import Spread
from napari_acll.core import (
    AcllSettings,
    DropPolicy,
    Labeler,
    LabelSettings,
    Pace,
    RecordingError,
    StageTimings,
    TraceSample,
    VolumeStatus,
)
from napari_acll.export import SavedSession
from napari_acll.session import build_session

_COLUMNS = tuple(field.name for field in fields(StageTimings))
_N_UNSTEADY = 2
"""Volumes at the beginning that do not count: threads wake up, files are made."""


@dataclass(frozen=True, slots=True)
class LoopRun:
    """What a session took.

    Parameters
    ----------
    end_to_end : Spread
        From the last slice of a volume to its sample.
    n_traced : int
        Volumes that got values.
    per_s : float
        Volumes per second.
    cores : float
        Computing time over time.
    most_mb : float
        The most memory that the process held, in MB.
    """

    end_to_end: Spread
    n_traced: int
    per_s: float
    cores: float
    most_mb: float


def run_loop(
    source: LoopedSource,
    labeler: Labeler,
    settings: AcllSettings,
    *,
    progress: Callable[[int], None] = lambda _: None,
) -> LoopRun:
    """Run a session, saving included, and return how long its volumes took.

    Parameters
    ----------
    source : LoopedSource
        The volumes, a period apart (`PacedSource`: how long a volume takes that comes alone) or
        at once (how many there are in a second; then they wait for each other). Closed by the
        session.
    labeler : Labeler
        The model.
    settings : AcllSettings
        All settings. There is no calibration, for which volumes would be held back.
    progress : callable
        Called with the number of volumes that are done.

    Raises
    ------
    RecordingError
        If hardly a volume could be labeled.
    """
    process = psutil.Process()
    most_bytes = [process.memory_info().rss]

    def watch(sample: TraceSample) -> None:
        most_bytes[0] = max(most_bytes[0], process.memory_info().rss)
        progress(sample.index + 1)

    def loaded(settings: LabelSettings) -> Labeler:
        del settings
        return labeler

    with tempfile.TemporaryDirectory(prefix="acll-bench-") as folder:
        out = Path(folder) / "bench.acll"
        chosen = _steady(settings)
        session = build_session(source, settings=chosen, out=out, load_model=loaded)
        session.sample_ready.connect(watch)
        began_s, began_cpu_s = time.perf_counter(), time.process_time()
        session.start()
        session.join()
        took_s, cpu_s = time.perf_counter() - began_s, time.process_time() - began_cpu_s
        saved = SavedSession.open(out)
        is_traced = saved.status == VolumeStatus.TRACED
        timings_s = saved.read("timings_s")
    steady = np.flatnonzero(is_traced)[_N_UNSTEADY:]
    if not len(steady):
        raise RecordingError(
            f"Only {is_traced.sum()} of {len(is_traced)} volumes could be labeled, so there is"
            " nothing to measure; choose a recording that shows a head, or none for a simulated"
            " one."
        )
    return LoopRun(
        end_to_end=Spread.of([_took_s(timings_s[i], source.took_s[i]) for i in steady.tolist()]),
        n_traced=int(is_traced.sum()),
        per_s=len(is_traced) / took_s,
        cores=cpu_s / took_s,
        most_mb=most_bytes[0] / 1e6,
    )


def _took_s(timings_s: NDArray[np.floating], read_s: float) -> float:
    """Return from the last slice to the sample; the session's reading includes the wait for it."""
    timings = StageTimings(**dict(zip(_COLUMNS, map(float, timings_s), strict=True)))
    return timings.total_s - timings.read_s + read_s


def _steady(settings: AcllSettings) -> AcllSettings:
    run = settings.run.model_copy(update={"pace": Pace.MAX, "drop_policy": DropPolicy.BLOCK})
    alignment = settings.alignment.model_copy(update={"n_volumes": 0})
    return settings.model_copy(update={"run": run, "alignment": alignment})
