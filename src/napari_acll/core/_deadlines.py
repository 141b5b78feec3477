"""Whether a session keeps up: how long its stages take, and how often it was late."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Durations:
    """How long something took until now.

    Parameters
    ----------
    n : int
        How often it was measured.
    p50_s, p99_s : float
        Half of all, and all but one in a hundred, took no longer, in s (to 1 %); NaN if `n` is 0.
    max_s : float
        The longest, in s; NaN if `n` is 0.
    """

    n: int = 0
    p50_s: float = float("nan")
    p99_s: float = float("nan")
    max_s: float = float("nan")


@dataclass(frozen=True, slots=True, kw_only=True)
class DeadlineReport:
    """How long the stages of a session took, and how many volumes came out late.

    Parameters
    ----------
    deadline_s : float, optional
        Most time from the last slice of a volume to its sample, in s; None where there is no
        deadline, because a replay waits for us.
    n_judged : int
        Volumes that had a deadline. Those held for the calibration have none.
    n_missed : int
        How many of them were late; skipped volumes are counted elsewhere.
    is_late : bool
        Whether deadlines are being missed now.
    n_unpublished : int
        Samples that were not published because a publisher was too slow.
    stages : mapping of str to Durations
        `read`, `preprocess`, `wait`, `label`, `trace`, `publish`, and `end_to_end`: from the last
        slice of a volume to its sample, or, if samples are published, to the packet sent.
    """

    deadline_s: float | None
    n_judged: int = 0
    n_missed: int = 0
    is_late: bool = False
    n_unpublished: int = 0
    stages: Mapping[str, Durations]

    def to_json(self) -> dict[str, object]:
        """Return it as JSON values; what was not measured is None."""
        stages = {
            name: {key: None if value != value else value for key, value in asdict(took).items()}
            for name, took in self.stages.items()
        }
        return {
            "deadline_s": self.deadline_s,
            "n_judged": self.n_judged,
            "n_missed": self.n_missed,
            "n_unpublished": self.n_unpublished,
            "stages": stages,
        }

    def sentence(self) -> str:
        """Return the report in one sentence, empty before the first volume."""
        whole = self.stages["end_to_end"]
        if not whole.n:
            return ""
        end = "packet" if self.stages["publish"].n else "sample"
        took = (
            f"From the last slice to the {end} {whole.p50_s:.3g} s (p50), {whole.p99_s:.3g} s"
            f" (p99), {whole.max_s:.3g} s at most"
        )
        if self.deadline_s is None:
            return f"{took}."
        return f"{took}; {self.n_missed} of {self.n_judged} later than {self.deadline_s:g} s."
