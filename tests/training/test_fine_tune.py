import csv

import numpy as np
import pytest
import torch
import yaml
from tests.training.lab_files import write_nrrd

from napari_acll.core import LabelSettings, ModelError, NeuronTable, RecordingError, VoxelGrid
from napari_acll.label import NucleusFinder, PointModel, load_labeler
from napari_acll.simulate import Anatomy, WormSettings
from napari_acll.training import open_lab_data, render_shape, train
from napari_acll.training._fine_tune import model_file, share_right
from napari_acll.training._lab_points import detected, model_classes, painted, view
from napari_acll.training._lab_settings import LabDataSettings
from napari_acll.training._lab_volume import LabVolume
from napari_acll.training._point_batches import IGNORED

GRID = VoxelGrid.as_stored((64, 120, 284), (0.54, 0.54, 0.54))
GLIA = frozenset({"glia"})
TINY = {
    "seed": 2,
    "n_threads": 1,
    "n_calibration_volumes": 1,
    "detector": {"batch_size": 2, "crop_px": [24, 32, 40], "crops_per_volume": 2},
    "identifier": {"batch_size": 4},
    "fine_tuning": {
        "detector_steps": 2,
        "identifier_steps": 2,
        "n_views": 1,
        "n_simulated": 1,
    },
}


@pytest.fixture(scope="module")
def lab(tmp_path_factory):
    """A virtual worm whose listed neurons an annotator has named, as NRRD files and a table."""
    folder = tmp_path_factory.mktemp("lab")
    settings = WormSettings(n_volumes=1, grid=GRID, orientation="left")
    shape = Anatomy.load().sample(np.random.default_rng(11))
    rendered = render_shape(shape, settings, seed=11)
    write_nrrd(folder / "v.nrrd", rendered.volume.marker)
    write_nrrd(folder / "r.nrrd", rendered.masks)
    with (folder / "ids.csv").open("w", newline="") as file:
        table = csv.writer(file)
        table.writerow(["Neuron Class", "ROI ID", "Confidence"])
        for row, (name, is_listed) in enumerate(
            zip(rendered.truth.names, rendered.truth.is_listed, strict=True), start=1
        ):
            table.writerow([name if is_listed else "", row, 4])
    return folder, rendered


@pytest.fixture(scope="module")
def volume(lab) -> LabVolume:
    entry = {"volume": "v.nrrd", "rois": "r.nrrd", "ids": "ids.csv"}
    data = open_lab_data(LabDataSettings.model_validate({"train": [entry]}).beside(lab[0]))
    return data.load(data.train[0])


@pytest.fixture(scope="module")
def bundled() -> PointModel:
    return PointModel.load(model_file("default"))


def test_the_bundled_model_names_most_of_the_labs_neurons_end_to_end(volume, bundled):
    right = share_right(bundled, [volume], GLIA)
    assert right is not None
    assert right > 0.5
    mirrored = LabVolume(
        marker=volume.marker[:, ::-1],
        classes=volume.classes[:, ::-1],
        weight=volume.weight[:, ::-1],
        instances=volume.instances[:, ::-1],
        neurons=volume.neurons,
        voxel_size_um=volume.voxel_size_um,
        source="mirrored",
    )
    assert share_right(bundled, [mirrored], GLIA) < right  # left is right there


def test_a_nucleus_without_a_known_name_teaches_none(volume, lab, bundled):
    truth = lab[1].truth
    classes = model_classes(volume, bundled.neurons, GLIA)
    rows = np.unique(lab[1].masks)[1:] - 1
    expected = np.where(truth.is_listed, truth.class_numbers(bundled.neurons), IGNORED)[rows]
    assert np.array_equal(classes, expected)
    assert (classes == IGNORED).any()
    assert (classes > 0).sum() > 40


def test_names_that_the_model_lacks_teach_nothing_and_glia_are_no_neuron(volume):
    shared = volume.neurons.names[0]
    other = NeuronTable((shared, "glia", *volume.neurons.names[2:]))
    renamed = LabVolume(
        **{name: getattr(volume, name) for name in ("marker", "classes", "weight", "instances")},
        neurons=other,
        voxel_size_um=volume.voxel_size_um,
        source="renamed",
    )
    _, number = renamed.nuclei()
    classes = model_classes(renamed, NeuronTable(("XXX", shared)), GLIA)
    assert (classes[number == 1] == 2).all()
    assert (classes[number == 2] == 0).all()
    assert (classes[number == 3] == IGNORED).all()


