from types import SimpleNamespace

import numpy as np
import pytest

from napari_acll.simulate import Anatomy
from napari_acll.training._crops import on_grid
from napari_acll.training._painted import PaintedVolume
from napari_acll.training._thresholds import choose_thresholds, threshold_volumes

SHAPE = (12, 40, 44)
CENTERS = np.array([[6.0, 8.0, 8.0], [6.0, 8.0, 30.0], [6.0, 30.0, 20.0]])


def volume(shape=SHAPE, voxel_um=(0.54, 0.54, 0.54)):
    masks = np.zeros(SHAPE, np.uint16)
    for row, (z, y, x) in enumerate(CENTERS.astype(int)):
        masks[z - 2 : z + 3, y - 2 : y + 3, x - 2 : x + 3] = row + 1
    marker = np.full(shape, 100, np.uint16)
    return PaintedVolume(marker=marker, voxel_size_um=voxel_um, centroid_px=CENTERS, masks=masks)


class KnowingFinder:
    """Finds the nuclei at height 0.4 and clutter at 0.2; is 0.36 sure of their voxels."""

    def find(self, prepared):
        clutter = np.array([[6.0, 20.0, 40.0]])
        position = np.concatenate([CENTERS, clutter]) * prepared.voxel_size_um
        return SimpleNamespace(position_um=position, height=np.array([0.4, 0.4, 0.4, 0.2]))

    def logits(self, image):
        around = np.zeros(image.shape, bool)
        for z, y, x in CENTERS.astype(int):
            around[z - 3 : z + 4, y - 3 : y + 4, x - 3 : x + 4] = True
        probability = np.where(volume().masks > 0, 0.36, np.where(around, 0.27, 0.02))
        return None, np.log(probability / (1 - probability))


def test_thresholds_part_nuclei_from_clutter_and_masks_from_what_is_around_them():
    chosen = choose_thresholds(KnowingFinder(), [volume(), volume()])
    assert 0.2 < chosen.peak <= 0.4
    assert 0.27 < chosen.foreground <= 0.36


def test_thresholds_are_chosen_on_three_kinds_of_volumes():
    drawn = list(threshold_volumes(Anatomy.load(), 3, seed=(1, 2)))
    assert drawn[0].marker.shape == (80, 210, 322)
    assert len({each.voxel_size_um for each in drawn}) == 3
    for each in drawn:
        assert len(each.centroid_px) > 20


@pytest.mark.parametrize("factor", [2, 3])
def test_truth_comes_to_a_finer_grid(factor):
    shape = tuple(factor * n for n in SHAPE)
    centroid_px, masks = on_grid(volume(), shape)
    assert masks.shape == shape
    for row, center in enumerate(centroid_px):
        inside = np.argwhere(masks == row + 1)
        np.testing.assert_allclose(inside.mean(0), center, atol=1e-6)
        assert len(inside) == (5 * factor) ** 3


def test_truth_on_the_same_grid_stays_as_it_is():
    centroid_px, masks = on_grid(volume(), SHAPE)
    np.testing.assert_array_equal(centroid_px, CENTERS)
    np.testing.assert_array_equal(masks, volume().masks)
