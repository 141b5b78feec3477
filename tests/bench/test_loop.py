"""A whole session that is measured, with stages that take no time."""

import pytest
from tests.bench.test_looped_source import Held

from napari_acll.bench import LoopedSource, PacedSource
from napari_acll.bench._loop import run_loop
from napari_acll.core import AcllSettings, RecordingError
from napari_acll.testing import FakeLabeler

N_VOLUMES = 8
SETTINGS = AcllSettings()


def test_at_the_pace_of_the_recording_a_volume_waits_for_no_other():
    source = PacedSource(Held(3, period_s=0.05), N_VOLUMES)
    done = []
    run = run_loop(source, FakeLabeler(), SETTINGS, progress=done.append)
    assert run.n_traced == N_VOLUMES
    assert run.end_to_end.n == N_VOLUMES - 2  # the first two do not count
    assert run.per_s < 1 / 0.05 * N_VOLUMES / (N_VOLUMES - 1)  # no faster than they came
    assert run.end_to_end.max < 1e3 * N_VOLUMES / run.per_s  # what was waited for is no delay
    assert done == list(range(1, N_VOLUMES + 1))


def test_as_fast_as_possible_the_period_does_not_matter():
    source = LoopedSource(Held(3, period_s=600.0), N_VOLUMES)
    run = run_loop(source, FakeLabeler(), SETTINGS)
    assert run.n_traced == N_VOLUMES
    assert run.per_s > 1 / 600


def test_a_recording_in_which_nothing_can_be_labeled_cannot_be_measured():
    source = LoopedSource(Held(3, period_s=0.05), N_VOLUMES)
    unfit = FakeLabeler(unfit=range(N_VOLUMES))
    with pytest.raises(RecordingError, match="Only 0 of 8 volumes"):
        run_loop(source, unfit, SETTINGS)
