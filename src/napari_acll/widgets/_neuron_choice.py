"""Which neurons of a session are chosen, looked at and compared with, for all docks alike."""

from collections.abc import Iterable
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from qtpy.QtCore import QObject, Signal

from napari_acll.core import NeuronTable, TraceStore
from napari_acll.quality import ReferenceCorrelation
from napari_acll.widgets._layers import LiveLayers

if TYPE_CHECKING:
    import napari.viewer


class NeuronChoice(QObject):
    """Keeps what is chosen, tells all docks, and shows it in the layers.

    Parameters
    ----------
    viewer : napari.viewer.Viewer
        Held weakly; may be the proxy that plugins get.

    Attributes
    ----------
    chosen_changed : Signal(frozenset of int)
        Class numbers of the neurons that are chosen from now on.
    current_changed : Signal(int)
        Class number of the neuron that is looked at from now on, 0 for none.
    neuron_picked : Signal(int)
        Class number of the label that the user has clicked.
    reference_changed : Signal(int)
        Class number of the neuron that the others are compared with from now on, 0 for none.
    """

    neuron_picked = Signal(int)
    chosen_changed = Signal(object)
    current_changed = Signal(int)
    reference_changed = Signal(int)

    def __init__(self, viewer: "napari.viewer.Viewer") -> None:
        super().__init__()
        self.layers = LiveLayers(viewer, on_pick=self._pick)
        self._chosen: frozenset[int] = frozenset()
        self._current = 0
        self._reference = 0
        self._correlations = ReferenceCorrelation()
        self._neurons: NeuronTable | None = None
        self._names_all = False

    @property
    def store(self) -> TraceStore | None:
        """The traces of these neurons; None while there are none."""
        return None

    @property
    def chosen(self) -> frozenset[int]:
        """Class numbers of the neurons that are chosen: those drawn as lines and named."""
        return self._chosen

    @property
    def current(self) -> int:
        """Class number of the neuron that is looked at, 0 for none."""
        return self._current

    @property
    def reference(self) -> int:
        """Class number of the neuron that the others are compared with, 0 for none."""
        return self._reference

    def compare_with(self, class_number: int) -> None:
        """Compare all traces with that of a neuron; 0, or the same one again: with none."""
        class_number = 0 if class_number == self._reference else class_number
        if class_number != self._reference:
            self._reference = class_number
            self.reference_changed.emit(class_number)

    def correlations(self) -> NDArray[np.float32] | None:
        """Return `quality.correlation_with` the reference, one per neuron; None without one."""
        store, row = self.store, self._reference - 1
        if store is None or not 0 <= row < len(store.neurons):
            return None
        return self._correlations.of(store, row)

    def choose(self, numbers: Iterable[int]) -> None:
        """Choose neurons, in place of those chosen before; all docks follow.

        Parameters
        ----------
        numbers : iterable of int
            Class numbers.
        """
        chosen = frozenset(numbers)
        if chosen == self._chosen:
            return
        self._chosen = chosen
        self._name_neurons()
        self.chosen_changed.emit(chosen)

    def pick(self, class_number: int) -> None:
        """Choose a neuron, too, and make it the current one; if it is that, leave it out again."""
        if class_number == self._current and class_number in self._chosen:
            self.choose(self._chosen - {class_number})
            self._set_current(0)
        else:
            self.choose(self._chosen | {class_number})
            self._set_current(class_number)

    def go_to(self, class_number: int) -> bool:
        """Make a neuron the current one and look at where it was seen last.

        Parameters
        ----------
        class_number : int
            From 1.

        Returns
        -------
        bool
            False if it was not seen yet: the viewer stays where it is.
        """
        self._set_current(class_number)
        return self.layers.go_to(class_number)

    def name_all(self, is_wanted: bool) -> None:
        """Write the names of all confident neurons, or of the chosen ones if there are any."""
        self._names_all = is_wanted
        self._name_neurons()

    def _note_neurons(self, neurons: NeuronTable) -> None:
        """Forget what is chosen if the model is another one: its class numbers mean others."""
        if self._neurons is not None and neurons != self._neurons:
            self.choose(())
            self._set_current(0)
            self.compare_with(0)
        self._neurons = neurons

    def _name_neurons(self) -> None:
        self.layers.name(() if self._names_all else self._chosen)

    def _set_current(self, class_number: int) -> None:
        if class_number != self._current:
            self._current = class_number
            self.current_changed.emit(class_number)

    def _pick(self, class_number: int) -> None:
        self.pick(class_number)
        self.neuron_picked.emit(class_number)
