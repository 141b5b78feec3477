"""What the screen needs of a session."""

from typing import Any, Protocol

from napari_acll.core import (
    ChannelDrift,
    Correction,
    Corrections,
    DeadlineReport,
    Mark,
    SessionCounters,
    SessionState,
    TraceStore,
    VolumeSpec,
)
from napari_acll.quality import Forecast, TraceQuality


class LiveSession(Protocol):
    """What the screen needs of a session."""

    # psygnal's descriptors; kept loose so that a test can stand in for a session
    event: Any
    alignment_ready: Any

    @property
    def state(self) -> SessionState:
        """Where the session stands."""
        ...

    @property
    def spec(self) -> VolumeSpec:
        """What its volumes share, after crop and binning."""
        ...

    @property
    def counters(self) -> SessionCounters:
        """What became of the volumes."""
        ...

    @property
    def store(self) -> TraceStore:
        """The traces so far."""
        ...

    @property
    def corrections(self) -> Corrections:
        """What a person corrected."""
        ...

    @property
    def quality(self) -> TraceQuality:
        """How far each trace can be trusted."""
        ...

    @property
    def forecast(self) -> Forecast | None:
        """What is expected of each neuron for the rest; None before it is known."""
        ...

    @property
    def marks(self) -> tuple[Mark, ...]:
        """The marks so far that stand for moments."""
        ...

    @property
    def calibrated_on(self) -> str:
        """On what the probabilities were calibrated."""
        ...

    @property
    def novelty(self) -> float:
        """How odd the last volumes look, 0 to 1."""
        ...

    @property
    def drift(self) -> ChannelDrift | None:
        """How far the channels last lay from the applied alignment."""
        ...

    @property
    def deadlines(self) -> DeadlineReport:
        """How long the stages take."""
        ...

    @property
    def given_up(self) -> tuple[str, ...]:
        """What is not done because labeling fell behind."""
        ...

    def mark(self, name: str, value: float = ..., *, note: str = "", channel: str = "") -> None:
        """Note what the animal does or is shown now."""
        ...

    @property
    def is_paused(self) -> bool:
        """Whether it stands still because somebody wants it to."""
        ...

    def pause(self) -> None:
        """Stand still until `unpause`."""
        ...

    def unpause(self) -> None:
        """Go on."""
        ...

    def latest(self) -> Any:
        """Return the newest labeled volume, None before the first."""
        ...

    def correct(self, correction: Correction) -> None:
        """Correct names from the next volume on."""
        ...

    def start(self) -> None:
        """Start the threads."""
        ...

    def stop(self) -> None:
        """Ask the threads to end."""
        ...

    def join(self, timeout: float | None = None) -> Any:
        """Wait for the end, and raise what went wrong."""
        ...
