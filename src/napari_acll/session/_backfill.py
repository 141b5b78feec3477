"""Volumes that were skipped while we were late, and are labeled when there is time."""

import logging
import time
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, field, replace

from napari_acll.core import (
    AcllError,
    Backfill,
    Corrections,
    Labeler,
    RereadableSource,
    StageTimings,
    TraceEstimator,
    TraceStore,
    Volume,
    VolumeSource,
    VolumeStatus,
)
from napari_acll.quality import TraceQuality
from napari_acll.session._calibration import Calibration
from napari_acll.session._counters import Tally
from napari_acll.session._outbox import Event, Outbox, Traced
from napari_acll.session._stages import Preprocessing
from napari_acll.session._tolerance import Tolerance
from napari_acll.session._volume_queue import Gap, VolumeQueue

_log = logging.getLogger(__name__)


@dataclass(kw_only=True, eq=False)
class Backfilling:
    """Labels skipped volumes, oldest first, where the recording still has them.

    What was decided live stays as it is: no identity over time, no novelty and no newest volume
    comes from here, and each volume is in the record as one that was labeled later.

    Parameters
    ----------
    source : VolumeSource
        The recording; one that cannot give a volume once more has nothing to backfill.
    preprocessor : Preprocessing
        Crop, binning, background.
    policy : Backfill
        When it is done.
    labeler, trace_estimator : Labeler, TraceEstimator
        The model, and what takes the values.
    calibration : Calibration
        Knows the alignment, once anything is to be done here.
    queue : VolumeQueue
        Is there time?
    corrections : Corrections
        Change the names, by what held for a volume when it was skipped.
    outbox, store, quality, tally : Outbox, TraceStore, TraceQuality, Tally
        Where results go.
    tolerance : Tolerance
        Says when stages failed too often; a volume on which one fails stays skipped.
    """

    source: VolumeSource
    preprocessor: Preprocessing
    policy: Backfill
    labeler: Labeler
    trace_estimator: TraceEstimator
    calibration: Calibration
    queue: VolumeQueue
    corrections: Corrections
    outbox: Outbox
    store: TraceStore
    quality: TraceQuality
    tally: Tally
    tolerance: Tolerance
    _waiting: deque[int] = field(default_factory=deque, init=False)
    _n_done: int = field(default=0, init=False)
    _n_gone: int = field(default=0, init=False)
    _n_failed: int = field(default=0, init=False)

    @property
    def is_possible(self) -> bool:
        """Whether skipped volumes are wanted and the recording may still have them."""
        return self.policy is not Backfill.OFF and isinstance(self.source, RereadableSource)

    def note(self, gaps: Iterable[Gap]) -> None:
        """Take note of timepoints without values."""
        if self.is_possible:
            self._waiting += (index for index, why in gaps if why is VolumeStatus.SKIPPED)

    def while_idle(self) -> None:
        """Label what was skipped as long as nothing else is to be done, if that is wanted."""
        while self.policy is Backfill.IDLE and self._waiting and self.queue.is_idle():
            self._label(self._waiting.popleft())

    def at_end(self) -> None:
        """Label what is left, until the session is stopped, and tell how many there were."""
        if self._waiting and not self.queue.is_abandoned:
            message = (
                f"The recording is over; {_skipped(len(self._waiting), 'is', 'are')} labeled."
            )
            self.outbox.put(Event("backfill", message, {"count": len(self._waiting)}))
        while self._waiting and not self.queue.is_abandoned:
            self._label(self._waiting.popleft())
        if self._n_done or self._n_gone or self._n_failed:
            gone = f"; {self._n_gone} were gone" if self._n_gone else ""
            failed = f"; {self._n_failed} failed" if self._n_failed else ""
            done = _skipped(self._n_done, "was", "were")
            message = f"{done} labeled later{gone}{failed}."
            details = {
                "labeled": self._n_done,
                "gone": self._n_gone,
                "failed": self._n_failed,
                "left": len(self._waiting),
            }
            self.outbox.put(Event("backfilled", message, details))

    def _label(self, index: int) -> None:
        try:
            self._label_again(index)
        except Exception as error:  # noqa: BLE001  one volume must not cost a recording
            what = self.tolerance.forgive(error, f"Labeling skipped volume {index}")
            message = f"Volume {index} stays skipped: it could not be labeled later ({what})."
            self.outbox.put(Event("failure", message, {"index": index}))
            self._n_failed += 1
        else:
            self.tolerance.succeeded()

    def _label_again(self, index: int) -> None:
        began_s = time.perf_counter()
        stored = self._read(index)
        if stored is None:
            self._n_gone += 1
            return
        read_s = time.perf_counter() - began_s
        volume = self.preprocessor.apply(stored)
        preprocess_s = time.perf_counter() - began_s - read_s
        labeled = self.corrections.apply(self.labeler.label([volume])[0])
        label_s = time.perf_counter() - began_s - read_s - preprocess_s
        sample = self.trace_estimator.estimate(volume, labeled, self.calibration.settle())
        if sample.status is VolumeStatus.TRACED:
            sample = replace(sample, status=VolumeStatus.BACKFILLED)
        total_s = time.perf_counter() - began_s
        timings = StageTimings(
            read_s=read_s,
            preprocess_s=preprocess_s,
            wait_s=float("nan"),
            label_s=label_s,
            trace_s=total_s - read_s - preprocess_s - label_s,
            total_s=total_s,
        )
        self.store.append(sample)
        self.quality.add(sample, novelty=labeled.novelty)
        self.tally.count(VolumeStatus.BACKFILLED)
        self.outbox.put(Traced(sample, labeled, timings))
        self._n_done += 1

    def _read(self, index: int) -> Volume | None:
        if not isinstance(self.source, RereadableSource):
            return None
        try:
            return self.source.reread(index)
        except (AcllError, OSError) as error:
            _log.warning("Skipped volume %d cannot be read once more: %s", index, error)
            return None


def _skipped(n: int, is_one: str, are_many: str) -> str:
    return f"1 skipped volume {is_one}" if n == 1 else f"{n} skipped volumes {are_many}"
