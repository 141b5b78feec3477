"""Truth and names, in the forms in which they come."""

from dataclasses import replace

import numpy as np
import pytest
from tests.evaluation.made_up import NEURONS, PLACES, SHAPE, SPEC, detections

from napari_acll.core import (
    AcllSettings,
    LabeledVolume,
    RecordingError,
    RunSettings,
    SessionError,
    SourceSettings,
    StageTimings,
    TraceSample,
    VolumeSpec,
    VolumeStatus,
    VoxelGrid,
)
from napari_acll.evaluation import evaluate_session, read_names, read_truth
from napari_acll.export import SavedSession, SessionHeader, ZarrSessionWriter, export_csv
from napari_acll.simulate import SimulatedSource, write_truth

TABLE = """volume,name,is_listed,z_px,y_px,x_px,radius_um,ratio,marker,activity
0,AVAL,1,5.0,10.0,10.0,1.5,1.25,80,90
0,RIML,0,5.0,10.0,15.0,1.5,1.5,80,90
0,,0,5.0,30.0,50.0,1.5,,80,90
1,AVAL,True,5.0,10.0,10.0,1.5,1.5,80,90
"""
TIMINGS = StageTimings(
    read_s=0.1, preprocess_s=0.1, wait_s=0.0, label_s=0.1, trace_s=0.1, total_s=0.4
)


def write(path, text):
    path.write_text(text, encoding="utf-8")
    return path


def sample(index, found, spec):
    """What a session keeps of a volume: every name with its number as ratio."""
    empty = TraceSample.absent(index, 0.6 * index, len(NEURONS), VolumeStatus.TRACED)
    rows = {name: getattr(empty, name).copy() for name in ("ratio", "confidence", "centroid_px")}
    for row in np.flatnonzero(found.neuron):
        column = found.neuron[row] - 1
        rows["ratio"][column] = found.neuron[row] + index
        rows["confidence"][column] = found.probability[row]
        rows["centroid_px"][column] = spec.grid.to_stored_px(found.centroid_px[row])
    return replace(empty, **rows)


def session(folder, *volumes, spec=SPEC, save_labels=False):
    header = SessionHeader(
        neurons=NEURONS,
        stored_spec=spec.with_grid(
            VoxelGrid.as_stored(spec.grid.stored_shape, spec.grid.stored_voxel_size_um())
        ),
        spec=spec,
        settings=AcllSettings(run=RunSettings(save_labels=save_labels)),
    )
    writer = ZarrSessionWriter.create(folder, header)
    for index, rows in enumerate(volumes):
        if rows is None:
            writer.skip(index, VolumeStatus.SKIPPED)
            continue
        found = detections(rows)
        instances = np.zeros(spec.shape, np.uint16)
        for number, (z, y, x) in enumerate(np.round(found.centroid_px).astype(int), start=1):
            instances[z - 1 : z + 2, y - 1 : y + 2, x - 1 : x + 2] = number
        labeled = LabeledVolume(index=index, spec=spec, instances=instances, detections=found)
        writer.write(sample(index, found, spec), labeled, TIMINGS)
    writer.close(state="finished")
    return folder


SAID = (
    [("AVAL", 0.9, PLACES["AVAL"], ["AVAL", "AVAR", "RIML"]), ("RIML", 0.6, PLACES["RIML"])],
    None,
    [("AVAR", 0.8, PLACES["AVAL"], ["AVAR", "AVAL"]), ("", 0.0, PLACES["ALA"])],
)
"""What a session says about three volumes, one of which it skipped."""
TRUE = "volume,name,z_px,y_px,x_px\n" + "".join(
    f"{volume},{name},{z},{y},{x}\n"
    for volume in range(3)
    for name, (z, y, x) in PLACES.items()
    if name in ("AVAL", "RIML")
)


def test_a_table_of_truth_says_what_it_says(tmp_path):
    nuclei = read_truth(write(tmp_path / "worm.truth.csv", TABLE))
    assert nuclei.volume.tolist() == [0, 0, 0, 1]
    assert nuclei.name.tolist() == ["AVAL", "RIML", "", "AVAL"]
    assert nuclei.is_listed.tolist() == [True, False, False, True]
    assert nuclei.position[1].tolist() == [5, 10, 15]
    assert np.isnan(nuclei.ratio[2])
    assert nuclei.ratio[0] == 1.25
    assert nuclei.is_complete
    assert not nuclei.is_in_um


