"""Values of named neurons from labeled volumes."""

from napari_acll.trace._ratio import RatioTraceEstimator

__all__ = ["RatioTraceEstimator"]
