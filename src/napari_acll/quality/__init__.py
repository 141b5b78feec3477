"""Which traces can be trusted: running measures of each neuron, and a forecast of the rest."""

from napari_acll.quality._features import features_of
from napari_acll.quality._forecast import AnimalForecast, Expected, Forecast, Verdict
from napari_acll.quality._forecast_model import (
    BAD_NAMES,
    FEWEST_FOUND,
    FIRST_AT,
    ForecastModel,
    weighted_mean,
    why_hardly_labeled,
)
from napari_acll.quality._kept import MEASURED, quality_of
from napari_acll.quality._noise import relative_noise
from napari_acll.quality._reference import (
    REFERENCE_VOLUMES,
    ReferenceCorrelation,
    correlation_with,
)
from napari_acll.quality._trace_quality import (
    FEWEST_PAIRS,
    SURE,
    AnimalMeasures,
    NeuronMeasures,
    TraceQuality,
)

__all__ = [
    "BAD_NAMES",
    "FEWEST_FOUND",
    "FEWEST_PAIRS",
    "FIRST_AT",
    "MEASURED",
    "REFERENCE_VOLUMES",
    "SURE",
    "AnimalForecast",
    "AnimalMeasures",
    "Expected",
    "Forecast",
    "ForecastModel",
    "NeuronMeasures",
    "ReferenceCorrelation",
    "TraceQuality",
    "Verdict",
    "correlation_with",
    "features_of",
    "quality_of",
    "relative_noise",
    "weighted_mean",
    "why_hardly_labeled",
]
