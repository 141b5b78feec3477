"""How far a training is, told from any process."""

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass

logger = logging.getLogger(__name__)

_STEPS_PER_LINE = 50


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainProgress:
    """How far a training is.

    Parameters
    ----------
    phase : str
        What is being done.
    step, n_steps : int
        Steps done and steps in all of this phase.
    loss : float
        Of the last step; NaN where there is none.
    elapsed_s : float
        Since the training began, in s.
    """

    phase: str
    step: int
    n_steps: int
    loss: float
    elapsed_s: float


ProgressCallback = Callable[[TrainProgress], None]


class Reporter:
    """Tells a callback about the steps of all phases of one training.

    Parameters
    ----------
    on_progress : callable, optional
        Called after every step; None writes lines to the log.
    """

    def __init__(self, on_progress: ProgressCallback | None = None) -> None:
        self._on_progress = on_progress or _log
        self._start_s = time.monotonic()

    @property
    def elapsed_s(self) -> float:
        """Time since the training began, in s."""
        return time.monotonic() - self._start_s

    def tell(self, phase: str, step: int, n_steps: int, loss: float) -> None:
        """Report one step."""
        self._on_progress(
            TrainProgress(
                phase=phase, step=step, n_steps=n_steps, loss=loss, elapsed_s=self.elapsed_s
            )
        )

    def phase(self, name: str, n_steps: int) -> Callable[[int, float], None]:
        """Return a callback for the steps of one phase."""

        def report(step: int, loss: float = float("nan")) -> None:
            self.tell(name, step, n_steps, loss)

        return report


def _log(progress: TrainProgress) -> None:
    if progress.step % _STEPS_PER_LINE == 0 or progress.step == progress.n_steps:
        logger.info(
            "%s %d/%d, loss %.3f, %.0f s",
            progress.phase,
            progress.step,
            progress.n_steps,
            progress.loss,
            progress.elapsed_s,
        )
