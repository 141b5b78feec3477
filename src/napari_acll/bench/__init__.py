"""How fast a session is on this machine, stage by stage and as a whole."""

from napari_acll.bench._bench import bench
from napari_acll.bench._looped_source import LoopedSource, PacedSource
from napari_acll.bench._machine import commit, machine, versions
from napari_acll.bench._reference import ReferenceStep, reference_steps
from napari_acll.bench._report import compared, read_report, report_lines
from napari_acll.bench._spread import Spread, StageTimes
from napari_acll.bench._stages import time_stages

__all__ = [
    "LoopedSource",
    "PacedSource",
    "ReferenceStep",
    "Spread",
    "StageTimes",
    "bench",
    "commit",
    "compared",
    "machine",
    "read_report",
    "reference_steps",
    "report_lines",
    "time_stages",
    "versions",
]
