import numpy as np

from napari_acll.simulate import Anatomy, sample_points
from napari_acll.training._animals import home_of
from napari_acll.training._crops import CropSampler, center_map
from napari_acll.training._point_batches import (
    IGNORED,
    DetectorErrors,
    PointBatch,
    detect_points,
    training_places,
)

ANATOMY = Anatomy.load()
ATLAS = home_of(ANATOMY)


def detections(rng):
    return detect_points(sample_points(ANATOMY, rng), DetectorErrors.sample(rng), rng)


def test_a_perfect_detector_finds_every_nucleus_where_it_is():
    points = sample_points(ANATOMY, np.random.default_rng(0))
    perfect = DetectorErrors(recall=1 - 1e-12, clutter=0.0, jitter_um=0.0)
    found = detect_points(points, perfect, np.random.default_rng(1))
    assert len(found.neuron) > 0.9 * len(points.neuron)
    is_same = (found.nuclei.position_um[:, None] == points.position_um).all(-1)
    assert (is_same.sum(1) == 1).all()
    np.testing.assert_array_equal(found.neuron, points.true_neuron[is_same.argmax(1)] + 1)


def test_a_poor_detector_misses_and_invents():
    points = sample_points(ANATOMY, np.random.default_rng(0))
    poor = DetectorErrors(recall=0.7, clutter=0.3, jitter_um=0.5)
    found = detect_points(points, poor, np.random.default_rng(1))
    n_true = (found.neuron > 0).sum()
    assert n_true < 0.9 * (points.true_neuron >= 0).sum()
    assert (found.neuron == 0).sum() > 20


def test_nuclei_are_placed_near_their_home_in_the_atlas():
    rng = np.random.default_rng(2)
    errors = {False: [], True: []}
    for _ in range(12):
        sample = detections(rng)
        named = sample.neuron > 0
        home = ATLAS.mean_um[sample.neuron[named] - 1]
        for is_fine, listed in errors.items():
            placed = training_places(sample, ATLAS, rng, is_fine=is_fine)[named]
            listed.append(np.median(np.linalg.norm(placed - home, axis=1)))
    assert np.median(errors[True]) < np.median(errors[False]) < 8.0


def test_a_batch_is_filled_up_with_rows_that_are_ignored():
    rng = np.random.default_rng(3)
    samples = [detections(rng) for _ in range(3)]
    batch = PointBatch.of(samples, ATLAS, rng)
    sizes = [len(sample.neuron) for sample in samples]
    assert batch.position_um.shape == (3, max(sizes), 3)
    assert ((batch.neuron != IGNORED).sum(1).numpy() == sizes).all()


def test_crops_are_the_same_for_the_same_seed_and_differ_for_another():
    crops = [
        CropSampler(ANATOMY, shape_px=(16, 24, 32), n_per_volume=3, seed=seed).batch(2, step=0)
        for seed in (1, 1, 2)
    ]
    assert crops[0][0].shape == (2, 1, 32, 24, 16)
    assert crops[0][1].shape == (2, 2, 32, 24, 16)
    assert (crops[0][0] == crops[1][0]).all()
    assert not (crops[0][0] == crops[2][0]).all()


def test_centers_lie_inside_the_foreground_and_shine():
    images, targets = CropSampler(ANATOMY, shape_px=(32, 48, 64), n_per_volume=2, seed=4).batch(
        2, step=0
    )
    center, foreground = targets[:, 0], targets[:, 1]
    at_centers = center > 0.9
    assert at_centers.any()
    assert foreground[at_centers].mean() > 0.95
    assert images[:, 0][at_centers].mean() > images[:, 0][foreground == 0].mean() + 0.2


def test_a_bump_has_its_height_at_the_center_and_stays_in_the_volume():
    volume = center_map(np.array([[0.0, 5.0, 5.0], [20.0, 5.0, 5.0]]), (8, 11, 11))
    assert volume[0, 5, 5] == 1.0
    assert volume.max() == 1.0
    assert 0 < volume[1, 5, 5] < 1
