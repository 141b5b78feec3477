"""A tape holds all that estimators look at."""

from dataclasses import fields

import numpy as np
import pytest
from trace_tape import alignment_of, film, n_filmed, play

from napari_acll.core import (
    LabelSettings,
    PreprocessSettings,
    TraceSample,
    TraceSettings,
    VoxelGrid,
)
from napari_acll.label import load_labeler
from napari_acll.preprocess import Preprocessor
from napari_acll.simulate import Anatomy, VirtualWorm, WormSettings
from napari_acll.trace import EngineTraceEstimator, NaiveTraceEstimator

SEED = 5
SETTINGS = WormSettings(n_volumes=4, grid=VoxelGrid.as_stored((64, 120, 284), (0.54, 0.54, 0.54)))


@pytest.fixture(scope="module")
def filmed(tmp_path_factory):
    shape = Anatomy.load().sample(np.random.default_rng(SEED))
    folder = tmp_path_factory.mktemp("tape")
    film(shape, SEED, SETTINGS, folder)
    return shape, folder


@pytest.mark.parametrize("estimator", [EngineTraceEstimator, NaiveTraceEstimator])
def test_a_volume_of_a_tape_is_traced_as_the_whole_one(filmed, estimator):
    shape, folder = filmed
    neurons = load_labeler(LabelSettings(device="cpu")).neurons
    worm, alignment = VirtualWorm(shape, SETTINGS, seed=SEED), alignment_of(folder)
    preprocessor = Preprocessor(worm.spec, PreprocessSettings())
    of_tape, of_all = (estimator(neurons, TraceSettings()) for _ in range(2))
    for one in play(folder):
        whole = preprocessor.apply(worm.render(one.volume.index))
        assert (one.volume.marker != whole.marker).mean() > 0.5  # the tape is not the volume
        a = of_tape.estimate(one.volume, one.own, alignment)
        b = of_all.estimate(whole, one.own, alignment)
        assert np.isfinite(a.ratio).sum() > 40
        for field in fields(TraceSample):
            np.testing.assert_array_equal(getattr(a, field.name), getattr(b, field.name))


def test_a_tape_that_was_stopped_goes_on(filmed):
    shape, folder = filmed
    before = list(play(folder))
    lost = folder / "00002.npz"
    lost.unlink()
    kept = {file.name: file.stat().st_mtime_ns for file in folder.glob("*.npz")}
    film(shape, SEED, SETTINGS, folder)
    assert n_filmed(folder) == len(before) == SETTINGS.n_volumes
    assert {name: (folder / name).stat().st_mtime_ns for name in kept} == kept
    again = list(play(folder))[2]
    np.testing.assert_array_equal(again.volume.marker, before[2].volume.marker)
    np.testing.assert_array_equal(again.oracle_ratio, before[2].oracle_ratio)


def test_true_names_are_those_of_the_nuclei_that_are_there(filmed):
    _, folder = filmed
    for one in play(folder):
        true = one.named_by_truth().detections.neuron
        named = true[true > 0]
        assert len(named) > 40
        assert len(set(named.tolist())) == len(named)
        assert set(named.tolist()) <= set(one.number[one.number > 0].tolist())
