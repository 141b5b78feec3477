from pathlib import Path

import h5py
import numpy as np
import pytest
from pydantic import ValidationError
from tests.training.lab_files import (
    BALLS,
    NAMES,
    SHAPE,
    class_volume,
    marker_volume,
    nrrd_entry,
    roi_volume,
    write_hdf5,
    write_ids,
    write_nrrd,
)

from napari_acll.core import AcllError, NeuronTable, RecordingError
from napari_acll.training._lab_data import open_lab_data
from napari_acll.training._lab_settings import LabDataSettings, LabEntry
from napari_acll.training._lab_table import RoiName, read_roi_names, settled_names
from napari_acll.training._lab_volume import UNKNOWN

NEURONS = NeuronTable(NAMES)


def only_volume(folder: Path, entry: dict, neurons: NeuronTable | None = None, **settings):
    chosen = LabDataSettings.model_validate({"train": [entry]} | settings).beside(folder)
    data = open_lab_data(chosen, neurons)
    (item,) = data.train
    return data.load(item)


def test_nrrd_files_rois_and_their_table_become_classes(tmp_path):
    volume = only_volume(tmp_path, nrrd_entry(tmp_path), NEURONS)
    assert np.array_equal(volume.marker, marker_volume())
    assert np.array_equal(volume.classes, class_volume())
    assert np.array_equal(volume.instances, roi_volume())
    assert volume.unlabeled == len(NAMES) + 1


def test_a_name_weighs_as_its_annotator_trusts_it(tmp_path):
    volume = only_volume(tmp_path, nrrd_entry(tmp_path), NEURONS)
    weight = {roi: volume.weight[volume.instances == roi][0] for roi in BALLS}
    assert weight == {1: 1000, 2: 600, 3: 1, 4: 1, 5: 900, 6: 900}
    assert volume.weight[0, 0, 0] == 1


def test_a_neuron_that_is_named_in_fewer_volumes_weighs_more(tmp_path):
    entry = nrrd_entry(tmp_path)
    (tmp_path / "few.csv").write_text("name,roi\nAVAL,1\n", encoding="utf-8")
    settings = LabDataSettings.model_validate({"train": [entry, entry | {"ids": "few.csv"}]})
    data = open_lab_data(settings.beside(tmp_path), NEURONS)
    assert data.balance["AVAR"] == 2
    assert data.balance["AVAL"] == 1
    volume = data.load(data.train[0])
    assert volume.weight[volume.instances == 2][0] == 2 * 600


def test_centers_and_names_of_nuclei_are_those_of_the_rois(tmp_path):
    volume = only_volume(tmp_path, nrrd_entry(tmp_path), NEURONS)
    center, neuron = volume.nuclei()
    assert np.array_equal(center, np.array([corner for corner, _, _ in BALLS.values()]) + 0.5)
    assert neuron.tolist() == [1, 2, UNKNOWN, UNKNOWN, 4, 4]


def test_without_a_name_table_the_classes_are_the_names_of_the_annotators(tmp_path):
    volume = only_volume(tmp_path, nrrd_entry(tmp_path))
    assert volume.neurons.names == ("AVAL", "AVAR", "glia")  # RIBL is not trusted enough


def test_unlabeled_voxels_may_be_what_is_not_in_the_volume_or_may_repeat(tmp_path):
    volume = only_volume(tmp_path, nrrd_entry(tmp_path), NEURONS)
    used = volume.used_classes(frozenset({"glia", "granule"}))
    assert used.tolist() == [True, True, True, False, False]


def test_rois_of_a_timepoint_find_their_names_through_the_match(tmp_path):
    entry = nrrd_entry(tmp_path)
    moved = roi_volume()
    moved[roi_volume() == 1], moved[roi_volume() == 2] = 2, 1
    write_nrrd(tmp_path / "rois.nrrd", moved)
    match = np.array([[0, 0, 0, 0, 0, 0], [2, 1, -1, 4, 5, 6]], np.int64)
    with h5py.File(tmp_path / "match.h5", "w") as file:
        file["roi_match"] = match
    volume = only_volume(
        tmp_path, entry | {"roi_match": "match.h5", "timepoint": 2}, NEURONS, min_confidence=1
    )
    assert (volume.classes[roi_volume() == 1] == 1).all()
    assert (volume.classes[roi_volume() == 3] == volume.unlabeled).all()


