"""The commands that correct names: buttons, entries of a menu, and keys."""

from collections.abc import Collection, Iterable, Sequence

from qtpy.QtCore import QObject, Qt, Signal
from qtpy.QtGui import QAction, QKeySequence
from qtpy.QtWidgets import QPushButton, QWidget

from napari_acll.core import Correction, CorrectionKind, NeuronTable

_MARGIN_PX = 12


class CorrectionActions(QObject):
    """What can be done to the chosen neurons of a list; its signals tell what is wanted.

    Parameters
    ----------
    table : QWidget
        The list: has the keys while it has the focus, and the menu.
    """

    pinWanted = Signal()  # noqa: N815  Qt classes keep Qt's names
    muteWanted = Signal()  # noqa: N815
    renameWanted = Signal()  # noqa: N815
    swapWanted = Signal()  # noqa: N815
    undoWanted = Signal()  # noqa: N815
    redoWanted = Signal()  # noqa: N815
    goToWanted = Signal()  # noqa: N815
    referenceWanted = Signal()  # noqa: N815

    def __init__(self, table: QWidget) -> None:
        super().__init__(table)
        self._table = table
        self.pin = self._make("Pin", "P", "Vouch for the chosen names, or no longer")
        self.mute = self._make("Mute", "M", "Do not give the chosen names any more, or again")
        self.rename = self._make("Rename…", "R", "What is called so has another name from now on")
        self.swap = self._make(
            "Swap L/R", "S", "The chosen neuron and its partner on the other side change names"
        )
        self.undo = self._make("Undo", "Ctrl+Z", "Take back the last correction from now on")
        self.redo = self._make("Redo", "Ctrl+Shift+Z", "Make the last undone correction again")
        self.go_to = self._make("Go to", "Return", "Move the viewer to the neuron (double click)")
        self.reference = self._make(
            "Reference", "F", "Compare all traces with that of the chosen neuron, or no longer"
        )
        for action, signal in (
            (self.pin, self.pinWanted),
            (self.mute, self.muteWanted),
            (self.rename, self.renameWanted),
            (self.swap, self.swapWanted),
            (self.undo, self.undoWanted),
            (self.redo, self.redoWanted),
            (self.go_to, self.goToWanted),
            (self.reference, self.referenceWanted),
        ):
            action.triggered.connect(signal)
        table.setContextMenuPolicy(Qt.ContextMenuPolicy.ActionsContextMenu)

    def for_buttons(self) -> tuple[QAction, ...]:
        """Return those that have a button."""
        return (self.pin, self.mute, self.rename, self.swap, self.undo, self.redo)

    def enable(self, *, n_chosen: int, has_partner: bool, can_undo: bool, can_redo: bool) -> None:
        """Enable what can be done now.

        Parameters
        ----------
        n_chosen : int
            Neurons that are chosen in a session that runs.
        has_partner : bool
            Whether one of them has one on the other body side.
        can_undo, can_redo : bool
            Whether there is something to take back or make again.
        """
        for action in (self.pin, self.mute):
            action.setEnabled(n_chosen > 0)
        for action in (self.rename, self.go_to):
            action.setEnabled(n_chosen == 1)
        self.swap.setEnabled(has_partner)
        self.undo.setEnabled(can_undo)
        self.redo.setEnabled(can_redo)

    def _make(self, text: str, key: str, tip: str) -> QAction:
        action = QAction(text, self)
        action.setShortcut(QKeySequence(key))
        action.setShortcutContext(Qt.ShortcutContext.WidgetShortcut)
        shown = action.shortcut().toString(QKeySequence.SequenceFormat.NativeText)
        action.setToolTip(f"{tip} ({shown})")
        self._table.addAction(action)
        return action


class ActionButton(QPushButton):
    """A button of an action, as narrow as its text: napari draws tool buttons without a frame.

    Parameters
    ----------
    action : QAction
        What it triggers; it is enabled when that is.
    """

    def __init__(self, action: QAction) -> None:
        super().__init__(action.text())
        self.action = action
        self.setMinimumWidth(self.fontMetrics().horizontalAdvance(action.text()) + _MARGIN_PX)
        self.setToolTip(action.toolTip())
        self.clicked.connect(action.trigger)
        action.changed.connect(self._follow)
        self._follow()

    def _follow(self) -> None:
        self.setEnabled(self.action.isEnabled())


def toggles(
    names: Sequence[str],
    already: Collection[str],
    *,
    on: CorrectionKind,
    off: CorrectionKind,
) -> list[Correction]:
    """Return corrections that switch names on, or off where all of them are on.

    Parameters
    ----------
    names : sequence of str
        The chosen neurons.
    already : collection of str
        Names that are on.
    on, off : CorrectionKind
        What switches one name.
    """
    if all(name in already for name in names):
        return [Correction(kind=off, name=name) for name in names]
    return [Correction(kind=on, name=name) for name in names if name not in already]


def swaps(names: Iterable[str], neurons: NeuronTable) -> list[Correction]:
    """Return one swap for each pair of partners of which one or both are chosen.

    Parameters
    ----------
    names : iterable of str
        The chosen neurons; those without a partner are left alone.
    neurons : NeuronTable
        The neurons of the model.
    """
    made: dict[frozenset[str], Correction] = {}
    homologues = neurons.homologues()
    for name in names:
        other = homologues[neurons.class_number(name) - 1]
        if other:
            pair = frozenset((name, neurons.name(other)))
            swap = Correction(kind=CorrectionKind.SWAP, name=name, new_name=neurons.name(other))
            made.setdefault(pair, swap)
    return list(made.values())
