"""What is to be done when a widget is gone is done, whoever holds what by then."""

import gc

import pytest
from qtpy.QtWidgets import QWidget

from napari_acll.widgets import _when_destroyed
from napari_acll.widgets._when_destroyed import when_destroyed


class Switch:
    def __init__(self, told) -> None:
        self._told = told

    def turn_off(self) -> None:
        self._told.append("off")


class Panel(QWidget):
    """Holds its switch, itself, and nobody else holds it."""

    def __init__(self, told, parent=None) -> None:
        super().__init__(parent)
        self.myself, self.switch = self, Switch(told)
        when_destroyed(self, self.switch.turn_off)


@pytest.mark.parametrize("is_collected", [False, True])
def test_a_child_that_only_its_parent_holds_is_told_of(qtbot, is_collected):
    told, parent = [], QWidget()
    Panel(told, parent)
    if is_collected:
        gc.collect()
    with qtbot.waitSignal(parent.destroyed, timeout=5000):
        parent.deleteLater()
    assert told == ["off"]


def test_a_panel_without_a_parent_is_told_of_when_it_is_collected(qapp):
    told = []
    Panel(told)
    gc.collect()
    qapp.processEvents()
    assert told == ["off"]


def test_nothing_is_kept_afterwards(qtbot):
    before = len(_when_destroyed._kept)
    panel = Panel([])
    assert len(_when_destroyed._kept) == before + 1
    with qtbot.waitSignal(panel.destroyed, timeout=5000):
        panel.deleteLater()
    assert len(_when_destroyed._kept) == before
