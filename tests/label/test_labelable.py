"""Volumes that cannot be labeled are flagged, odd ones warned of, ordinary ones neither."""

from dataclasses import replace
from functools import cache

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from napari_acll.core import NOVELTY_LIMIT, LabelSettings, VoxelGrid
from napari_acll.label import PointLabeler
from napari_acll.simulate import VirtualWorm, WormSettings


@cache
def labeler():
    return PointLabeler.from_settings(LabelSettings(device="cpu"))


@cache
def volume():
    grid = VoxelGrid.as_stored((64, 120, 284), (0.54, 0.54, 0.54))
    return VirtualWorm.sample(78, settings=WormSettings(grid=grid, n_volumes=3)).render(0)


def label(marker=None, **changes):
    changed = replace(volume(), **changes)
    if marker is not None:
        changed = replace(changed, marker=np.clip(marker, 0, 65535).astype(np.uint16))
    return labeler().label([changed])[0]


def test_an_ordinary_volume_is_labeled_and_not_warned_of():
    labeled = label()
    assert labeled.is_labelable
    assert labeled.novelty < NOVELTY_LIMIT
    assert labeled.why_novel == ""


def test_probabilities_and_candidates_agree():
    found = label().detections
    named = np.flatnonzero(found.neuron > 0)
    for row in named[:40]:
        column = np.flatnonzero(found.candidate_neuron[row] == found.neuron[row])
        if len(column):
            kept = found.candidate_probability[row, column[0]]
            assert kept == pytest.approx(found.probability[row], abs=1e-6)
    order = np.diff(np.nan_to_num(found.candidate_probability), axis=1)
    assert (order <= 1e-6).all()


def blurred():
    return gaussian_filter(volume().marker.astype(np.float32), 4.0)


def saturated():
    return np.minimum(volume().marker, np.median(volume().marker) + 20)


def empty():
    return np.random.default_rng(0).normal(120, 10, volume().marker.shape)


def mostly_out_of_the_field():
    marker = volume().marker.copy()
    bright = np.flatnonzero(marker.max((0, 1)) > np.median(marker) + 100)
    marker[:, :, bright[len(bright) // 5] :] = np.median(marker)
    return marker


@pytest.mark.parametrize(
    ("spoil", "reason"),
    [
        (blurred, "out of focus"),
        (saturated, "saturated"),
        (empty, "noise"),
        (mostly_out_of_the_field, "nuclei"),
    ],
)
def test_what_cannot_be_labeled_gets_no_names_but_a_reason(spoil, reason):
    labeled = label(spoil())
    assert not labeled.is_labelable
    assert reason in labeled.why_not
    assert not (labeled.detections.neuron > 0).any()
    assert labeled.novelty >= NOVELTY_LIMIT


@pytest.mark.parametrize("factor", [1.5, 1 / 1.5])
def test_a_wrong_voxel_size_is_warned_of(factor):
    spec = volume().spec
    size = tuple(factor * part for part in spec.voxel_size_um)
    labeled = label(spec=spec.with_grid(VoxelGrid.as_stored(spec.shape, size)))
    assert labeled.novelty >= NOVELTY_LIMIT
    assert labeled.why_novel
