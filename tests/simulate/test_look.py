"""What a rig and a strain may do to the image beyond nuclei that are even balls."""

from dataclasses import replace

import numpy as np
import pytest
from tests.simulate.virtual_worms import dark_optics, lone_nuclei, still_settings

from napari_acll.core import VoxelGrid
from napari_acll.simulate import (
    Anatomy,
    CameraSettings,
    DefectSettings,
    HeadSettings,
    MotionSettings,
    TissueSettings,
    VirtualWorm,
    WormSettings,
)

FINE = VoxelGrid.as_stored((40, 60, 60), (0.25, 0.25, 0.25))
WIDE = VoxelGrid.as_stored((30, 80, 120), (1.0, 1.0, 1.0))
SILENT = {"read_noise_counts": 0.0, "counts_per_photon": 0.0}
SHARP = {"psf_um": (0.05, 0.05, 0.05), "marker_counts": 5000.0, **SILENT}


def counts(shape=None, *, optics=None, seed: int = 1, **changes: object) -> np.ndarray:
    """Counts above the offset of a volume without noise."""
    settings = still_settings(optics=dark_optics(**(optics or SILENT)), **changes)
    animal = shape or lone_nuclei((0.0, 0.0, 0.0))
    return VirtualWorm(animal, settings, seed=seed).render(0).marker.astype(float) - 100


def test_a_nucleolus_is_a_dark_place_inside_of_a_nucleus() -> None:
    even = counts(optics=SHARP, grid=FINE)
    hollow = counts(optics=SHARP, grid=FINE, tissue=TissueSettings(nucleolus=0.8))
    inside = even > 0.95 * even.max()
    relative = hollow[inside] / even[inside]
    assert np.std(even[inside]) < 0.02 * even.max()
    assert relative.min() < 0.65
    assert np.quantile(relative, 0.9) > 0.9


def test_a_rim_is_brighter_than_the_middle() -> None:
    rimmed = counts(optics=SHARP, grid=FINE, tissue=TissueSettings(rim=0.8))
    even = counts(optics=SHARP, grid=FINE)
    z, y, x = np.indices(even.shape) - np.array([19.5, 29.5, 29.5])[:, None, None, None]
    distance_um = 0.25 * np.sqrt(z**2 + y**2 + x**2)
    ratio = rimmed / np.maximum(even, 1e-9)
    middle, border = distance_um < 0.5, (distance_um > 1.4) & (distance_um < 1.6)
    assert np.median(ratio[border]) > 1.15 * np.median(ratio[middle])


def test_grain_spreads_the_light_within_a_nucleus_and_differs_between_nuclei() -> None:
    two = lone_nuclei((0.0, 0.0, -4.0), (0.0, 0.0, 4.0))
    grainy = counts(two, optics=SHARP, grid=FINE, tissue=TissueSettings(grain=0.3))
    even = counts(two, optics=SHARP, grid=FINE)
    inside = even > 0.95 * even.max()
    assert 0.1 < np.std(grainy[inside] / even[inside]) < 0.6
    one, other = grainy[:, :, 6:22], grainy[:, :, 38:54]
    assert np.abs(one - other).max() > 0.2 * even.max()


def test_a_low_sharpness_makes_a_nucleus_fall_off_slowly() -> None:
    def width_of_the_edge(sharpness: float) -> int:
        line = counts(optics=SHARP, grid=FINE, tissue=TissueSettings(sharpness=sharpness))[20, 30]
        top = line.max()
        return int(((line > 0.2 * top) & (line < 0.8 * top)).sum())

    assert width_of_the_edge(2.5) > 2 * width_of_the_edge(8.0)


@pytest.mark.parametrize(
    ("structure", "where_um"),
    [("gut_counts", (42, 60)), ("pharynx_counts", (-40, 40)), ("cuticle_counts", (-58, 58))],
)
def test_a_structure_glows_where_it_lies_in_a_worm(
    structure: str, where_um: tuple[float, float]
) -> None:
    far = lone_nuclei((0.0, 0.0, 500.0))
    image = counts(far, grid=WIDE, tissue=TissueSettings(**{structure: 100.0}))
    x_um = np.arange(120) - 59.5
    light = image.max(axis=(0, 1))
    inside = (x_um > where_um[0] + 3) & (x_um < where_um[1] - 3)
    assert light[inside].min() > 5.0
    if where_um[0] > -40:
        assert light[x_um < where_um[0] - 10].max() < 2.0


def test_the_cuticle_is_a_shell() -> None:
    far = lone_nuclei((0.0, 0.0, 500.0))
    image = counts(far, grid=WIDE, tissue=TissueSettings(cuticle_counts=100.0))
    section = image[:, :, 100]
    assert section[:, 39:41].max(axis=1)[14:16].max() < 0.2 * section.max()


def test_what_lies_deep_is_dimmer_and_more_blurred() -> None:
    column = lone_nuclei((-12.0, 0.0, 0.0), (12.0, 0.0, 0.0))
    flat = counts(column)
    dim = counts(column, optics={**SILENT, "attenuation_per_um": 0.03})
    light = [part.sum() for part in (dim[:20], dim[20:])]
    assert light[1] / light[0] == pytest.approx(
        np.exp(-0.03 * 24) * flat[20:].sum() / flat[:20].sum(), rel=0.05
    )
    blurred = counts(column, optics={**SILENT, "blur_per_um": 0.03})
    assert blurred[:20].max() > 1.05 * flat[:20].max()
    assert blurred[20:].max() < 0.95 * flat[20:].max()
    assert blurred[20:].sum() == pytest.approx(flat[20:].sum(), rel=0.05)


