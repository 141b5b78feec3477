"""Whether a requirement is met, as one line that a person reads at a glance."""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum


class Light(StrEnum):
    """How a requirement stands."""

    GREEN = "green"
    """Met."""
    AMBER = "amber"
    """A session runs, but somebody should know this first."""
    RED = "red"
    """A session cannot start, or is of no use."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """One requirement and how it stands.

    Parameters
    ----------
    name : str
        What is required, such as `Disk`.
    light : Light
        How it stands.
    sentence : str
        What was found and, where it is not green, what to do.
    exit_code : int
        What the command line ends with if this is the first red line; 0 if it is not red.
    """

    name: str
    light: Light
    sentence: str
    exit_code: int = 0


def worst_light(checks: Iterable[Check]) -> Light:
    """Return the worst light of all lines, green if there are none."""
    lights = {check.light for check in checks}
    if Light.RED in lights:
        return Light.RED
    return Light.AMBER if Light.AMBER in lights else Light.GREEN
