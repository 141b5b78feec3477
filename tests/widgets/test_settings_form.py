from enum import StrEnum

import pytest
from pydantic import BaseModel, Field
from qtpy.QtCore import QPointF, Qt
from qtpy.QtGui import QWheelEvent
from qtpy.QtWidgets import QApplication, QComboBox, QDoubleSpinBox, QLineEdit, QSpinBox

from napari_acll.core import AcllSettings, MarkSettings, SettingsError, SourceSettings
from napari_acll.widgets import SettingsForm
from napari_acll.widgets._field_editors import make_editor
from napari_acll.widgets._settings_form import label_of


@pytest.fixture
def make_form(qtbot):
    def make(model, **arguments):
        form = SettingsForm(model, **arguments)
        qtbot.addWidget(form)
        return form

    return make


@pytest.mark.parametrize("stage", AcllSettings.model_fields)
def test_an_untouched_form_gives_the_defaults_of_every_stage(make_form, stage):
    model = type(getattr(AcllSettings(), stage))
    assert make_form(model).value() == model()


def test_every_value_that_is_shown_is_given_back(make_form):
    settings = SourceSettings(
        marker_channel=2,
        activity_channel=None,
        n_z=80,
        z_discard=3,
        axes="TCZYX",
        voxel_size_um=(1.0, 0.5, 0.25),
        period_s=0.6,
    )
    form = make_form(SourceSettings)
    form.setValue(settings)
    assert form.value() == settings


def test_bounds_and_texts_come_from_the_model(make_form):
    class Model(BaseModel):
        count: int = Field(3, ge=1, le=9, description="How many.")
        share: float = Field(0.5, gt=0, lt=1, description="Which part.")

    form = make_form(Model)
    count, share = form.findChild(QSpinBox), form.findChild(QDoubleSpinBox)
    assert (count.minimum(), count.maximum()) == (1, 9)
    assert 0 < share.minimum() < 0.01
    assert 0.99 < share.maximum() < 1
    assert form.editor("count").toolTip() == "How many."


def test_a_value_that_the_model_refuses_is_one_sentence(make_form):
    form = make_form(SourceSettings)
    form.setValues({"axes": "QQQ"})
    with pytest.raises(SettingsError, match=r"axes.*QQQ") as caught:
        form.value()
    assert "\n" not in str(caught.value)


def test_a_change_is_announced(make_form, qtbot):
    form = make_form(SourceSettings)
    with qtbot.waitSignal(form.valueChanged, timeout=1000):
        form.setValues({"z_first": 4})


def test_the_wheel_does_not_change_a_value_that_has_no_focus(make_form):
    class Color(StrEnum):
        RED = "red"
        BLUE = "blue"

    class Model(BaseModel):
        color: Color = Color.RED

    form = make_form(Model)
    box = form.findChild(QComboBox)
    place = QPointF(2, 2)
    event = QWheelEvent(
        place,
        place,
        place.toPoint(),
        QPointF(0, -120).toPoint(),
        Qt.MouseButton.NoButton,
        Qt.KeyboardModifier.NoModifier,
        Qt.ScrollPhase.NoScrollPhase,
        False,
    )
    QApplication.sendEvent(box, event)
    assert form.value().color is Color.RED


def test_a_field_of_unknown_kind_is_refused_not_left_out():
    class Model(BaseModel):
        table: dict[str, int] = {}

    with pytest.raises(TypeError, match="no editor"):
        make_editor(Model.model_fields["table"])


@pytest.mark.parametrize(
    ("name", "label"),
    [("voxel_size_um", "Voxel size (um)"), ("n_z", "N z"), ("period_s", "Period (s)")],
)
def test_units_stand_in_brackets(name, label):
    assert label_of(name) == label


def test_a_list_is_one_line_divided_by_semicolons(make_form):
    form = make_form(MarkSettings)
    line = form.findChild(QLineEdit)
    line.setText(" serial:COM3@9600; D:/my worms/stage.csv;; ")
    assert form.value().channels == ("serial:COM3@9600", "D:/my worms/stage.csv")
    form.setValue(MarkSettings(channels=("tcp://127.0.0.1:5",)))
    assert line.text() == "tcp://127.0.0.1:5"
    form.setValue(MarkSettings())
    assert form.value() == MarkSettings()