@pytest.mark.parametrize("seed", range(4))
def test_what_is_detected_in_any_view_has_its_true_name(volume, bundled, seed):
    finder = NucleusFinder(
        bundled.detector,
        peak_threshold=bundled.card.peak_threshold,
        foreground_threshold=bundled.card.foreground_threshold,
        max_radius_um=bundled.card.max_radius_um,
        device=torch.device("cpu"),
    )
    changed = view(volume, np.random.default_rng(seed))
    sample = detected(finder, changed, model_classes(changed, bundled.neurons, GLIA))
    n_named = (model_classes(volume, bundled.neurons, GLIA) > 0).sum()
    assert (sample.neuron > 0).sum() > 0.7 * n_named
    center, number = changed.nuclei()
    for row in np.flatnonzero(sample.neuron > 0)[::10]:
        place = sample.nuclei.position_um[row] / changed.voxel_size_um
        nearest = np.linalg.norm(center - place, axis=1).argmin()
        name = bundled.neurons.name(int(sample.neuron[row]))
        assert volume.neurons.name(int(number[nearest])) == name


def test_masks_and_centers_follow_the_image_to_the_models_grid(volume):
    coarse = LabVolume(
        marker=volume.marker[:, ::2, ::2],
        classes=volume.classes[:, ::2, ::2],
        weight=volume.weight[:, ::2, ::2],
        instances=volume.instances[:, ::2, ::2],
        neurons=volume.neurons,
        voxel_size_um=(0.54, 1.08, 1.08),
        source="coarse",
    )
    made = painted(coarse)
    at = np.rint(made.centroid_px).astype(int)
    assert made.masks.shape == GRID.shape
    assert (made.masks[tuple(at.T)] > 0).mean() > 0.95
    assert np.array_equal(painted(volume).masks, volume.instances)


def test_fine_tuning_leaves_a_model_that_says_so_and_forgets_little(
    lab, volume, bundled, tmp_path
):
    folder, _ = lab
    entry = {"volume": "v.nrrd", "rois": "r.nrrd", "ids": "ids.csv"}
    config = folder / "lab.yaml"
    data = {"train": [entry], "validation": [entry]}
    config.write_text(yaml.safe_dump(TINY | {"data": data}), encoding="utf-8")
    n_threads = torch.get_num_threads()
    phases = []
    out = train(
        config,
        tmp_path / "tuned.safetensors",
        start="default",
        on_progress=lambda progress: phases.append(progress.phase),
    )
    torch.set_num_threads(n_threads)
    assert {"detector", "detections", "identifier", "calibration"} <= set(phases)
    tuned = PointModel.load(out)
    assert tuned.card.training["fine_tuned"]["started_from"] == "default.safetensors"
    assert tuned.card.names == bundled.card.names
    scores = tuned.card.scores["lab"]
    assert scores["right_before"] == pytest.approx(share_right(bundled, [volume], GLIA), abs=0.05)
    assert scores["right"] > scores["right_before"] - 0.15
    before, after = (next(model.detector.parameters()) for model in (bundled, tuned))
    assert not torch.equal(before, after)
    labeler = load_labeler(LabelSettings(model=str(out), device="cpu"))
    assert "simulated" in str(labeler.describe()["calibration"])
    assert "Fine-tuned on 1" in out.with_suffix(".md").read_text("utf-8")


def test_without_enough_names_there_is_nothing_to_learn(lab, tmp_path):
    folder, _ = lab
    (folder / "few.csv").write_text("name,roi\nAVAL,1\nAVAR,2\n", encoding="utf-8")
    entry = {"volume": "v.nrrd", "rois": "r.nrrd", "ids": "few.csv"}
    config = folder / "few.yaml"
    tiny = TINY | {"fine_tuning": TINY["fine_tuning"] | {"detector_steps": 0}}
    config.write_text(yaml.safe_dump(tiny | {"data": {"train": [entry]}}), encoding="utf-8")
    with pytest.raises(RecordingError, match="8 named nuclei"):
        train(config, tmp_path / "tuned.safetensors", start="default")


def test_a_start_that_is_not_there_is_an_error():
    with pytest.raises(ModelError, match="to start from"):
        model_file("nowhere.safetensors")
