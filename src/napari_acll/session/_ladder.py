"""Does less when labeling falls behind, step by step, and all of it again when it keeps up."""

from statistics import median

from napari_acll.core import AcllSettings, DropPolicy
from napari_acll.session._outbox import Event

_WINDOW = 8
"""Volumes after which it is judged, 5 s at the usual pace: longer than a hiccup."""
_PATIENCE = 3
"""Windows of keeping up before the next step back."""
_MOST_PATIENCE = 48
_TOO_SOON = 5
"""A step back that had to be taken again within so many windows came too soon."""

SMALL_BATCHES, DISPLAY_OFF, LABELS_OFF, EVERY_SECOND = (
    "one volume at a time, so that each result is there as early as it can be",
    "the screen is not told of new volumes",
    "label maps are not saved",
    "only every second volume is labeled",
)


class DegradeLadder:
    """What is given up while labeling falls behind a live microscope.

    It looks at how many volumes wait, 8 labeled volumes at a time. If at least half of the queue
    is used and that does not get better, one more thing is given up; once hardly anything has
    waited for a while, the last one is taken up again, and later if that proved to be too soon.

    Parameters
    ----------
    settings : AcllSettings
        Whether it is used, and what there is to give up; under `BLOCK` nothing ever is.
    """

    def __init__(self, settings: AcllSettings) -> None:
        run = settings.run
        is_used = run.degrades_when_late and run.drop_policy is DropPolicy.DROP_OLDEST
        self._steps = _steps(settings) if is_used else ()
        self._full_batch = settings.label.batch_size
        self._late_from = max(1, run.queue_capacity // 2)
        self._calm_up_to = run.queue_capacity // 8
        self._level = 0
        self._window: list[int] = []
        self._before: float | None = None
        self._n_calm = 0
        self._n_since_step_back = _TOO_SOON
        self._patience = _PATIENCE

    @property
    def given_up(self) -> tuple[str, ...]:
        """What is given up now."""
        return self._steps[: self._level]

    @property
    def batch_size(self) -> int:
        """Most volumes that are labeled at once."""
        return 1 if SMALL_BATCHES in self.given_up else self._full_batch

    @property
    def shows(self) -> bool:
        """Whether new volumes are shown."""
        return DISPLAY_OFF not in self.given_up

    @property
    def keeps_labels(self) -> bool:
        """Whether label maps are saved."""
        return LABELS_OFF not in self.given_up

    def leaves_out(self, index: int) -> bool:
        """Return whether a volume is skipped at once; called by the reading thread."""
        return index % 2 == 1 and EVERY_SECOND in self.given_up

    def add(self, index: int, n_waiting: int) -> Event | None:
        """Take note of what waits while a volume is labeled; return what is to be told, if any.

        Parameters
        ----------
        index : int
            Number of the volume.
        n_waiting : int
            Volumes that wait behind it.
        """
        if not self._steps:
            return None
        self._window.append(n_waiting)
        if len(self._window) < _WINDOW:
            return None
        waiting, most, last = median(self._window), max(self._window), self._window[-1]
        self._window.clear()
        self._n_since_step_back += 1
        before, self._before = self._before, waiting
        self._n_calm = self._n_calm + 1 if most <= self._calm_up_to else 0
        is_better = before is None or waiting <= before - 1
        is_late = min(waiting, last) >= self._late_from and not is_better
        if is_late and self._level < len(self._steps):
            return self._give_up(index, waiting)
        if self._n_calm >= self._patience and self._level > 0:
            return self._take_up(index)
        return None

    def _give_up(self, index: int, waiting: float) -> Event:
        if self._n_since_step_back < _TOO_SOON:
            self._patience = min(2 * self._patience, _MOST_PATIENCE)
        step = self._steps[self._level]
        self._level += 1
        message = (
            f"Labeling falls behind at volume {index}, {waiting:g} volumes wait. To catch up:"
            f" {step} (step {self._level} of {len(self._steps)}, run.degrades_when_late)."
        )
        return Event("degraded", message, self._details(index))

    def _take_up(self, index: int) -> Event:
        self._level -= 1
        self._n_calm = self._n_since_step_back = 0
        left = f" Still given up: {'; '.join(self.given_up)}." if self.given_up else ""
        message = (
            f"Labeling keeps up again at volume {index}. No longer: {self._steps[self._level]}."
            f"{left}"
        )
        return Event("recovered", message, self._details(index))

    def _details(self, index: int) -> dict[str, object]:
        return {"index": index, "level": self._level, "given_up": list(self.given_up)}


def _steps(settings: AcllSettings) -> tuple[str, ...]:
    batches = (SMALL_BATCHES,) if settings.label.batch_size > 1 else ()
    labels = (LABELS_OFF,) if settings.run.save_labels else ()
    return (*batches, DISPLAY_OFF, *labels, EVERY_SECOND)
