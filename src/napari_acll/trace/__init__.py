"""Values of named neurons from labeled volumes."""

from napari_acll.trace._causal_deconvolution import (
    CausalDeconvolution,
    deconvolution_is_known,
    why_no_deconvolution,
)
from napari_acll.trace._engine import EngineParts, EngineTraceEstimator
from napari_acll.trace._ratio import NaiveTraceEstimator, RatioTraceEstimator
from napari_acll.trace._running_baseline import RunningBaseline, running_baseline

__all__ = [
    "CausalDeconvolution",
    "EngineParts",
    "EngineTraceEstimator",
    "NaiveTraceEstimator",
    "RatioTraceEstimator",
    "RunningBaseline",
    "deconvolution_is_known",
    "running_baseline",
    "why_no_deconvolution",
]
