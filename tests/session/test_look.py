"""What a look measures, against volumes whose answers are known."""

from types import SimpleNamespace

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from napari_acll.core import (
    AcllSettings,
    Backfill,
    Detections,
    LabeledVolume,
    Light,
    PublishMode,
    SourceSettings,
    Volume,
    VolumeSpec,
    VoxelGrid,
)
from napari_acll.preprocess import Preprocessor
from napari_acll.session import LookMeter, build_session, settings_to_look
from napari_acll.session._look import BORDER_UM, cut_shares
from napari_acll.simulate import SimulatedSource
from napari_acll.testing import FakeLabeler, FakeSource

GRID = VoxelGrid.as_stored((40, 60, 80), (1.0, 0.5, 0.5))
SPEC = VolumeSpec(grid=GRID, period_s=0.6)


@pytest.fixture(scope="module")
def worm():
    """One volume of the virtual worm on the grid of the model."""
    source = SimulatedSource.from_recording("simulated:volumes=1,seed=3", SourceSettings())
    return Preprocessor(source.spec, AcllSettings().preprocess).apply(source.read(0))


def detections_at(*centers, named=0):
    n = len(centers)
    neuron = np.where(np.arange(n) < named, np.arange(1, n + 1), 0).astype(np.int32)
    return Detections(
        centroid_px=np.array(centers, np.float32).reshape(-1, 3),
        n_voxels=np.ones(n, np.int32),
        neuron=neuron,
        probability=np.zeros(n, np.float32),
        candidate_neuron=np.full((n, 5), -1, np.int32),
        candidate_probability=np.full((n, 5), np.nan, np.float32),
    )


def newest(volume, detections=None, why_not=""):
    labeled = LabeledVolume(
        index=volume.index,
        spec=volume.spec,
        instances=np.zeros(volume.spec.shape, np.uint16),
        detections=detections or Detections.none(),
        is_labelable=not why_not,
        why_not=why_not,
    )
    return SimpleNamespace(volume=volume, labeled=labeled)


def changed(volume, marker, index):
    return Volume(
        index=index,
        timestamp_s=0.0,
        marker=marker,
        activity=marker,
        spec=volume.spec,
        slice_times_s=volume.slice_times_s,
        marker_background=volume.marker_background,
    )


def lights(measures):
    return {check.name: check.light for check in measures.checks()}


def test_a_blurred_picture_is_less_sharp_and_the_best_is_remembered(worm):
    meter = LookMeter()
    sharp = meter.look(newest(worm))
    blurred = gaussian_filter(worm.marker.astype(np.float32), 4).astype(np.uint16)
    soft = meter.look(newest(changed(worm, blurred, index=1)))
    assert soft.sharpness < 0.5 * sharp.sharpness
    assert soft.best_sharpness == sharp.sharpness
    assert lights(sharp)["Focus"] is Light.GREEN
    assert lights(soft)["Focus"] is not Light.GREEN


@pytest.mark.parametrize("percentile", [99.9, 99.0])
def test_the_saturated_share_is_the_part_of_the_bright_voxels_that_was_cut_off(worm, percentile):
    top = int(np.percentile(worm.marker, percentile))
    cut = changed(worm, np.minimum(worm.marker, top).astype(np.uint16), index=1)
    share = LookMeter().look(newest(cut)).saturated_share
    n_bright = 700 / np.prod(worm.spec.voxel_size_um)
    assert share == pytest.approx(min((worm.marker >= top).sum() / n_bright, 1.0), rel=0.05)
    assert lights(LookMeter().look(newest(cut)))["Saturation"] is not Light.GREEN


def test_a_picture_that_is_not_saturated_is_green(worm):
    assert lights(LookMeter().look(newest(worm)))["Saturation"] is Light.GREEN


def test_nuclei_at_each_side_of_the_crop_are_counted():
    inside = (20, 30, 40)
    near = BORDER_UM - 0.1
    for side, center in {
        "first slice": (near - 0.5, 30, 40),
        "last slice": (40 - near - 0.5, 30, 40),
        "first row": (20, near / 0.5 - 0.5, 40),
        "last row": (20, 60 - near / 0.5 - 0.5, 40),
        "first column": (20, 30, near / 0.5 - 0.5),
        "last column": (20, 30, 80 - near / 0.5 - 0.5),
    }.items():
        shares = cut_shares(detections_at(inside, inside, inside, center), SPEC)
        assert shares.pop(side) == pytest.approx(0.25)
        assert set(shares.values()) == {0.0}


def test_a_nucleus_farther_than_its_radius_is_not_cut():
    far = (BORDER_UM + 0.1 - 0.5, 30, 40)
    assert max(cut_shares(detections_at(far), SPEC).values()) == 0.0
    assert max(cut_shares(Detections.none(), SPEC).values()) == 0.0


def test_the_side_at_which_the_animal_leaves_is_named(worm):
    z, y, x = (n / 2 for n in worm.spec.shape)
    centers = [(z, y, 1.0)] * 3 + [(z, y, x)] * 7
    measures = LookMeter().look(newest(worm, detections_at(*centers, named=4)))
    (crop,) = [check for check in measures.checks() if check.name == "Crop"]
    assert crop.light is Light.RED
    assert "30% of the nuclei lie at the first column" in crop.sentence
    (names,) = [check for check in measures.checks() if check.name == "Names"]
    assert names.sentence == "4 of 10 nuclei are named."


def test_a_volume_that_could_not_be_labeled_says_why(worm):
    measures = LookMeter().look(newest(worm, why_not="The animal is asleep."))
    (names,) = [check for check in measures.checks() if check.name == "Names"]
    assert names.light is Light.RED
    assert "The animal is asleep." in names.sentence


def test_a_volume_is_measured_once(worm, monkeypatch):
    meter, measured = LookMeter(), []
    measure = meter._measured
    monkeypatch.setattr(meter, "_measured", lambda *what: measured.append(what) or measure(*what))
    assert meter.look(None) is None
    first = meter.look(newest(worm))
    assert meter.look(newest(worm)) is first
    assert len(measured) == 1


def test_a_look_publishes_nothing_listens_to_nobody_and_labels_nothing_later():
    settings = AcllSettings(
        publish={"mode": "on"}, marks={"channels": ["a.csv"]}, label={"batch_size": 3}
    )
    looking = settings_to_look(settings)
    assert looking.publish.mode is PublishMode.OFF
    assert looking.marks.channels == ()
    assert looking.run.backfill is Backfill.OFF
    assert looking.label == settings.label
    assert "drop_policy" not in looking.run.model_fields_set


def test_a_look_leaves_nothing_on_the_disk(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("ACLL_DATA_DIR", str(tmp_path / "data"))
    settings = AcllSettings(alignment={"n_volumes": 0}, preprocess={"bin_px": 1})
    session = build_session(
        FakeSource(range(3)),
        settings=settings_to_look(settings),
        out=None,
        load_model=lambda _settings: FakeLabeler(),
    )
    session.start()
    assert session.join(20)
    assert session.counters.n_traced == 3
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []
