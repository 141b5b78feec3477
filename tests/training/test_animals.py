"""Which animals a training may learn from, and what it is told about them."""

import csv

import numpy as np
import pytest

from napari_acll.core import SettingsError
from napari_acll.label import NucleusTable
from napari_acll.simulate import Anatomy, held_out_animals
from napari_acll.training import TrainSettings
from napari_acll.training._animals import Herd
from napari_acll.training._detections import unlisted_hidden
from napari_acll.training._point_batches import IGNORED, NamedNuclei
from napari_acll.training._real_animals import UNKNOWN_NAME, true_classes

ANATOMY = Anatomy.load()
HELD_OUT_LAB, HELD_OUT = next((lab, names[0]) for lab, names in held_out_animals().items())


@pytest.fixture
def table(tmp_path):
    """A table of three made-up animals, one of which has the name of a held-out one."""
    path = tmp_path / "positions.csv"
    rng = np.random.default_rng(2)
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["lab", "animal", "x_um", "y_um", "z_um", "ID"])
        for lab, animal in (("SF", "one"), ("SF", "two"), (HELD_OUT_LAB, HELD_OUT)):
            shape = ANATOMY.sample(rng)
            for name, (z, y, x) in zip(shape.names[:60], shape.position_um, strict=False):
                writer.writerow([lab, animal, x, y, z, name])
            writer.writerow([lab, animal, 0.0, 0.0, 30.0, ""])
    return path


def settings(table, *apart):
    return TrainSettings(positions_file=str(table), calibration_animals=apart)


def test_animals_that_are_held_out_or_kept_for_the_calibration_are_not_learned_from(table):
    herd = Herd.from_settings(settings(table, "SF/two"))
    assert [head.animal for head in herd.heads] == ["one"]
    assert [head.animal for head in herd.calibration_heads] == ["two"]
    drawn = {herd.draw_head(np.random.default_rng(seed)).animal for seed in range(20)}
    assert drawn == {"one"}


def test_a_model_that_is_shipped_beside_its_scored_twin_may_learn_from_all_animals(table):
    everything = settings(table).model_copy(update={"uses_held_out": True})
    assert [head.animal for head in Herd.from_settings(everything).heads] == [
        "one",
        "two",
        HELD_OUT,
    ]


def test_a_path_may_name_an_environment_variable(table, monkeypatch):
    monkeypatch.setenv("WORMS", str(table.parent))
    herd = Herd.from_settings(TrainSettings(positions_file="$WORMS/positions.csv"))
    assert len(herd.heads) == 2
    assert list(herd.hashes) == ["positions.csv"]


def test_a_held_out_animal_for_the_calibration_is_an_error(table):
    with pytest.raises(SettingsError, match="not held out"):
        Herd.from_settings(settings(table, f"{HELD_OUT_LAB}/{HELD_OUT}"))


def test_without_a_table_all_animals_are_virtual():
    herd = Herd.from_settings(TrainSettings())
    assert herd.heads == ()
    with pytest.raises(ValueError, match="none"):
        herd.draw_head(np.random.default_rng(0))


def test_rows_without_a_name_are_rendered_and_nobody_knows_what_they_are(table):
    herd = Herd.from_settings(settings(table))
    (rendered,) = herd.learning_volumes(1, seed=(3,))
    unknown = [name == UNKNOWN_NAME for name in rendered.truth.names]
    assert sum(unknown) >= 1
    classes = true_classes(rendered.truth, ANATOMY.neurons, IGNORED)
    assert (classes[unknown] == IGNORED).all()
    assert (classes >= 0).sum() == len(classes) - sum(unknown)


def test_hiding_takes_names_of_unlisted_neurons_alone():
    n = 200
    ones = np.ones(n)
    sample = NamedNuclei(
        nuclei=NucleusTable(
            position_um=np.zeros((n, 3)), brightness=ones, radius_um=ones, height=ones
        ),
        neuron=np.r_[np.full(n - 1, 5), IGNORED],
        is_listed=np.arange(n) < 80,
    )
    hidden = unlisted_hidden(sample, np.random.default_rng(4)).neuron
    assert (hidden[:80] == 5).all()
    assert 0.8 < (hidden[80:-1] == 0).mean() < 0.98
    assert hidden[-1] == IGNORED
