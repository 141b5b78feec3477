"""Keys of the live dock, which work wherever the cursor is in napari's window."""

from collections.abc import Callable
from dataclasses import dataclass

from qtpy.QtGui import QKeySequence
from qtpy.QtWidgets import QMessageBox, QShortcut, QWidget

TITLE = "Keys of AutoCellLabel Live"


@dataclass(frozen=True, slots=True, kw_only=True)
class Shortcut:
    """A key and what it does.

    Parameters
    ----------
    keys : str
        As Qt writes it, such as `Shift+F7`.
    text : str
        What it does, in a few words.
    action : callable
        What is called.
    """

    keys: str
    text: str
    action: Callable[[], None]


def install_shortcuts(widget: QWidget, shortcuts: list[Shortcut]) -> None:
    """Let keys act in the whole window of a widget, for as long as that is shown."""
    for shortcut in shortcuts:
        QShortcut(QKeySequence(shortcut.keys), widget).activated.connect(shortcut.action)


def shortcuts_text(shortcuts: list[Shortcut]) -> str:
    """Return the list of keys that the help shows."""
    lines = [f"{shortcut.keys}: {shortcut.text}" for shortcut in shortcuts]
    return "\n".join([*lines, "", "Tab and Shift+Tab go through all controls of the dock."])


def show_shortcuts(widget: QWidget, shortcuts: list[Shortcut]) -> None:
    """Show the list of keys, on top of a widget."""
    QMessageBox.information(widget, TITLE, shortcuts_text(shortcuts))
