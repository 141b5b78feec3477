"""Masks and regions: closed forms, and the files of the Neurofinder benchmark."""

import json
import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from tests.evaluation.made_up import PLACES, SHAPE, all_right

from napari_acll.core import RecordingError, VoxelGrid
from napari_acll.evaluation import evaluate_session, overlap_masks, score_masks, score_rois

UNIT = (1.0, 1.0, 1.0)


def box(masks, number, start, size):
    z, y, x = start
    masks[z : z + size[0], y : y + size[1], x : x + size[2]] = number


class Series:
    """Masks in memory."""

    def __init__(self, maps):
        self._maps = maps

    @property
    def volumes(self):
        return sorted(self._maps)

    def read(self, volume):
        return self._maps[volume]


def test_the_measures_are_those_of_the_neurofinder_benchmark():
    data = os.environ.get("ACLL_TEST_DATA")
    if not data:
        pytest.skip("ACLL_TEST_DATA does not say where the benchmark's toy regions are")
    folder = Path(data) / "neurofinder"
    true, found = (
        [region["coordinates"] for region in json.loads(file.read_text("utf-8"))]
        for file in (folder / "neurofinder-python_a.json", folder / "neurofinder-python_b.json")
    )
    score = score_rois(true, found, max_distance_px=5)
    assert score.recall == 0.75
    assert score.precision == 1.0
    assert round(score.combined, 4) == 0.8571
    assert round(score.inclusion, 4) == 0.8333
    assert round(score.exclusion, 2) == 0.85


def test_regions_too_far_apart_are_no_pair():
    region = [[0, 0], [0, 1]]
    moved = [[6, 0], [6, 1]]
    assert score_rois([region], [moved], max_distance_px=5).recall == 0
    assert score_rois([region], [moved], max_distance_px=7).recall == 1


def test_half_of_a_box_overlaps_by_a_half():
    true, found = np.zeros((8, 20, 20), np.uint16), np.zeros((8, 20, 20), np.uint8)
    box(true, 300, (0, 0, 0), (4, 4, 4))
    box(found, 7, (0, 0, 0), (4, 4, 2))
    box(true, 5, (0, 10, 10), (2, 2, 2))  # is not found
    box(found, 1, (5, 15, 0), (2, 2, 2))  # is nothing
    overlap = overlap_masks(found, true, voxel_size_um=UNIT)
    assert overlap.true.tolist() == [300]
    assert overlap.overlap.tolist() == [0.5]
    assert (overlap.inclusion.tolist(), overlap.exclusion.tolist()) == ([0.5], [1.0])
    score = score_masks([overlap])
    assert score.average_precision == 0  # 0.5 is not above 0.5
    assert (score.neurofinder.recall, score.neurofinder.precision) == (0.5, 0.5)


def test_average_precision_counts_good_false_and_missed_masks():
    true, found = np.zeros((2, 20, 40), int), np.zeros((2, 20, 40), int)
    for number in range(1, 5):
        box(true, number, (0, 0, 8 * number), (2, 4, 4))
    for number in range(1, 4):
        box(found, number, (0, 0, 8 * number), (2, 4, 3))
    box(found, 9, (0, 10, 0), (2, 4, 4))
    score = score_masks([overlap_masks(found, true, voxel_size_um=UNIT)])
    assert score.average_precision == pytest.approx(3 / (3 + 1 + 1))
    assert score.mean_overlap == pytest.approx(0.75)


def test_masks_that_touch_but_lie_elsewhere_are_no_pair():
    true, found = np.zeros((2, 2, 30), int), np.zeros((2, 2, 30), int)
    box(true, 1, (0, 0, 0), (2, 2, 10))
    box(found, 1, (0, 0, 9), (2, 2, 10))
    assert len(overlap_masks(found, true, voxel_size_um=UNIT).overlap) == 0
    assert len(overlap_masks(found, true, voxel_size_um=(1, 1, 0.1)).overlap) == 1


def test_no_masks_overlap_nothing():
    empty = np.zeros((2, 3, 4), int)
    overlap = overlap_masks(empty, empty, voxel_size_um=UNIT)
    assert (overlap.n_found, overlap.n_true) == (0, 0)
    with pytest.raises(ValueError, match="one shape"):
        overlap_masks(empty, empty[:1], voxel_size_um=UNIT)


def with_masks(shape=SHAPE, n_named=5):
    said, known = all_right()
    true, found = np.zeros(SHAPE, np.uint16), np.zeros(SHAPE, np.uint8)
    for number, (z, y, x) in enumerate(PLACES.values(), start=1):
        box(true, number, (z - 1, y - 1, x - 1), (3, 3, 3))
        if number <= n_named:
            box(found, number, (z - 1, y - 1, x - 1), (3, 3, 3))
    box(true, 17, (0, 40, 30), (3, 3, 3))  # a nucleus that nobody asks for
    true = true[tuple(slice(0, n) for n in shape)]
    known = replace(known, instance=np.arange(1, 6), masks=Series({0: true}))
    return replace(said, masks=Series({0: found})), known


def test_a_session_is_not_blamed_for_masks_of_nuclei_that_nobody_lists():
    score = evaluate_session(*with_masks()).masks
    assert score.n_volumes == 1
    assert (score.mean_overlap, score.average_precision) == (1, 1)
    missing = evaluate_session(*with_masks(n_named=4)).masks
    assert missing.average_precision == 0.8
    assert missing.neurofinder.recall == 0.8


def test_masks_as_stored_are_compared_on_what_was_labeled():
    said, known = with_masks()
    stored = np.kron(known.masks.read(0), np.ones((1, 3, 3), np.uint16))
    grid = VoxelGrid(
        shape=SHAPE,
        voxel_size_um=UNIT,
        stored_shape=stored.shape,
        bin_px=(1, 3, 3),
    )
    binned = replace(said, grid=grid, voxel_size_um=(1.0, 1 / 3, 1 / 3))
    known = replace(
        known,
        masks=Series({0: stored}),
        position=known.position * (1, 3, 3) + (0, 1, 1),
    )
    binned = replace(binned, position_um=known.position * binned.voxel_size_um)
    assert evaluate_session(binned, known).masks.mean_overlap == 1


def test_masks_of_another_shape_are_refused():
    with pytest.raises(RecordingError, match="shape"):
        evaluate_session(*with_masks(shape=(12, 60, 50)))
