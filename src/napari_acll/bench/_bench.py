"""The whole measurement, in its order."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from tempfile import TemporaryDirectory

from napari_acll.bench._loop import LoopRun, run_loop
from napari_acll.bench._looped_source import LoopedSource, PacedSource
from napari_acll.bench._machine import card_memory_mb, commit, machine, versions
from napari_acll.bench._reference import ReferenceStep, reference_steps
from napari_acll.bench._report import FORMAT, end_to_end_ratio, ratios
from napari_acll.bench._stages import StageRun, time_stages
from napari_acll.bench._startup import start_up
from napari_acll.core import (
    AcllSettings,
    Labeler,
    RandomAccessSource,
    RecordingError,
    SourceSettings,
)

_SIMULATED = "simulated"
_RAW = "simulated:geometry=raw"
_N_DIFFERENT = 4
"""Volumes of a simulated recording that are made, and then played in a loop."""


def bench(
    recording: str | None,
    settings: AcllSettings,
    *,
    n_volumes: int,
    tell: Callable[[str], None],
    progress: Callable[[int], None] = lambda _: None,
) -> dict[str, object]:
    """Return how fast a session is on this machine, as JSON values.

    Parameters
    ----------
    recording : str, optional
        A finished recording, or what to simulate; None: simulated raw full frames.
    settings : AcllSettings
        All settings.
    n_volumes : int
        Volumes to measure, at least 5.
    tell : callable
        Called with what is being done.
    progress : callable
        Called with the number of volumes that are done.

    Raises
    ------
    RecordingError
        If the recording cannot be read, or is live.
    ModelError
        If the model cannot be used.
    SessionError
        If the start of a fresh process fails.
    """
    from napari_acll.label import load_labeler

    with _recording_on_disk(recording or _RAW, tell) as path:
        source: LoopedSource = PacedSource(_opened(path, settings.source), n_volumes)
        tell("Starting fresh processes")
        started = start_up(settings, source.spec)
        labeler = load_labeler(settings.label)
        tell("A session at the pace of the recording")
        paced = run_loop(source, labeler, settings, progress=progress)
        tell("A session as fast as possible")
        source = LoopedSource(_opened(path, settings.source), n_volumes)
        fast = run_loop(source, labeler, settings, progress=progress)
        source = LoopedSource(_opened(path, settings.source), n_volumes)
        try:
            stages, reference = _stages_and_reference(source, labeler, settings, tell, progress)
        finally:
            source.close()
        return {
            **_made_with(recording or _RAW, settings, labeler, source, n_volumes),
            "start_up_s": dict(started),
            **_loop_json(paced, fast, 1e3 * source.spec.period_s),
            **_stages_json(stages, reference),
            "end_to_end_ratio": end_to_end_ratio(
                paced.end_to_end.p50, [asdict(step) for step in reference]
            ),
            "card_memory_mb": card_memory_mb(),
        }


def _stages_and_reference(
    source: LoopedSource,
    labeler: Labeler,
    settings: AcllSettings,
    tell: Callable[[str], None],
    progress: Callable[[int], None],
) -> tuple[StageRun, list[ReferenceStep]]:
    tell("Stage by stage")
    stages = time_stages(source, labeler, settings, progress=progress)
    tell("The reference: steps of the original pipeline")
    stored = source.read(stages.volume.index)
    return stages, reference_steps(stored, stages.volume, stages.labeled)


@contextmanager
def _recording_on_disk(recording: str, tell: Callable[[str], None]) -> Iterator[str]:
    """Give a recording that can be read; one that is simulated is written first."""
    if recording.partition(":")[0].strip().lower() != _SIMULATED:
        yield recording
        return
    from napari_acll.simulate import SimulatedSource, write_nd2

    tell(f"Simulating {_N_DIFFERENT} volumes")
    source = SimulatedSource.from_recording(recording, SourceSettings())
    with TemporaryDirectory(prefix="acll-bench-") as folder:
        yield str(write_nd2(source, Path(folder) / "simulated.nd2", _N_DIFFERENT))


def _opened(recording: str, settings: SourceSettings) -> RandomAccessSource:
    from napari_acll.sources import open_source

    source = open_source(recording, settings)
    if source.is_live or not isinstance(source, RandomAccessSource):
        source.close()
        raise RecordingError(
            f"{recording} cannot be read twice; give a finished recording, or none for a"
            " simulated one."
        )
    return source


def _made_with(
    recording: str, settings: AcllSettings, labeler: Labeler, source: LoopedSource, n_volumes: int
) -> dict[str, object]:
    from napari_acll.preprocess import Preprocessor

    return {
        "format": FORMAT,
        "recording": recording,
        "n_volumes": n_volumes,
        "stored_shape": list(source.spec.shape),
        "labeled_shape": list(Preprocessor(source.spec, settings.preprocess).spec.shape),
        "machine": machine(),
        "versions": versions(),
        "commit": commit(),
        "model": dict(labeler.describe()),
        "settings": settings.model_dump(mode="json"),
    }


def _loop_json(paced: LoopRun, fast: LoopRun, period_ms: float) -> dict[str, object]:
    return {
        "end_to_end_ms": asdict(paced.end_to_end),
        "deadline_ms": period_ms,
        "is_in_time": paced.end_to_end.p99 <= period_ms,
        "n_traced": paced.n_traced,
        "volumes_per_s": fast.per_s,
        "cores_at_pace": paced.cores,
        "memory_mb": max(paced.most_mb, fast.most_mb),
    }


def _stages_json(run: StageRun, reference: list[ReferenceStep]) -> dict[str, object]:
    stages: dict[str, Mapping[str, object]] = {
        name: {"wall_ms": asdict(wall), "cpu_ms": asdict(cpu)}
        for name, (wall, cpu) in run.times.spreads().items()
    }
    steps = [asdict(step) for step in reference]
    return {"stages": stages, "reference": steps, "ratios": ratios(stages, steps)}