def test_a_crop_is_that_of_the_files_and_leaves_labels_in_their_place(tmp_path):
    volume = only_volume(
        tmp_path, nrrd_entry(tmp_path), NEURONS, crop_px=[[1, 6], [0, 9], [2, 14]]
    )
    assert np.array_equal(volume.marker, marker_volume()[1:, :, 2:])
    assert np.array_equal(volume.classes, class_volume()[1:, :, 2:])


@pytest.mark.parametrize("is_one_hot", [False, True])
def test_an_hdf5_file_is_read_with_its_weights_and_the_names_beside_it(tmp_path, is_one_hot):
    expected = class_volume()
    label = expected.astype(np.uint8)
    if is_one_hot:  # the older files: no class stands for a nucleus without a name
        expected = np.where(expected == len(NAMES) + 1, 0, expected)
        label = (np.arange(len(NAMES) + 1)[:, None, None, None] == expected).astype(np.uint8)
    write_hdf5(tmp_path / "a.h5", label=label)
    volume = only_volume(tmp_path, {"hdf5": "a.h5"})
    assert volume.neurons == NEURONS
    assert np.array_equal(volume.marker, marker_volume())
    assert np.array_equal(volume.classes, expected)
    assert volume.weight.max() == 600


def test_a_name_table_may_list_the_background_and_what_nobody_knows(tmp_path):
    write_hdf5(tmp_path / "a.h5")
    listed = ("BACKGROUND", *NAMES, "UNLABELED")
    (tmp_path / "names.txt").write_text("\n".join(listed), encoding="utf-8")
    assert only_volume(tmp_path, {"hdf5": "a.h5"}).neurons == NEURONS


def test_a_weight_per_class_is_read_at_each_voxels_own_class(tmp_path):
    classes = class_volume(min_confidence=1)
    classes[classes > len(NAMES)] = 0
    per_class = np.broadcast_to(
        np.arange(len(NAMES) + 1)[:, None, None, None] * 10 + 1, (len(NAMES) + 1, *SHAPE)
    )
    write_hdf5(tmp_path / "a.h5", label=classes.astype(np.uint8), weight=per_class)
    volume = only_volume(tmp_path, {"hdf5": "a.h5"})
    assert np.array_equal(volume.weight, classes * 10 + 1)


def test_without_rois_an_hdf5_file_still_has_nuclei_and_glia_are_apart(tmp_path):
    write_hdf5(tmp_path / "a.h5")
    center, neuron = only_volume(tmp_path, {"hdf5": "a.h5"}).nuclei()
    assert sorted(neuron.tolist()) == [UNKNOWN, UNKNOWN, 1, 2, 4, 4]
    corners = {tuple(np.array(corner) + 0.5) for corner, _, _ in BALLS.values()}
    assert {tuple(row) for row in center} == corners


def test_a_pattern_finds_all_files(tmp_path):
    for name in "ba":
        write_hdf5(tmp_path / f"{name}.h5")
    settings = LabDataSettings.model_validate({"train": [{"hdf5": "*.h5"}]}).beside(tmp_path)
    assert [item.path.name for item in open_lab_data(settings).train] == ["a.h5", "b.h5"]


def test_several_channels_ask_which_is_the_marker(tmp_path):
    raw = np.stack([np.zeros(SHAPE, np.uint16), marker_volume()])
    write_hdf5(tmp_path / "a.h5", raw=raw)
    volume = only_volume(tmp_path, {"hdf5": "a.h5"}, channel=1)
    assert np.array_equal(volume.marker, marker_volume())
    with pytest.raises(RecordingError, match="which is"):
        only_volume(tmp_path, {"hdf5": "a.h5"})


