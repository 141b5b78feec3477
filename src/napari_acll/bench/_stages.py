"""The stages of a session, one after the other, in one thread."""

import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import numpy as np

from napari_acll.bench._looped_source import LoopedSource
from napari_acll.bench._spread import StageTimes
from napari_acll.core import (
    AcllSettings,
    ChannelAlignment,
    IdentityFilter,
    LabeledVolume,
    Labeler,
    PluginError,
    PublishedSample,
    Publisher,
    PublishSettings,
    StageTimings,
    TraceSample,
    Volume,
    load_stage,
)
from napari_acll.export import SessionHeader, ZarrSessionWriter
from napari_acll.label import StepClock
from napari_acll.preprocess import Preprocessor
from napari_acll.session import trace_estimator_of

_USUAL_FILTER = "evidence"
_ANY_PORT = "tcp://127.0.0.1:*"
_TIMINGS = StageTimings(
    read_s=0.0, preprocess_s=0.0, wait_s=0.0, label_s=0.0, trace_s=0.0, total_s=0.0
)


@dataclass(frozen=True, slots=True, eq=False)
class StageRun:
    """What came of timing the stages.

    Parameters
    ----------
    times : StageTimes
        Of each stage and volume.
    volume : Volume
        The last volume, cropped and binned.
    labeled : LabeledVolume
        Its labels.
    """

    times: StageTimes
    volume: Volume
    labeled: LabeledVolume


def time_stages(
    source: LoopedSource,
    labeler: Labeler,
    settings: AcllSettings,
    *,
    progress: Callable[[int], None] = lambda _: None,
) -> StageRun:
    """Send each volume through all stages, and measure each.

    A first volume goes before, untimed: it warms everything up.

    Parameters
    ----------
    source : LoopedSource
        The volumes.
    labeler : Labeler
        The model, warm.
    settings : AcllSettings
        All settings.
    progress : callable
        Called with the number of volumes that are done.
    """
    with tempfile.TemporaryDirectory(prefix="acll-bench-") as folder:
        stages = _Stages(source, labeler, settings, Path(folder))
        try:
            stages.pass_through(0, StageTimes())
            times = StageTimes()
            for index in source.indices[1:]:
                volume, labeled = stages.pass_through(index, times)
                progress(index)
        finally:
            stages.close()
    return StageRun(times, volume, labeled)


class _Stages:
    def __init__(
        self, source: LoopedSource, labeler: Labeler, settings: AcllSettings, folder: Path
    ) -> None:
        self._source, self._labeler = source, labeler
        self._preprocessor = Preprocessor(source.spec, settings.preprocess)
        self._estimator = trace_estimator_of(labeler.neurons, settings)
        self._filter_row, self._filter = _identity_filter(labeler, settings)
        header = SessionHeader(
            neurons=labeler.neurons,
            stored_spec=source.spec,
            spec=self._preprocessor.spec,
            settings=settings,
            model=labeler.describe(),
        )
        self._writer = ZarrSessionWriter.create(folder / "bench.acll", header)
        self._publisher = _publisher()

    def pass_through(self, index: int, times: StageTimes) -> tuple[Volume, LabeledVolume]:
        """Send one volume through all stages."""
        stored = times.timed("read", lambda: self._source.read(index))
        volume = times.timed("crop, bin, background", lambda: self._preprocessor.apply(stored))
        (labeled,) = times.timed("label", lambda: self._labeler.label([volume]))
        for step, took in self._steps().items():
            times.add(f"label: {step}", took[0], took[1])
        named = times.timed(self._filter_row, lambda: self._filter.update(labeled))
        used = named if self._filter_row == "identity" else labeled
        alignment = ChannelAlignment.identity()
        sample = times.timed("trace", lambda: self._estimator.estimate(volume, used, alignment))
        times.timed("save", lambda: self._writer.write(sample, used, _TIMINGS))
        if self._publisher is not None:
            told, publisher = _published(sample), self._publisher
            times.timed("publish", lambda: publisher.publish(told))
        return volume, used

    def _steps(self) -> Mapping[str, tuple[float, float]]:
        clock = getattr(self._labeler, "clock", None)
        return clock.took if isinstance(clock, StepClock) else {}

    def close(self) -> None:
        self._writer.close(state="finished")
        if self._publisher is not None:
            self._publisher.close()


def _identity_filter(labeler: Labeler, settings: AcllSettings) -> tuple[str, IdentityFilter]:
    """Return the filter of the settings; without one, the usual one, only to measure it."""
    name = settings.identity.filter
    row = "identity"
    if not settings.identity.is_used:
        name, row = _USUAL_FILTER, "identity (off)"
    factory = load_stage("identity_filters", name)
    make = cast("Callable[..., IdentityFilter]", getattr(factory, "from_settings", factory))
    return row, make(settings.identity, labeler.neurons)


def _publisher() -> Publisher | None:
    """Return a publisher that anyone could listen to, None if that is not installed."""
    from napari_acll.publish import ZmqPublisher

    try:
        publisher = ZmqPublisher.from_settings(PublishSettings(address=_ANY_PORT))
    except PluginError:
        return None
    publisher.open()
    return publisher


def _published(sample: TraceSample) -> PublishedSample:
    found = np.flatnonzero(np.isfinite(sample.confidence))
    return PublishedSample(
        index=sample.index,
        status=sample.status,
        time_s=sample.time_s,
        seen_at_s=0.0,
        traced_at_s=0.0,
        sent_at_s=0.0,
        names=tuple(str(row) for row in found),
        neuron_time_s=sample.neuron_time_s[found],
        ratio=sample.ratio[found],
        confidence=sample.confidence[found],
        is_pinned=np.zeros(len(found), np.bool_),
        ratio_sd=sample.ratio_sd[found],
        flags=sample.flags[found],
    )
