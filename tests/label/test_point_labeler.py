import os
from dataclasses import replace
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from scipy.spatial import cKDTree

from napari_acll.core import LabelSettings, ModelError, Volume, VolumeSpec, VoxelGrid
from napari_acll.label import PointLabeler, available_models, load_labeler
from napari_acll.simulate import Anatomy, VirtualWorm, WormSettings
from napari_acll.testing import LabelerContract
from napari_acll.training import (
    atlas_of,
    match_nuclei,
    match_to_atlas,
    score_detections,
    simulated_volumes,
    summarize,
)

SETTINGS = LabelSettings(device="cpu")


@cache
def default_labeler():
    return PointLabeler.from_settings(SETTINGS)


@cache
def worm():
    grid = VoxelGrid.as_stored((64, 120, 284), (0.54, 0.54, 0.54))
    return VirtualWorm.sample(77, settings=WormSettings(grid=grid, n_volumes=10))


class TestDefaultModel(LabelerContract):
    def make_labeler(self):
        return default_labeler()

    def make_volume(self, index):
        return worm().render(index)


@pytest.fixture(scope="module")
def scored():
    """Scores of the default model and of atlas matching, on the same detections."""
    anatomy, labeler = Anatomy.load(), default_labeler()
    rows = {"model": [], "atlas": []}
    for rendered in simulated_volumes(anatomy, 5, seed=(424242,)):
        found = labeler.label([rendered.volume])[0].detections
        matched = match_to_atlas(found, rendered, atlas_of(anatomy))
        rows["model"].append(score_detections(found, rendered, labeler.neurons))
        rows["atlas"].append(score_detections(matched, rendered, labeler.neurons))
    return {method: summarize(scores) for method, scores in rows.items()}


def test_half_of_the_neurons_of_unseen_animals_get_their_name(scored):
    assert scored["model"].right >= 0.5


def test_the_model_clearly_beats_matching_positions_to_the_atlas(scored):
    assert scored["model"].right >= scored["atlas"].right + 0.1


def test_sure_names_are_mostly_right(scored):
    assert scored["model"].right_if_confident >= 0.85
    assert scored["model"].share_confident > 0.1


def test_most_nuclei_are_found(scored):
    assert scored["model"].detection_f1 >= 0.85


def test_masks_lie_on_the_true_nuclei():
    labeled = default_labeler().label([worm().render(0)])[0]
    voxel = np.array(labeled.spec.voxel_size_um)
    truth, masks = worm().truth(0), worm().instance_masks(0)
    matched = match_nuclei(
        labeled.detections.centroid_px * voxel, truth.centroid_px * voxel, max_distance_um=1.5
    )
    overlaps = []
    for row in np.flatnonzero(matched >= 0):
        found, true = labeled.instances == row + 1, masks == matched[row] + 1
        overlaps.append((found & true).sum() / max((found | true).sum(), 1))
    assert np.median(overlaps) > 0.4


def resampled(volume, *, bin_z):
    """The same volume as a microscope with thicker slices would take it."""
    marker = volume.marker.reshape(-1, bin_z, *volume.marker.shape[1:]).mean(1).astype(np.uint16)
    z, y, x = volume.spec.voxel_size_um
    grid = VoxelGrid.as_stored(marker.shape, (z * bin_z, y, x))
    return replace(
        volume,
        marker=marker,
        activity=marker,
        spec=VolumeSpec(grid=grid, period_s=0.6),
        slice_times_s=volume.slice_times_s[::bin_z],
    )


def test_thick_slices_are_labeled_and_come_back_on_their_own_voxels():
    volume = resampled(worm().render(0), bin_z=3 if worm().spec.shape[0] % 3 == 0 else 2)
    labeled = default_labeler().label([volume])[0]
    found = labeled.detections
    assert labeled.is_labelable
    assert labeled.instances.shape == volume.marker.shape
    np.testing.assert_array_equal(
        np.bincount(labeled.instances.ravel(), minlength=len(found) + 1)[1:], found.n_voxels
    )
    assert (found.n_voxels > 0).all()
    assert (found.centroid_px <= np.array(volume.marker.shape)).all()


