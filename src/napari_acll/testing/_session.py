"""What every trace estimator and every session writer must do, as tests."""

from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import numpy as np

from napari_acll.core import (
    ChannelAlignment,
    Correction,
    CorrectionKind,
    LabeledVolume,
    Mark,
    NeuronTable,
    SessionWriter,
    StageTimings,
    TraceEstimator,
    TraceFlag,
    TraceSample,
    Volume,
    VolumeStatus,
)
from napari_acll.testing._session_fakes import (
    ACTIVITY_BACKGROUND,
    MARKER_BACKGROUND,
    FakeLabeler,
    fake_labeled,
    fake_volume,
)

_VALUES = ("ratio", "activity", "marker", "confidence", "neuron_time_s")
_SUMS = ("activity_sum", "marker_sum")


class TraceEstimatorContract(ABC):
    """Tests that every trace estimator passes; subclass it and say how yours is made.

    The volumes hold three neurons, `AVAL`, `AVAR` and `RIBL`; the fourth, `OLLR`, is absent.
    """

    @abstractmethod
    def make_estimator(self, neurons: NeuronTable) -> TraceEstimator:
        """Return a new estimator."""

    def test_it_fits_the_protocol(self) -> None:
        """A session only uses the methods of the protocol."""
        _require(isinstance(self.make_estimator(_neurons()), TraceEstimator), "no estimator")

    def test_a_sample_has_one_row_per_neuron_and_says_when(self) -> None:
        """The sample belongs to its volume."""
        sample = self._estimate(_volume(7))
        _require(sample.index == 7 and sample.time_s == 3.5, "another index or time")
        _require(sample.status is VolumeStatus.TRACED, f"status {sample.status}")
        for name in (*_VALUES, *_SUMS, "n_voxels", "centroid_px"):
            _require(len(getattr(sample, name)) == len(_neurons()), f"rows of {name}")

    def test_a_present_neuron_has_values_and_an_absent_one_has_none(self) -> None:
        """Absent is NaN, and no voxels."""
        sample = self._estimate(_volume(0))
        for name in (*_VALUES, *_SUMS):
            values = getattr(sample, name)
            _require(bool(np.isfinite(values[:3]).all()), f"{name} of a present neuron")
            _require(bool(np.isnan(values[3])), f"{name} of an absent neuron")
        _require(bool(np.isnan(sample.centroid_px[3]).all()), "centroid of an absent neuron")
        _require(sample.n_voxels.tolist()[3] == 0, "voxels of an absent neuron")

    def test_an_unlabelable_volume_has_no_values(self) -> None:
        """Its names are not to be trusted."""
        volume = _volume(0)
        labeled = fake_labeled(volume, is_labelable=False)
        sample = self._estimate(volume, labeled)
        _require(sample.status is VolumeStatus.UNLABELABLE, f"status {sample.status}")
        _require(bool(np.isnan(sample.ratio).all()), "a ratio of an unlabelable volume")

    def test_a_dark_marker_gives_no_ratio(self) -> None:
        """A ratio over nothing is neither infinite nor negative."""
        volume = _volume(0)
        dark = replace(volume, marker=np.full_like(volume.marker, int(MARKER_BACKGROUND)))
        _require(bool(np.isnan(self._estimate(dark).ratio).all()), "a ratio over nothing")

    def test_no_value_is_infinite_and_what_is_said_of_it_is_known(self) -> None:
        """Whoever reads them need not look out for anything but NaN."""
        sample = self._estimate(_volume(0))
        for name in (*_VALUES, *_SUMS, "ratio_sd"):
            _require(not np.isinf(getattr(sample, name)).any(), f"{name} is infinite")
        known = sum(TraceFlag)
        _require(sample.flags.dtype == np.uint8, f"flags are {sample.flags.dtype}")
        _require(bool((sample.flags | known == known).all()), "an unknown flag")
        _require(sample.flags.tolist()[3] == 0, "flags of an absent neuron")
        _require(sample.activity_background == ACTIVITY_BACKGROUND, "another background")
        _require(sample.marker_background == MARKER_BACKGROUND, "another background")

    def test_the_sums_are_raw(self) -> None:
        """From them everything can be computed again."""
        volume = _volume(0)
        labeled = fake_labeled(volume)
        sample = self._estimate(volume, labeled)
        for detection in range(3):
            inside = labeled.instances == detection + 1
            row = labeled.detections.neuron[detection] - 1
            _require(sample.n_voxels[row] == inside.sum(), "other voxels")
            _require(sample.marker_sum[row] == volume.marker[inside].sum(), "marker_sum")
            _require(sample.activity_sum[row] == volume.activity[inside].sum(), "activity_sum")

    def test_the_volume_and_its_labels_are_not_changed(self) -> None:
        """They are drawn and saved afterwards."""
        volume = _volume(0)
        labeled = fake_labeled(volume)
        self._estimate(volume, labeled)
        _require(bool((volume.activity == _volume(0).activity).all()), "the volume changed")
        _require(
            bool((labeled.instances == fake_labeled(volume).instances).all()), "labels changed"
        )

    def test_the_same_volume_gives_the_same_sample(self) -> None:
        """Whatever came in between: no value is carried over."""
        estimator = self.make_estimator(_neurons())
        first, again = _volume(0), _volume(0)
        identity = ChannelAlignment.identity()
        a = estimator.estimate(first, fake_labeled(first), identity)
        unfit = fake_labeled(first, is_labelable=False)
        estimator.estimate(first, unfit, identity)
        b = estimator.estimate(again, fake_labeled(again), identity)
        for name in (*_VALUES, *_SUMS, "n_voxels", "centroid_px"):
            np.testing.assert_array_equal(getattr(a, name), getattr(b, name), err_msg=name)

    def _estimate(self, volume: Volume, labeled: LabeledVolume | None = None) -> TraceSample:
        labeled = labeled or fake_labeled(volume)
        estimator = self.make_estimator(_neurons())
        return estimator.estimate(volume, labeled, ChannelAlignment.identity())