def test_five_columns_are_a_truth_of_named_nuclei(tmp_path):
    text = "\ufeffName, y_um,x_um,z_um,volume_index\n AVAL,1,2,3,4\n\n"
    nuclei = read_truth(write(tmp_path / "lab.csv", text.replace(", ", ",")))
    assert nuclei.position.tolist() == [[3, 1, 2]]
    assert (nuclei.is_in_um, nuclei.is_complete) == (True, False)
    assert nuclei.is_listed.tolist() == [True]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("volume,name\n0,AVAL\n", "lacks the columns z_px, y_px, x_px"),
        ("name,z_px,y_px,x_px\nAVAL,1,1,1\n", "lacks the columns volume"),
        ("volume,name,z_px,y_px,x_px\n", "no rows"),
        ("", "no rows"),
        ("volume,name,z_px,y_px,x_px\n0,AVAL,1,1\n", "5 columns in its header but 4 in row 2"),
        ("volume,name,z_px,y_px,x_px\n0,AVAL,1,one,1\n", "must hold numbers"),
        ("volume,name,z_px,y_px,x_px\n0,AVAL,1,,1\n", "without a position"),
        ("volume,name,z_px,y_px,x_px\n0.5,AVAL,1,1,1\n", "whole numbers"),
    ],
)
def test_a_bad_table_is_refused_with_what_is_wrong(tmp_path, text, message):
    with pytest.raises(RecordingError, match=message):
        read_truth(write(tmp_path / "truth.csv", text))


def test_a_truth_that_is_not_there_or_a_session_is_refused(tmp_path):
    with pytest.raises(RecordingError, match="no truth"):
        read_truth(tmp_path / "nothing.csv")
    with pytest.raises(RecordingError, match="is a session"):
        read_truth(session(tmp_path / "worm.acll", *SAID))
    (tmp_path / "binary.csv").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(RecordingError, match="CSV"):
        read_truth(tmp_path / "binary.csv")


def masks(names, numbers):
    array = np.zeros(SHAPE, np.uint16)
    for name, number in zip(names, numbers, strict=True):
        z, y, x = PLACES[name]
        array[z - 1 : z + 2, y - 1 : y + 2, x - 1 : x + 2] = number
    return array


def save(path, array):
    if path.suffix == ".npz":
        np.savez_compressed(path, array)
    elif path.suffix == ".npy":
        np.save(path, array)
    elif path.suffix == ".nrrd":
        import nrrd

        nrrd.write(str(path), array.transpose(2, 1, 0), index_order="F")  # x, y, z, as labs do
    else:
        import tifffile

        tifffile.imwrite(path, array)


@pytest.mark.parametrize("suffix", [".npz", ".npy", ".nrrd", ".tif"])
def test_a_folder_of_masks_and_an_id_table_are_a_truth(tmp_path, suffix):
    save(tmp_path / f"rois_t0001{suffix}", masks(("AVAL", "RIML", "ALA"), (3, 7, 9)))
    save(tmp_path / f"rois_t0003{suffix}", masks(("AVAL",), (3,)))
    text = "Neuron Class,Coordinates,ROI ID,Confidence\nAVAL,,3,5\nRIML,,7,2\nunknown,,9,1\n"
    write(tmp_path / "ids.csv", text)
    nuclei = read_truth(tmp_path)
    assert nuclei.volume.tolist() == [0, 0, 0, 2]
    assert nuclei.name.tolist() == ["AVAL", "RIML", "", "AVAL"]
    assert nuclei.position[1].tolist() == list(PLACES["RIML"])
    assert nuclei.instance.tolist() == [3, 7, 9, 3]
    assert nuclei.is_complete


def test_numbers_may_change_from_volume_to_volume(tmp_path):
    for number in (0, 1):
        save(tmp_path / f"{number}.npy", masks(("AVAL", "RIML"), (1 + number, 2 - number)))
    write(tmp_path / "ids.csv", "volume,instance,name\n0,1,AVAL\n0,2,RIML\n1,2,AVAL\n1,1,RIML\n")
    nuclei = read_truth(tmp_path)
    at = {name: nuclei.position[nuclei.name == name] for name in ("AVAL", "RIML")}
    assert (at["AVAL"] == PLACES["AVAL"]).all()
    assert (at["RIML"] == PLACES["RIML"]).all()


def test_masks_without_an_id_table_or_without_volumes_are_refused(tmp_path):
    with pytest.raises(RecordingError, match="no masks"):
        read_truth(tmp_path)
    save(tmp_path / "0.npy", masks(("AVAL",), (1,)))
    with pytest.raises(RecordingError, match="found 0"):
        read_truth(tmp_path)
    save(tmp_path / "0.npy", masks(("AVAL",), (1,)).astype(float))
    with pytest.raises(RecordingError, match="whole numbers"):
        read_truth(tmp_path)


def test_masks_in_one_zarr_array_belong_to_their_table(tmp_path):
    import zarr

    array = zarr.create_array(str(tmp_path / "masks.zarr"), shape=(3, *SHAPE), dtype="uint16")
    for volume in range(3):
        array[volume] = masks(("AVAL", "RIML"), (4 + volume, 1))
    nuclei = read_truth(write(tmp_path / "t.csv", TRUE), masks=tmp_path / "masks.zarr")
    assert nuclei.instance.tolist() == [4, 1, 5, 1, 6, 1]
    folder = session(tmp_path / "worm.acll", *SAID, save_labels=True)
    score = evaluate_session(folder, nuclei).masks
    assert score.n_volumes == 2
    assert score.mean_overlap == 1
    assert score.average_precision == 3 / 4  # RIML of volume 2 got no name, so it has no mask


