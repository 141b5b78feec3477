"""How long stages took, volume by volume."""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeVar

import numpy as np

_Result = TypeVar("_Result")


@dataclass(frozen=True, slots=True, kw_only=True)
class Spread:
    """Quantiles of how long something took, in ms."""

    p50: float
    p95: float
    p99: float
    max: float
    n: int

    @classmethod
    def of(cls, took_s: Sequence[float]) -> "Spread":
        """Return the quantiles of times in s.

        Parameters
        ----------
        took_s : sequence of float
            One for each volume; those that are not finite do not count.

        Raises
        ------
        ValueError
            If there is none.
        """
        values = np.asarray(took_s, np.float64)
        values = 1e3 * values[np.isfinite(values)]
        if not len(values):
            raise ValueError("Expected at least one time, got none.")
        p50, p95, p99 = (float(value) for value in np.percentile(values, (50, 95, 99)))
        return cls(p50=p50, p95=p95, p99=p99, max=float(values.max()), n=len(values))


@dataclass(eq=False)
class StageTimes:
    """Times of stages, by the clock and in computing time of the whole process.

    Other programs make the first longer, not the second.
    """

    wall_s: dict[str, list[float]] = field(default_factory=dict)
    cpu_s: dict[str, list[float]] = field(default_factory=dict)

    def add(self, stage: str, wall_s: float, cpu_s: float) -> None:
        """Take note of how long a stage took for one volume.

        Parameters
        ----------
        stage : str
            Its name.
        wall_s, cpu_s : float
            By the clock and in computing time, in s.
        """
        self.wall_s.setdefault(stage, []).append(wall_s)
        self.cpu_s.setdefault(stage, []).append(cpu_s)

    def timed(self, stage: str, call: Callable[[], _Result]) -> _Result:
        """Return what a call returns, and take note of how long it took.

        Parameters
        ----------
        stage : str
            Its name.
        call : callable
            Does it.
        """
        began_s, began_cpu_s = time.perf_counter(), time.process_time()
        result = call()
        cpu_s = time.process_time() - began_cpu_s
        self.add(stage, time.perf_counter() - began_s, cpu_s)
        return result

    def spreads(self) -> Mapping[str, tuple[Spread, Spread]]:
        """Return for each stage the quantiles by the clock and in computing time."""
        return {
            stage: (Spread.of(wall_s), Spread.of(self.cpu_s[stage]))
            for stage, wall_s in self.wall_s.items()
        }
