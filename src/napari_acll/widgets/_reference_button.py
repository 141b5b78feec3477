"""The button that makes a neuron the one that all others are compared with."""

from qtpy.QtWidgets import QPushButton

from napari_acll.widgets._engine import LiveEngine

_TIP = (
    "Compare all traces with the current neuron (F): its trace is drawn in gray behind each, and"
    " beside each name stands the correlation with it. Once more, or without a current neuron:"
    " compare with none"
)


class ReferenceButton(QPushButton):
    """Makes the current neuron of an engine the reference, or ends that.

    Parameters
    ----------
    engine : LiveEngine
        Whose neurons are meant.
    """

    def __init__(self, engine: LiveEngine) -> None:
        super().__init__()
        self._engine = engine
        self.setToolTip(_TIP)
        self.clicked.connect(self.press)
        engine.reference_changed.connect(self.show_reference)
        self.show_reference()

    def press(self) -> None:
        """Make the current neuron the reference; if it is that, or there is none, end it."""
        current = self._engine.current
        if current or self._engine.reference:
            self._engine.compare_with(current or self._engine.reference)

    def show_reference(self) -> None:
        """Show which neuron is the reference."""
        name = reference_name(self._engine)
        self.setText(f"Reference: {name}" if name else "Reference")


def reference_name(engine: LiveEngine) -> str:
    """Return the name of the reference, empty if there is none."""
    run = engine.run
    if not engine.reference or run is None or run.session is None:
        return ""
    names = run.session.store.neurons.names
    return names[engine.reference - 1] if engine.reference <= len(names) else ""
