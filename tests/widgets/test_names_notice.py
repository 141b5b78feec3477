import numpy as np
import pytest

from napari_acll.core import NeuronTable
from napari_acll.widgets._neuron_model import NeuronTableModel
from napari_acll.widgets._status_panel import BAD, FLAGGED, GOOD, StatusPanel, names_sentence


@pytest.mark.parametrize(
    ("calibrated_on", "novelty", "color", "words"),
    [
        ("simulation only", 0.1, FLAGGED, "calibrated on simulation only"),
        ("rig two", 0.1, GOOD, "looks as usual"),
        ("rig two", 0.7, BAD, "unlike what the model knows (nuclei are large)"),
        ("", float("nan"), FLAGGED, "never calibrated"),
    ],
)
def test_the_light_of_the_names_says_how_far_to_believe_them(calibrated_on, novelty, color, words):
    text, shown = names_sentence(calibrated_on, novelty, "nuclei are large")
    assert words in text
    assert shown == color


def test_the_panel_shows_it(qtbot):
    panel = StatusPanel()
    qtbot.addWidget(panel)
    panel.show_names("simulation only", float("nan"), "")
    assert "simulation only" in panel.names.text()
    panel.clear()
    assert panel.names.text() == "-"


@pytest.mark.usefixtures("qtbot")
def test_a_name_that_may_be_the_other_sides_is_marked():
    model = NeuronTableModel()
    model.set_names(NeuronTable(("AVAL", "AVAR")).names)
    model.set_side_doubt(np.array([True, False]))
    assert [model.data(model.index(row, 0)) for row in range(2)] == ["AVAL?", "AVAR"]
