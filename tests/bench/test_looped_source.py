"""A recording that is played again and again."""

import time
from dataclasses import replace

import numpy as np
import pytest

from napari_acll.bench import LoopedSource, PacedSource
from napari_acll.core import RecordingError, Volume, VolumeSpec
from napari_acll.testing import fake_spec, fake_volume


class Held:
    """A recording in memory; `n_reads` counts what was read."""

    is_live = False
    notes = ()

    def __init__(self, n_volumes: int, period_s: float = 0.5) -> None:
        self.indices = range(n_volumes)
        self.spec: VolumeSpec = replace(fake_spec(n_volumes), period_s=period_s)
        self.n_reads = 0
        self.is_closed = False

    def describe(self) -> dict[str, object]:
        return {"kind": "held", "path": "memory"}

    def read(self, index: int) -> Volume:
        self.n_reads += 1
        return fake_volume(index)

    def __iter__(self):
        return (self.read(index) for index in self.indices)

    def close(self) -> None:
        self.is_closed = True


def test_volumes_come_again_with_indices_and_times_that_go_on() -> None:
    held = Held(3)
    volumes = list(LoopedSource(held, 7))
    assert [volume.index for volume in volumes] == list(range(7))
    assert [volume.timestamp_s for volume in volumes] == pytest.approx(np.arange(7) * 0.5)
    np.testing.assert_array_equal(volumes[5].activity, fake_volume(2).activity)
    np.testing.assert_allclose(
        volumes[5].slice_times_s - volumes[5].timestamp_s,
        fake_volume(2).slice_times_s - fake_volume(2).timestamp_s,
    )
    assert held.n_reads == 7  # each is read anew


def test_it_has_as_many_volumes_as_were_asked_for() -> None:
    source = LoopedSource(Held(3), 2)
    assert (source.spec.n_volumes, list(source.indices)) == (2, [0, 1])
    with pytest.raises(IndexError):
        source.read(2)


def test_a_recording_without_a_period_is_played_at_the_usual_one() -> None:
    assert LoopedSource(Held(3, period_s=0.0), 2).spec.period_s == pytest.approx(0.6)


def test_closing_it_closes_the_recording() -> None:
    held = Held(3)
    LoopedSource(held, 2).close()
    assert held.is_closed


def test_an_empty_recording_is_declined() -> None:
    with pytest.raises(RecordingError, match="no volumes"):
        LoopedSource(Held(0), 2)


def test_a_paced_one_gives_no_volume_before_its_time():
    held = Held(2, period_s=0.05)
    began_s = time.perf_counter()
    came_s = [time.perf_counter() - began_s for _ in PacedSource(held, 4)]
    assert all(came >= 0.05 * index for index, came in enumerate(came_s))


def test_closing_a_paced_one_ends_its_waiting():
    source = PacedSource(Held(2, period_s=600.0), 4)
    volumes = iter(source)
    assert next(volumes).index == 0
    source.close()
    assert next(volumes, None) is None
