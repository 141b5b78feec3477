"""Channels that no longer lie as the alignment says are told of, and nothing is changed."""

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pytest

from napari_acll.core import (
    N_CANDIDATES,
    AcllSettings,
    AlignmentSettings,
    ChannelAlignment,
    ChannelDrift,
    Detections,
    LabeledVolume,
    NeuronTable,
    TraceSettings,
    VoxelGrid,
)
from napari_acll.session import Session
from napari_acll.session._drift_monitor import DriftMonitor
from napari_acll.simulate import VirtualWorm, WormSettings
from napari_acll.testing import FakePreprocessor, MemoryWriter, fake_labeled, fake_volume
from napari_acll.trace import RatioTraceEstimator

PATIENCE_S = 60.0
PX = 1.08
GRID = VoxelGrid.as_stored((40, 100, 150), (PX, PX, PX))
JUMP_PX = 3.0
STILL = ChannelAlignment(dy_um=0.6, dx_um=-0.9, theta_deg=0.3, is_trusted=True)
N_EACH = 4
"""Volumes of each kind that are rendered, and used in turn."""


def worm_with(seed, alignment):
    settings = WormSettings(grid=GRID, n_volumes=200, alignment=alignment)
    return VirtualWorm.sample(seed, settings=settings)


def jumped(seed):
    """Return the alignment after a jump by three pixels in a direction of its own."""
    angle = np.random.default_rng(seed).uniform(0, 2 * np.pi)
    return STILL.model_copy(
        update={
            "dy_um": STILL.dy_um + JUMP_PX * PX * np.sin(angle),
            "dx_um": STILL.dx_um + JUMP_PX * PX * np.cos(angle),
        }
    )


def rendered(worm):
    return [labeled_of(worm, 17 * n) for n in range(N_EACH)]


def labeled_of(worm, index):
    truth, volume = worm.truth(index), worm.render(index)
    return volume, LabeledVolume(
        index=index,
        spec=volume.spec,
        instances=np.zeros(volume.marker.shape, np.uint16),
        detections=detections_at(truth.centroid_px),
    )


def detections_at(centroid_px):
    n = len(centroid_px)
    return Detections(
        centroid_px=np.asarray(centroid_px, np.float32),
        n_voxels=np.ones(n, np.int32),
        neuron=np.zeros(n, np.int32),
        probability=np.zeros(n, np.float32),
        candidate_neuron=np.full((n, N_CANDIDATES), -1, np.int32),
        candidate_probability=np.full((n, N_CANDIDATES), np.nan, np.float32),
    )


def told(volumes, settings=None):
    """Return `(how many volumes it took, kind)` of each event."""
    monitor = DriftMonitor(settings or AlignmentSettings())
    events = []
    for number, (volume, labeled) in enumerate(volumes, start=1):
        event = monitor.add(volume, labeled, STILL)
        if event is not None:
            events.append((number, event.kind))
    return events


def in_turn(pairs, n) -> Iterator:
    return (pairs[number % len(pairs)] for number in range(n))


@pytest.mark.parametrize("seed", range(10))
def test_a_jump_by_three_pixels_is_told_in_time_and_no_jump_never(seed):
    before = rendered(worm_with(seed, STILL))
    after = rendered(worm_with(seed, jumped(seed)))
    assert told(in_turn(before, 220)) == []
    n_before = 20 + 7 * seed  # wherever it comes between two measurements
    events = told([*in_turn(before, n_before), *in_turn(after, 60)])
    assert [kind for _, kind in events] == ["drift"]
    assert n_before < events[0][0] <= n_before + AlignmentSettings().drift_every_volumes + 4


class Measured:
    """Stands in for the measurement: gives distances in turn, None where it cannot be told."""

    def __init__(self, monkeypatch, distances_um):
        self.n_asked = 0
        self._distances = iter(distances_um)
        monkeypatch.setattr("napari_acll.preprocess.channel_drift", self)

    def __call__(self, volume, _centroid_px, _alignment):
        self.n_asked += 1
        distance = next(self._distances)
        if distance is None:
            return None
        return ChannelDrift(
            index=volume.index, dy_um=distance, dx_um=0.0, agreement=0.5, n_nuclei=40
        )