def real_volume(example, frame):
    """A real volume of 16 slices, and where people saw nuclei in it, in um."""
    folder = os.environ.get("ACLL_TEST_DATA")
    if not folder:
        pytest.skip("ACLL_TEST_DATA is not set: no real volumes")
    here = Path(folder) / "volumes" / f"targettrack_{example}"
    marker = np.load(here / f"frame_{frame}.npy")[0].transpose(2, 1, 0)
    points = np.load(here / f"pts_{frame}.npy")[:, ::-1]
    points = points[np.isfinite(points).all(1) & (points != 0).any(1)]
    # The voxel size is not published with the file; this one makes heads of the usual size.
    grid = VoxelGrid.as_stored(marker.shape, (1.5, 0.35, 0.35))
    volume = Volume(
        index=0,
        timestamp_s=0.0,
        marker=np.ascontiguousarray(marker),
        activity=np.ascontiguousarray(marker),
        spec=VolumeSpec(grid=grid, period_s=0.3),
        slice_times_s=np.arange(16) / 60,
    )
    return volume, points * grid.voxel_size_um


@pytest.mark.parametrize("example", ["ex2", "ex3"])
@pytest.mark.parametrize("frame", ["gt", "tar"])
def test_most_nuclei_of_real_moving_worms_are_found(example, frame):
    volume, points_um = real_volume(example, frame)
    labeled = default_labeler().label([volume])[0]
    found = cKDTree(labeled.detections.centroid_px * volume.spec.voxel_size_um)
    near = (found.query(points_um)[0] < 2).mean()
    by_chance = (found.query(points_um + np.array([0, 5, 5]))[0] < 2).mean()
    assert near > 0.6
    assert near > by_chance + 0.4


def test_names_agree_better_in_upright_volumes_than_in_mirrored_ones():
    volumes = [r.volume for r in simulated_volumes(Anatomy.load(), 4, seed=(31, 7))]
    mirrored = [replace(v, marker=v.marker[::-1], activity=v.activity[::-1]) for v in volumes]
    upright, turned = (
        np.mean([labeled.handedness for labeled in default_labeler().label(some)])
        for some in (volumes, mirrored)
    )
    assert upright > 0.3
    assert turned < upright - 1.0


def test_too_few_nuclei_are_flagged_and_not_guessed():
    volume = worm().render(0)
    marker = np.random.default_rng(0).normal(100, 5, volume.marker.shape)
    truth = worm().truth(0)
    for z, y, x in truth.centroid_px[:6].astype(int):
        marker[z - 3 : z + 4, y - 3 : y + 4, x - 3 : x + 4] += 900
    few = replace(volume, marker=marker.clip(0).astype(np.uint16), marker_background=0.0)
    labeled = default_labeler().label([few])[0]
    assert not labeled.is_labelable
    assert "nuclei" in labeled.why_not or "noise" in labeled.why_not
    assert len(labeled.detections) == 0


def test_volumes_that_cannot_be_resampled_are_an_error_before_the_recording_starts():
    grid = VoxelGrid.as_stored((1, 100, 100), (0.54, 0.54, 0.54))
    with pytest.raises(ModelError, match="at least 3 voxels"):
        default_labeler().warm_up(VolumeSpec(grid=grid, period_s=0.6), 1)


def test_the_default_model_is_listed_and_says_that_it_knows_simulated_worms_only():
    listed = {info.name: info for info in available_models()}
    assert listed["default"].kind == "points"
    assert listed["default"].n_neurons > 150
    described = load_labeler(SETTINGS).describe()
    assert "rendered volumes" in described["calibrated_on"]
    assert described["sha256"] == listed["default"].sha256


def test_the_weights_are_small_and_their_card_is_beside_them():
    path = default_labeler()._path
    assert path.stat().st_size < 10_000_000
    assert "simulated" in path.with_suffix(".md").read_text(encoding="utf-8")