@pytest.mark.parametrize(
    ("datasets", "words"),
    [
        ({"label": None}, "no dataset 'label'"),
        ({"label": np.full(SHAPE, 6, np.uint8)}, "goes up to 6; expected 0"),
        ({"label": np.zeros((3, *SHAPE), np.uint8)}, "has 3 classes"),
        ({"label": np.zeros((2, 2, 2), np.uint8)}, "`raw` has"),
        ({"raw": np.zeros((2, 2), np.uint8)}, "it has 2 axes"),
        ({"weight": np.zeros((2, 2, 2), np.uint8)}, "`weight`"),
        ({"roi": np.zeros((2, 2, 2), np.uint8)}, "`roi`"),
    ],
)
def test_a_wrong_hdf5_file_is_an_error_that_says_what_was_expected(tmp_path, datasets, words):
    write_hdf5(tmp_path / "a.h5", **datasets)
    with pytest.raises(RecordingError, match=words):
        only_volume(tmp_path, {"hdf5": "a.h5"})


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda folder: (folder / "volume.nrrd").unlink(), "There is no file"),
        (lambda folder: (folder / "rois.nrrd").write_bytes(b"NRRD0004\n"), "damaged"),
        (lambda folder: write_nrrd(folder / "rois.nrrd", np.zeros((2, 3, 4))), "this volume"),
        (lambda folder: write_nrrd(folder / "rois.nrrd", np.full(SHAPE, 0.5)), "ROI numbers"),
        (lambda folder: (folder / "ids.csv").write_text("a,b\n1,2\n"), "neuron names"),
        (lambda folder: (folder / "ids.csv").write_text("name,roi\nAVAL,x\n"), "line 2"),
        (
            lambda folder: (folder / "ids.csv").write_text("name,roi,confidence\nAVAL,1,9\n"),
            "from 1 to 5",
        ),
    ],
)
def test_wrong_nrrd_files_are_an_error_that_says_what_was_expected(tmp_path, change, words):
    entry = nrrd_entry(tmp_path)
    change(tmp_path)
    with pytest.raises(RecordingError, match=words):
        only_volume(tmp_path, entry, NEURONS)


def test_a_crop_beyond_the_volume_is_an_error(tmp_path):
    with pytest.raises(RecordingError, match="outside"):
        only_volume(tmp_path, nrrd_entry(tmp_path), NEURONS, crop_px=[[0, 64], [0, 9], [0, 14]])


@pytest.mark.parametrize(
    ("entry", "words"),
    [
        ({}, "expected one of"),
        ({"hdf5": "a.h5", "volume": "b.nrrd"}, "expected one of"),
        ({"volume": "b.nrrd"}, "rois and ids"),
        ({"hdf5": "a.h5", "ids": "b.csv"}, "does not belong"),
        (
            {"volume": "a", "rois": "b", "ids": "c", "timepoint": 3},
            "roi_match and timepoint belong together",
        ),
    ],
)
def test_an_entry_is_of_one_kind(entry, words):
    with pytest.raises(ValidationError, match=words):
        LabEntry.model_validate(entry)


def test_an_id_table_may_be_an_excel_file(tmp_path):
    openpyxl = pytest.importorskip("openpyxl")
    rows = read_roi_names(write_ids(tmp_path / "ids.csv"))
    book = openpyxl.Workbook()
    book.active.append(["Neuron Class", "ROI ID", "Confidence"])
    for row in rows:
        book.active.append([row.name or None, float(row.roi), row.confidence])
    book.save(tmp_path / "ids.xlsx")
    assert read_roi_names(tmp_path / "ids.xlsx") == rows
    (tmp_path / "ids.xlsx").write_bytes(b"no table")
    with pytest.raises(RecordingError, match="damaged"):
        read_roi_names(tmp_path / "ids.xlsx")


def test_names_that_are_uncertain_or_stand_twice_are_not_used(tmp_path):
    (tmp_path / "ids.csv").write_text(
        "Neuron Class,ROI ID,Confidence\n"
        "AVAL,1,4\nAVAL,2,3\n"  # the surer one is it
        "AVAR,3,3\nAVAR,4,3\n"  # nobody knows which
        "RIB?,5,5\nAIZL-alt,6,5\n,7,5\n"
        "RIS,8/9,4\n"  # two parts of one nucleus cannot both be it
        "RIAL,10,4\nRIAR,10,4\n"
        "glia,11,2\nglia,12,2\n",
        encoding="utf-8",
    )
    rows = read_roi_names(tmp_path / "ids.csv")
    names = settled_names(rows, min_confidence=2, repeatable=frozenset({"glia"}))
    assert {roi: row.name for roi, row in names.items()} == {1: "AVAL", 11: "glia", 12: "glia"}
    assert RoiName(roi=5, name="", confidence=5) in rows


def test_every_error_of_the_data_is_one_of_ours():
    assert issubclass(RecordingError, AcllError)