def fakes(n, *, is_labelable=True):
    for index in range(n):
        volume = fake_volume(index)
        yield volume, fake_labeled(volume, is_labelable=is_labelable)


EVERY_2 = AlignmentSettings(drift_every_volumes=2, max_drift_um=1.0)


def test_an_alarm_is_told_once_and_so_is_its_end(monkeypatch):
    Measured(monkeypatch, [0.1] * 3 + [1.5] * 9 + [0.9] * 6 + [0.3] * 6)
    assert told(fakes(40), EVERY_2) == [(10, "drift"), (35, "aligned again")]


def test_a_distance_around_the_limit_does_not_flicker(monkeypatch):
    Measured(monkeypatch, [1.1, 0.9, 1.1, 0.8, 0.9, 0.8] * 20)
    assert len(told(fakes(200), EVERY_2)) == 1


def test_one_odd_volume_in_three_is_not_told(monkeypatch):
    Measured(monkeypatch, [0.1, 4.0, 0.1] * 20)
    assert told(fakes(100), EVERY_2) == []


def test_volumes_that_tell_nothing_are_passed_over(monkeypatch):
    Measured(monkeypatch, [1.5, None, None, 1.5, None, 1.5])
    assert told(fakes(8), EVERY_2) == [(8, "drift")]


def test_a_stretch_that_tells_nothing_is_given_up_and_tried_again_later(monkeypatch):
    measured = Measured(monkeypatch, [None] * 1000)
    assert told(fakes(112), AlignmentSettings(drift_every_volumes=50)) == []
    assert measured.n_asked == 10 + 2  # ten are tried, then it is the turn of 50 others


def test_volumes_that_cannot_be_labeled_are_not_measured(monkeypatch):
    measured = Measured(monkeypatch, [])
    assert told(fakes(200, is_labelable=False), EVERY_2) == []
    assert measured.n_asked == 0


def test_it_can_be_switched_off(monkeypatch):
    measured = Measured(monkeypatch, [])
    assert told(fakes(200), AlignmentSettings(drift_every_volumes=0)) == []
    assert measured.n_asked == 0


class JumpingSource:
    """A recording whose activity camera is bumped."""

    is_live = False
    notes = ()

    def __init__(self, seed, n_before, n_volumes):
        self._before = worm_with(seed, STILL)
        self._after = worm_with(seed, jumped(seed))
        self._n_before, self._n_volumes = n_before, n_volumes
        self.spec = self._before.spec

    def describe(self):
        return {"kind": "jumping", "path": "nowhere"}

    def worm(self, index):
        return self._before if index < self._n_before else self._after

    def __iter__(self):
        for index in range(self._n_volumes):
            yield self.worm(index).render(index)

    def close(self):
        pass


class TruthLabeler:
    """Knows where the nuclei are, and no names."""

    neurons = NeuronTable.numbered(3)

    def __init__(self, source):
        self._source = source

    def describe(self):
        return {"name": "truth", "kind": "test", "device": "cpu"}

    def warm_up(self, spec, batch_size):
        pass

    def label(self, volumes):
        labeled = (labeled_of(self._source.worm(v.index), v.index)[1] for v in volumes)
        return [replace(one, spec=volumes[0].spec) for one in labeled]


def test_a_session_tells_keeps_its_alignment_and_says_how_far_it_is_off():
    source = JumpingSource(seed=4, n_before=6, n_volumes=14)
    labeler, writer = TruthLabeler(source), MemoryWriter()
    session = Session(
        source=source,
        preprocessor=FakePreprocessor(source.spec),
        labeler=labeler,
        calibrator=None,
        trace_estimator=RatioTraceEstimator(labeler.neurons, TraceSettings()),
        writers=[writer],
        settings=AcllSettings(alignment=AlignmentSettings(drift_every_volumes=2)),
        alignment=STILL,
    )
    heard = []
    session.event.connect(lambda kind, message: heard.append((kind, message)))
    assert session.drift is None
    session.start()
    assert session.join(PATIENCE_S)
    assert session.alignment == STILL
    assert writer.alignments == [STILL]
    (message,) = [message for kind, message in writer.events if kind == "drift"]
    assert "The session keeps its alignment" in message
    assert ("drift", message) in heard
    assert session.drift.distance_um == pytest.approx(JUMP_PX * PX, abs=0.7 * PX)
