"""Values of named neurons from labeled volumes."""

from napari_acll.trace._engine import EngineParts, EngineTraceEstimator
from napari_acll.trace._ratio import NaiveTraceEstimator, RatioTraceEstimator
from napari_acll.trace._running_baseline import RunningBaseline, running_baseline

__all__ = [
    "EngineParts",
    "EngineTraceEstimator",
    "NaiveTraceEstimator",
    "RatioTraceEstimator",
    "RunningBaseline",
    "running_baseline",
]
