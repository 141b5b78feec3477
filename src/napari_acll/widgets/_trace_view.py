"""What the user wants to see of the traces."""

from dataclasses import dataclass
from enum import StrEnum


class TraceValues(StrEnum):
    """What is drawn of each neuron; only the drawing changes, not what is stored."""

    RATIO = "ratio"
    """Activity over marker, each neuron over its own range."""
    OVER_BASELINE = "F/F0"
    """The ratio over its running baseline, all neurons over one range."""
    Z_SCORE = "z-score"
    """Standard deviations from the neuron's mean so far, all neurons over one range."""
    DECONVOLVED = "Deconvolved"
    """F/F0 without the indicator's decay, all neurons over one range."""


class TimeAxis(StrEnum):
    """What the horizontal axis counts."""

    SECONDS = "seconds"
    VOLUMES = "volumes"


@dataclass(frozen=True, slots=True, kw_only=True)
class TraceView:
    """What is drawn, and how much of the recording while it is followed.

    Parameters
    ----------
    values : TraceValues
        What is drawn of each neuron.
    axis : TimeAxis
        Unit of the horizontal axis.
    window_s : float, optional
        Length of what is shown while the live edge is followed, in s; None: everything.
    has_band : bool
        Whether a band shows how far off each value may be: one standard deviation.
    """

    values: TraceValues = TraceValues.RATIO
    axis: TimeAxis = TimeAxis.SECONDS
    window_s: float | None = None
    has_band: bool = True
