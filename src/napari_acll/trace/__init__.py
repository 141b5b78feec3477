"""Values of named neurons from labeled volumes."""

from napari_acll.trace._ratio import RatioTraceEstimator
from napari_acll.trace._running_baseline import RunningBaseline, running_baseline

__all__ = ["RatioTraceEstimator", "RunningBaseline", "running_baseline"]
