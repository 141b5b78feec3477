import numpy as np
import pytest
import torch
from scipy.stats import multivariate_normal

from napari_acll.core import LabelSettings, VoxelGrid
from napari_acll.label import PointLabeler, _point_namer
from napari_acll.label._point_features import as_fine
from napari_acll.label._point_identifier import _Turn
from napari_acll.label._point_labels import nucleus_table
from napari_acll.label._point_match import match
from napari_acll.simulate import VirtualWorm, WormSettings


@pytest.fixture(scope="module")
def namer_and_nuclei():
    labeler = PointLabeler.from_settings(LabelSettings(device="cpu"))
    grid = VoxelGrid.as_stored((64, 120, 284), (0.54, 0.54, 0.54))
    worm = VirtualWorm.sample(77, settings=WormSettings(grid=grid, n_volumes=1))
    found, _ = labeler.nuclei(worm.render(0))
    return labeler.namer, nucleus_table(found)


@pytest.fixture
def n_passes(monkeypatch):
    """Postures that the network looks at, in each of its passes."""
    counts = []
    run = _point_namer.NucleusNamer._run

    def counted(self, places_um, features):
        counts.append(len(places_um))
        return run(self, places_um, features)

    monkeypatch.setattr(_point_namer.NucleusNamer, "_run", counted)
    return counts


def test_a_posture_that_fits_best_by_far_is_looked_at_alone(namer_and_nuclei, n_passes):
    namer, nuclei = namer_and_nuclei
    namer.look(nuclei)
    assert n_passes == [1, 1, 1]


def test_the_names_are_those_of_a_look_at_all_postures(namer_and_nuclei, n_passes, monkeypatch):
    namer, nuclei = namer_and_nuclei
    alone = namer.look(nuclei)
    n_passes.clear()
    monkeypatch.setattr(_point_namer, "_CLEAR_LEAD", np.inf)
    monkeypatch.setattr(_point_namer, "_CLEAR_AGREEMENT", np.inf)
    among_all = namer.look(nuclei)
    assert sum(n_passes) > 8
    np.testing.assert_allclose(among_all.chance, alone.chance, atol=1e-4)


def test_a_posture_of_which_no_name_is_sure_does_not_end_the_search(
    namer_and_nuclei, n_passes, monkeypatch
):
    namer, nuclei = namer_and_nuclei
    monkeypatch.setattr(_point_namer, "_CLEAR_AGREEMENT", 1.0)
    namer.look(nuclei)
    assert n_passes[0] == 1
    assert sum(n_passes[:-2]) > 3
    assert n_passes[-2:] == [3, 1]


def test_torch_has_its_threads_back_after_naming(namer_and_nuclei):
    namer, nuclei = namer_and_nuclei
    n_threads = torch.get_num_threads()
    namer.look(nuclei)
    assert torch.get_num_threads() == n_threads


def test_features_in_the_atlas_differ_in_nothing_else(namer_and_nuclei):
    _, nuclei = namer_and_nuclei
    coarse = nuclei.features(is_fine=False)
    np.testing.assert_array_equal(as_fine(coarse), nuclei.features(is_fine=True))
    assert not coarse[:, -1].any()


def test_points_are_matched_by_gaussian_densities():
    rng = np.random.default_rng(3)
    mean_um, moved = rng.normal(0, 12, (60, 3)), rng.normal(0, 12, (2, 40, 3))
    moved[1, 0] = 400.0  # so far away that no density is left
    sd_um, clutter = 3.0, 1e-3
    density = np.stack(
        [multivariate_normal(mean, sd_um**2).pdf(moved) for mean in mean_um], axis=-1
    )
    total = density.sum(-1) + clutter
    weight, target, fit = match(moved, mean_um, sd_um)
    np.testing.assert_allclose(weight, density.sum(-1) / total, rtol=1e-4, atol=1e-30)
    np.testing.assert_allclose(fit, np.log(total).mean(1), rtol=1e-5)
    is_near = weight > 1e-6
    near = density[is_near]
    expected = near @ mean_um / near.sum(-1, keepdims=True)
    np.testing.assert_allclose(target[is_near], expected, rtol=1e-3, atol=1e-3)
    assert np.isfinite(target).all()


def test_pairs_of_numbers_turn_as_complex_numbers_do():
    torch.manual_seed(0)
    vectors, angle = torch.randn(2, 5, 3, 8), torch.randn(2, 5, 4) * 4
    turned = _Turn(angle).apply(vectors)
    pairs = torch.complex(vectors[..., :4], vectors[..., 4:])
    expected = pairs * torch.exp(1j * angle)[:, :, None]
    torch.testing.assert_close(turned[..., :4], expected.real)
    torch.testing.assert_close(turned[..., 4:], expected.imag)
