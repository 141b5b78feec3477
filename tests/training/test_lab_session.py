import csv
import json

import numpy as np
import pytest

from napari_acll.cli import run as acll
from napari_acll.core import RecordingError, SourceSettings
from napari_acll.export import SavedSession
from napari_acll.simulate import SimulatedSource
from napari_acll.training import open_lab_data
from napari_acll.training._lab_session import read_given_names
from napari_acll.training._lab_settings import LabDataSettings
from napari_acll.training._lab_volume import UNKNOWN

RECORDING = "simulated:volumes=3,geometry=small,seed=4"


@pytest.fixture(scope="module")
def session(tmp_path_factory):
    """A session of a virtual worm, and the true names that a user gave to half of the nuclei."""
    folder = tmp_path_factory.mktemp("session")
    path = folder / "worm.acll"
    assert acll(["run", RECORDING, "--out", str(path)]) == 0
    truth = SimulatedSource.from_recording(RECORDING, SourceSettings()).truth(1)
    with (folder / "names.csv").open("w", newline="") as file:
        table = csv.writer(file)
        table.writerow(["volume", "name", "z_px", "y_px", "x_px", "remark"])
        is_inside = truth.is_inside(SavedSession.open(path).labels(1).shape)
        for name, place in zip(truth.names, truth.centroid_px, strict=True):
            row = truth.names.index(name)
            if name and row % 2 and is_inside[row]:
                table.writerow([1, name, *place, "checked"])
    return path, folder / "names.csv"


def only_volume(path, names):
    settings = LabDataSettings.model_validate(
        {"train": [{"session": path.name, "names": names.name}]}
    ).beside(path.parent)
    data = open_lab_data(settings)
    (item,) = data.train
    return data.load(item)


def test_a_corrected_session_gives_the_users_names_at_their_places(session):
    volume = only_volume(*session)
    given = read_given_names(session[1])
    assert set(volume.neurons.names) == {row.name for row in given}
    number = {name: index + 1 for index, name in enumerate(volume.neurons.names)}
    center, neuron = volume.nuclei()
    saved = SavedSession.open(session[0])
    found, step_um = saved.detections(1).centroid_px, 0.54
    for row in given:
        at = np.flatnonzero(neuron == number[row.name])
        assert len(at) <= 1, row.name
        if len(at):
            assert np.abs(center[at[0]] - row.position_px).max() < 3 / step_um
            continue
        # two nuclei that were found as one have one name: the other one is nearer to it
        nearest = found[np.linalg.norm(found - row.position_px, axis=1).argmin()]
        rivals = [other.position_px for other in given if other is not row]
        closest = min(np.linalg.norm(nearest - place) for place in rivals)
        assert closest < np.linalg.norm(nearest - row.position_px), row.name


def test_what_nobody_named_is_unknown_whatever_the_model_said(session):
    volume = only_volume(*session)
    found = SavedSession.open(session[0]).detections(1)
    _, neuron = volume.nuclei()
    n_given = len(read_given_names(session[1]))
    assert (neuron == UNKNOWN).sum() > 0.8 * (len(found) - n_given)
    assert (found.neuron > 0).sum() > 0


def test_the_volume_is_the_one_that_was_labeled(session):
    volume = only_volume(*session)
    source = SimulatedSource.from_recording(RECORDING, SourceSettings())
    assert np.array_equal(volume.marker, source.read(1).marker)
    assert volume.marker[volume.instances > 0].mean() > volume.marker.mean() + 30


def test_a_table_without_names_or_columns_is_an_error(session):
    for text, words in (
        ("volume,name\n1,AVAL\n", "z_px"),
        ("volume,name,z_px,y_px,x_px\n", "rows"),
    ):
        names = session[0].parent / "wrong.csv"
        names.write_text(text, encoding="utf-8")
        with pytest.raises(RecordingError, match=words):
            only_volume(session[0], names)


def test_a_recording_that_is_gone_is_an_error(session, tmp_path):
    path = session[0]
    header = path / "session.json"
    kept = header.read_text(encoding="utf-8")
    moved = json.loads(kept) | {"source": {"kind": "nd2", "path": str(tmp_path / "gone.nd2")}}
    header.write_text(json.dumps(moved), encoding="utf-8")
    try:
        with pytest.raises(RecordingError, match="no recording at"):
            only_volume(*session)
    finally:
        header.write_text(kept, encoding="utf-8")