def test_the_corners_of_the_field_are_darker() -> None:
    optics = {**SILENT, "background_counts": 1000.0, "vignetting": 0.4}
    image = counts(lone_nuclei((0.0, 0.0, 500.0)), optics=optics)
    middle = image[10, 30, 40]
    assert middle == image.max()
    assert image[10, 0, 0] == pytest.approx(0.6 * middle, rel=0.001)
    assert image[10, 0, 40] == pytest.approx(0.8 * middle, rel=0.001)


def test_a_halo_moves_light_from_a_nucleus_to_its_surroundings() -> None:
    plain, spread = counts(), counts(optics={**SILENT, "halo": 0.3})
    assert spread.max() < 0.85 * plain.max()
    at_4_um = (slice(18, 22), slice(28, 32), 44)
    assert spread[at_4_um].mean() > plain[at_4_um].mean() + 1.0


def test_gamma_gain_and_the_cut_follow_their_formula() -> None:
    plain = counts() + 100
    shown = counts(camera=CameraSettings(gamma=0.8, gain=0.5)) + 100
    assert shown == pytest.approx(0.5 * 600 * (plain / 600) ** 0.8, abs=1.0)
    eight_bit = counts(camera=CameraSettings(gain=0.2, most_counts=30.0)) + 100
    assert eight_bit == pytest.approx(np.minimum(0.2 * plain, 30.0), abs=0.51)


def test_hot_pixels_shine_in_every_slice_and_rows_differ_by_their_noise() -> None:
    far = lone_nuclei((0.0, 0.0, 500.0))
    hot = counts(far, camera=CameraSettings(hot_pixels=0.01))
    bright = hot > 20
    assert 10 < bright[0].sum() < 100
    assert (bright == bright[0]).all()
    rows = counts(far, camera=CameraSettings(row_noise_counts=5.0))
    assert rows.mean(axis=2).std() == pytest.approx(5.0, rel=0.1)
    assert np.ptp(rows, axis=2).max() == 0


def test_three_times_the_speed_is_three_times_the_shear() -> None:
    moving = replace(MotionSettings.still(), jitter_um=2.0, jitter_hz=0.2, curvature_per_um=0.001)
    animal = lone_nuclei((0.0, 0.0, 0.0))

    def step_um(speed: float) -> np.ndarray:
        worms = [
            VirtualWorm(animal, still_settings(motion=replace(moving, speed=speed)), seed=seed)
            for seed in range(8)
        ]
        return np.array([np.diff(worm.truth(0).slice_offset_um, axis=0)[0] for worm in worms])

    assert step_um(3.0) == pytest.approx(3.0 * step_um(1.0), rel=0.1, abs=1e-3)


def test_random_rigs_differ_and_the_same_draw_is_the_same(anatomy: Anatomy) -> None:
    def settings(seed: int) -> WormSettings:
        return WormSettings.sample(np.random.default_rng(seed))

    assert settings(3) == settings(3)
    drawn = [settings(seed) for seed in range(60)]
    assert len({rig.grid.shape for rig in drawn}) > 40
    for what in ("tissue", "camera", "defects"):
        usual = getattr(WormSettings(), what)
        share = np.mean([getattr(rig, what) == usual for rig in drawn])
        assert share < 0.7
    for seed in range(3):
        rng = np.random.default_rng(seed)
        head = HeadSettings.sample(rng)
        worm = VirtualWorm(anatomy.sample(rng, head=head), settings(seed), seed=seed)
        marker = worm.render(0).marker
        masks = worm.instance_masks(0)
        assert marker[masks > 0].mean() > 1.05 * marker[masks == 0].mean()


def test_in_a_single_volume_something_goes_wrong_now_and_then() -> None:
    animal = lone_nuclei((0.0, 0.0, 0.0))
    kinds: dict[str, int] = {}
    for seed in range(150):
        rig = WormSettings.sample(np.random.default_rng(seed))
        defects = VirtualWorm(animal, rig, seed=seed).defects(0)
        for kind in ("missing_z", "blurred_z", "saturated_z", "repeated_z", "bubble_px"):
            kinds[kind] = kinds.get(kind, 0) + bool(getattr(defects, kind))
    assert all(kinds[kind] > 0 for kind in kinds)
    assert all(n < 0.2 * 150 for n in kinds.values())


def test_a_stage_jump_can_fall_within_a_volume() -> None:
    settings = still_settings(n_volumes=1, defects=DefectSettings(stage_jumps_per_min=100.0))
    steps = [
        np.abs(
            np.diff(
                VirtualWorm(lone_nuclei((0.0, 0.0, 0.0)), settings, seed=seed)
                .truth(0)
                .slice_offset_um,
                axis=0,
            )
        ).max()
        for seed in range(12)
    ]
    assert max(steps) > 3.0
    assert min(steps) == 0.0
