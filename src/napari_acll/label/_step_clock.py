"""How long the steps of one volume took, by the clock and in computing time."""

import time
from typing import NamedTuple


class Took(NamedTuple):
    """How long something took, in s."""

    wall_s: float
    cpu_s: float
    """Of all threads of the process."""


class StepClock:
    """Times steps that follow each other.

    Examples
    --------
    >>> clock = StepClock()
    >>> clock.restart()
    >>> clock.done("nothing")
    >>> list(clock.took)
    ['nothing']
    """

    def __init__(self) -> None:
        self.took: dict[str, Took] = {}
        self._since = _now()

    def restart(self) -> None:
        """Forget the steps, and begin the first."""
        self.took = {}
        self._since = _now()

    def done(self, step: str) -> None:
        """Take note that a step is over, and the next one begins.

        Parameters
        ----------
        step : str
            Its name.
        """
        now = _now()
        self.took[step] = Took(now.wall_s - self._since.wall_s, now.cpu_s - self._since.cpu_s)
        self._since = now


def _now() -> Took:
    return Took(time.perf_counter(), time.process_time())