class SessionWriterContract(ABC):
    """Tests that every session writer passes; subclass it and say how yours is made."""

    @abstractmethod
    def make_writer(self, folder: Path) -> SessionWriter:
        """Return a new writer that may write inside this empty folder."""

    def test_it_fits_the_protocol(self, tmp_path: Path) -> None:
        """A session only uses the methods of the protocol."""
        with self._writer(tmp_path) as writer:
            _require(isinstance(writer, SessionWriter), "not a SessionWriter")

    def test_it_takes_all_that_a_session_gives(self, tmp_path: Path) -> None:
        """In the order in which a session gives it."""
        with self._writer(tmp_path) as writer:
            writer.write_event("source", "A sentence.", {"number": 1})
            writer.write_alignment(ChannelAlignment.identity("none"))
            write_fake_volume(writer, 0)
            writer.skip(1, VolumeStatus.LOST)
            writer.skip(2, VolumeStatus.SKIPPED)
            writer.write_marks([Mark(channel="key", name="light"), Mark(channel="a", name="b")])
            swap = Correction(
                kind=CorrectionKind.SWAP, name="AVAL", new_name="AVAR", from_index=3, at_s=1.7e9
            )
            writer.write_corrections([swap])
            write_fake_volume(writer, 3)

    def test_it_can_be_closed_without_a_volume_and_twice(self, tmp_path: Path) -> None:
        """A session may fail before its first volume."""
        with self._writer(tmp_path) as writer:
            writer.close(state="failed")

    def test_it_takes_a_long_gap(self, tmp_path: Path) -> None:
        """A microscope may pause."""
        with self._writer(tmp_path) as writer:
            write_fake_volume(writer, 0)
            for index in range(1, 300):
                writer.skip(index, VolumeStatus.LOST)
            write_fake_volume(writer, 300)

    @contextmanager
    def _writer(self, folder: Path) -> Iterator[SessionWriter]:
        writer = self.make_writer(folder)
        try:
            yield writer
        finally:
            writer.close(state="finished")


def fake_sample(index: int) -> TraceSample:
    """Return the sample that belongs to a fake volume, with values that tell the index."""
    sample = TraceSample.absent(index, index * 0.5, len(_neurons()), VolumeStatus.TRACED)
    sample.marker[:3] = [40.0, 50.0, 60.0]
    sample.activity[:3] = np.array([20.0, 25.0, 30.0]) + index % 100
    sample.ratio[:3] = sample.activity[:3] / sample.marker[:3]
    sample.n_voxels[:3] = 18
    sample.marker_sum[:3] = 18 * (MARKER_BACKGROUND + sample.marker[:3])
    sample.activity_sum[:3] = 18 * (ACTIVITY_BACKGROUND + sample.activity[:3])
    sample.confidence[:3] = [0.9, 0.8, 0.7]
    sample.centroid_px[:3] = [[0.5, 3, 3], [1.5, 6, 9], [2.5, 9, 15]]
    sample.neuron_time_s[:3] = index * 0.5 + np.array([0.05, 0.15, 0.25])
    sample.ratio_sd[:3] = 0.01 * sample.ratio[:3]
    sample.flags[1:3] = [TraceFlag.IMPULSE | TraceFlag.OVERLAPPED, TraceFlag.CUT_OFF]
    return replace(
        sample,
        marker_background=MARKER_BACKGROUND,
        activity_background=ACTIVITY_BACKGROUND,
        light_factor=0.9,
    )


def write_fake_volume(writer: SessionWriter, index: int) -> None:
    """Hand a traced fake volume to a writer."""
    timings = StageTimings(
        read_s=0.01, preprocess_s=0.02, wait_s=0.0, label_s=0.1, trace_s=0.003, total_s=0.133
    )
    writer.write(fake_sample(index), fake_labeled(fake_volume(index)), timings)


def _neurons() -> NeuronTable:
    return FakeLabeler().neurons


def _volume(index: int) -> Volume:
    return replace(
        fake_volume(index),
        marker_background=MARKER_BACKGROUND,
        activity_background=ACTIVITY_BACKGROUND,
    )


def _require(holds: bool, otherwise: str) -> None:
    # Not `assert`: python -O would strip the suite of its tests.
    if not holds:
        raise AssertionError(otherwise)