def test_a_simulated_recording_is_its_own_truth():
    recording = "simulated:seed=2,volumes=2,geometry=small"
    nuclei = read_truth(recording)
    source = SimulatedSource.from_recording(recording, SourceSettings())
    one = source.truth(1)
    rows = nuclei.volume == 1
    assert nuclei.name[rows].tolist() == list(one.names)
    assert (nuclei.position[rows] == one.centroid_px).all()
    assert nuclei.is_complete


def test_what_the_simulator_writes_is_read_as_it_is(tmp_path):
    source = SimulatedSource.from_recording(
        "simulated:seed=4,volumes=2,geometry=small", SourceSettings()
    )
    write_truth(source, tmp_path / "worm.truth.csv", 2, masks=tmp_path / "masks")
    nuclei = read_truth(tmp_path / "worm.truth.csv", masks=tmp_path / "masks")
    directly = read_truth("simulated:seed=4,volumes=2,geometry=small")
    for name in ("volume", "name", "is_listed", "instance"):
        assert (getattr(nuclei, name) == getattr(directly, name)).all(), name
    assert np.allclose(nuclei.position, directly.position, atol=1e-3)
    assert np.allclose(nuclei.ratio, directly.ratio, atol=1e-3)
    assert (nuclei.masks.read(1) == source.instance_masks(1)).all()


def test_a_session_says_what_was_written_to_it(tmp_path):
    said = read_names(session(tmp_path / "worm.acll", *SAID))
    assert said.animal == "worm"
    assert said.volumes.scored.tolist() == [0, 2]
    assert said.volumes.n_skipped == 1
    assert said.volume.tolist() == [0, 0, 2, 2]
    assert [said.neurons.name(number) for number in said.neuron[:3]] == ["AVAL", "RIML", "AVAR"]
    assert said.ratio[:3].tolist() == [1, 3, 4]
    evaluation = evaluate_session(tmp_path / "worm.acll", write(tmp_path / "t.csv", TRUE))
    assert evaluation.value("right") == 0.5
    assert evaluation.value("right_in_3") == 0.75
    assert evaluation.value("listed_side") == 0.25
    assert evaluation.animals[0].n_skipped == 1


def test_a_cropped_and_binned_session_is_compared_in_stored_voxels(tmp_path):
    grid = VoxelGrid(
        shape=SHAPE,
        voxel_size_um=(1.0, 1.0, 1.0),
        stored_shape=(20, 200, 200),
        start_px=(4, 10, 20),
        bin_px=(1, 2, 2),
    )
    folder = session(tmp_path / "worm.acll", SAID[0], spec=VolumeSpec(grid=grid, period_s=0.6))
    stored = {name: grid.to_stored_px(np.array(PLACES[name])) for name in ("AVAL", "RIML")}
    rows = [f"0,{name},{z},{y},{x}" for name, (z, y, x) in stored.items()]
    text = "volume,name,z_px,y_px,x_px\n" + "\n".join([*rows, "0,ALA,2,10,20"]) + "\n"
    evaluation = evaluate_session(folder, write(tmp_path / "truth.csv", text))
    assert evaluation.value("right") == 1  # ALA lies in the part that was cropped away
    assert evaluation.measures["right"].n == 2
    assert evaluation.value("center_error_um") == pytest.approx(0, abs=1e-5)


def test_an_exported_table_scores_like_its_session(tmp_path):
    folder = session(tmp_path / "worm.acll", *SAID)
    export_csv(SavedSession.open(folder), tmp_path / "worm.csv")
    true = write(tmp_path / "truth.csv", TRUE)
    ours = evaluate_session(folder, true)
    table = read_names(tmp_path / "worm.csv", voxel_size_um=(1.0, 1.0, 1.0))
    theirs = evaluate_session(table, true)
    for name in ("right", "right_if_confident", "names_per_volume", "calibration_error"):
        assert theirs.value(name) == pytest.approx(ours.value(name)), name
    assert np.isnan(theirs.value("right_in_3"))
    assert theirs.animals[0].n_skipped == 1
    with pytest.raises(SessionError, match="voxel-size-um"):
        read_names(tmp_path / "worm.csv")


def test_any_table_of_names_in_um_will_do(tmp_path):
    text = "volume,name,probability,z_um,y_um,x_um\n0,AVAL,.9,5,10,10\n0,,0,5,30,50\n"
    said = read_names(write(tmp_path / "names.csv", text))
    assert len(said) == 2
    in_um = write(tmp_path / "truth.csv", TRUE.replace("_px", "_um"))
    assert evaluate_session(said, in_um).measures["right_if_confident"].value == 1
    with pytest.raises(SessionError, match="voxel-size-um"):
        evaluate_session(said, write(tmp_path / "px.csv", TRUE))


def test_a_session_without_a_labeled_volume_is_refused(tmp_path):
    folder = session(tmp_path / "worm.acll", None)
    with pytest.raises(SessionError, match="no labeled volume"):
        read_names(folder)
    with pytest.raises(SessionError, match="no session"):
        read_names(tmp_path / "nothing.acll")
