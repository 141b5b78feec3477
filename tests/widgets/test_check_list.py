import pytest

from napari_acll.core import Check, Light
from napari_acll.widgets._check_list import CheckList
from napari_acll.widgets._lights import BAD, FLAGGED, GOOD

GREEN = Check(name="Disk", light=Light.GREEN, sentence="9 GB are left.")
AMBER = Check(name="Model", light=Light.AMBER, sentence="Never calibrated.")
RED = Check(name="Recording", light=Light.RED, sentence="It is not there.", exit_code=3)


@pytest.fixture
def shown(qtbot):
    panel = CheckList("Before you start", "Choose a recording.")
    qtbot.addWidget(panel)
    panel.show()
    return panel


def _visible(panel):
    return [label.text() for row in panel._rows for label in row if label.isVisible()]


def test_before_anything_was_checked_it_says_what_to_do(shown):
    assert shown.headline.text() == "Choose a recording."
    assert _visible(shown) == []


@pytest.mark.parametrize(
    ("checks", "color", "numbers"),
    [
        ((GREEN, GREEN), GOOD, "2 green"),
        ((GREEN, AMBER), FLAGGED, "1 amber, 1 green"),
        ((GREEN, AMBER, RED), BAD, "1 red, 1 amber, 1 green"),
    ],
)
def test_the_headline_counts_the_lights_and_has_the_color_of_the_worst(
    shown, checks, color, numbers
):
    shown.setValue(checks)
    assert shown.value() == checks
    assert shown.headline.text().endswith(f"Before you start: {numbers}")
    assert color in shown.headline.styleSheet()


def test_green_lines_are_folded_away_until_they_are_asked_for(shown):
    shown.setValue((GREEN, RED))
    assert _visible(shown) == ["■ Recording", "It is not there."]
    shown.fold_button.click()
    assert _visible(shown) == ["● Disk", "9 GB are left.", "■ Recording", "It is not there."]


def test_fewer_lines_leave_nothing_of_the_ones_before(shown):
    shown.setValue((RED, AMBER))
    shown.setValue((AMBER,))
    assert _visible(shown) == ["▲ Model", "Never calibrated."]


def test_it_can_be_asked_again(shown, qtbot):
    with qtbot.waitSignal(shown.asked_again, timeout=1000):
        shown.again_button.click()
