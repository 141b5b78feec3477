"""What an animal did or was shown, and when."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Mark:
    """A time-stamped note of behavior or of a stimulus.

    Parameters
    ----------
    channel : str
        Where it comes from, such as `key`, `script` or `serial:COM3`.
    name : str
        What it is about, such as `light` or `speed`.
    value : float
        Its value; NaN where there is none.
    note : str
        Anything else.
    at_s : float
        Wall time, in s since 1970; NaN: when the session got it.
    time_s : float
        Time of the recording, in s from its start; NaN: found from `at_s`.
    volume_index : int
        The newest volume that had come by then; -1 where that is not known.
    """

    channel: str
    name: str
    value: float = float("nan")
    note: str = ""
    at_s: float = float("nan")
    time_s: float = float("nan")
    volume_index: int = -1
