"""The values of all neurons, as Qt's tables want them."""

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from qtpy.QtCore import QAbstractTableModel, QModelIndex, QSortFilterProxyModel, Qt, Signal
from qtpy.QtGui import QColor
from qtpy.QtWidgets import QWidget

from napari_acll.widgets._colors import confidence_rgb
from napari_acll.widgets._neuron_columns import (
    CHECKED,
    FEW_COLUMNS,
    FORECAST,
    NAME,
    NOW,
    VERDICT,
    NeuronColumn,
)

SORT_ROLE = Qt.ItemDataRole.UserRole


class NeuronTableModel(QAbstractTableModel):
    """One row per neuron of the model.

    Parameters
    ----------
    parent : QWidget, optional
        Owner.
    columns : sequence of NeuronColumn
        What it has of each neuron.
    """

    boxClicked = Signal(str, int)  # noqa: N815  Qt classes keep Qt's names

    def __init__(
        self, parent: QWidget | None = None, columns: Sequence[NeuronColumn] = FEW_COLUMNS
    ) -> None:
        super().__init__(parent)
        self.columns = tuple(columns)
        self._names: tuple[str, ...] = ()
        self._values: dict[str, NDArray[Any]] = {}
        self._has_doubt: NDArray[np.bool_] = np.zeros(0, bool)
        self._reason: Callable[[int], str] = _no_reason

    def set_names(self, names: Sequence[str]) -> None:
        """Show these neurons, none of them seen yet."""
        self.beginResetModel()
        self._names = tuple(names)
        self._values = {
            "now": np.full(len(names), np.nan, np.float32),
            "coverage": np.zeros(len(names), np.float32),
        }
        self._has_doubt = np.zeros(len(names), bool)
        self.endResetModel()

    def set_values(
        self, now: NDArray[np.float32], coverage: NDArray[np.float32], **others: NDArray[Any]
    ) -> None:
        """Show new values of all neurons, each of shape `(n_neurons,)`, by the column's key."""
        self._values = {"now": now, "coverage": coverage, **others}
        if self._names:
            last = self.index(len(self._names) - 1, len(self.columns) - 1)
            self.dataChanged.emit(self.index(0, 0), last)

    def set_side_doubt(self, has_doubt: NDArray[np.bool_]) -> None:
        """Mark the neurons, shape `(n_neurons,)`, whose name may be that of the other side."""
        self._has_doubt = has_doubt

    def set_reason(self, reason: Callable[[int], str]) -> None:
        """Let the tips of forecasts say what this returns for a row."""
        self._reason = reason

    def verdict(self, row: int) -> int:
        """Return the verdict of a neuron; 0 where there is none."""
        values = self._values.get(VERDICT.key)
        return 0 if values is None else int(values[row])

    def confidence_now(self, row: int) -> float:
        """Return the confidence of a neuron in the newest volume, NaN where it is absent."""
        return float(self._values["now"][row])

    def rowCount(self, parent: QModelIndex | None = None) -> int:  # noqa: N802
        """Return the number of neurons."""
        return 0 if parent is not None and parent.isValid() else len(self._names)

    def columnCount(self, parent: QModelIndex | None = None) -> int:  # noqa: N802
        """Return the number of columns."""
        return 0 if parent is not None and parent.isValid() else len(self.columns)

    def flags(self, index: QModelIndex) -> Any:
        """Return what can be done with a cell: some have a box to click."""
        flags = super().flags(index)
        if index.isValid() and self.columns[index.column()] in CHECKED:
            return flags | Qt.ItemFlag.ItemIsUserCheckable
        return flags

    def headerData(  # noqa: N802
        self, section: int, orientation: Qt.Orientation, role: int = Qt.ItemDataRole.DisplayRole
    ) -> Any:
        """Return title and tooltip of a column."""
        if orientation != Qt.Orientation.Horizontal:
            return None
        if role == Qt.ItemDataRole.DisplayRole:
            return self.columns[section].title
        return self.columns[section].tip if role == Qt.ItemDataRole.ToolTipRole else None

    def data(self, index: QModelIndex, role: int = Qt.ItemDataRole.DisplayRole) -> Any:
        """Return what a cell shows, sorts by, or is colored with."""
        row, column = index.row(), self.columns[index.column()]
        if role == SORT_ROLE:
            return self._sort_value(row, column)
        if role == Qt.ItemDataRole.DisplayRole:
            return self._text(row, column)
        if role == Qt.ItemDataRole.ToolTipRole and column in (FORECAST, VERDICT):
            return self._reason(row) or None
        if role == Qt.ItemDataRole.CheckStateRole and column in CHECKED:
            is_checked = self._sort_value(row, column) > 0
            return Qt.CheckState.Checked if is_checked else Qt.CheckState.Unchecked
        if role == Qt.ItemDataRole.DecorationRole and column is NOW:
            confidence = self._values["now"][row]
            is_seen = bool(np.isfinite(confidence))
            return QColor(*confidence_rgb(confidence).tolist()) if is_seen else None
        return None

    def setData(  # noqa: N802
        self,
        index: QModelIndex,
        value: object,  # noqa: ARG002  what is checked is decided by who listens
        role: int = Qt.ItemDataRole.EditRole,
    ) -> bool:
        """Tell that a box was clicked; it changes when what it stands for does."""
        column = self.columns[index.column()]
        if role != Qt.ItemDataRole.CheckStateRole or column not in CHECKED:
            return False
        self.boxClicked.emit(column.key, index.row())
        return True

    def _sort_value(self, row: int, column: NeuronColumn) -> Any:
        if column is NAME:
            return self._names[row]
        values = self._values.get(column.key)
        if values is None or not np.isfinite(values[row]):
            return -math.inf
        return float(values[row])

    def _text(self, row: int, column: NeuronColumn) -> str:
        if column is NAME:
            return f"{self._names[row]}?" if self._has_doubt[row] else self._names[row]
        values = self._values.get(column.key)
        if column in CHECKED or values is None:
            return ""
        if column.words:
            return column.words[int(values[row])]
        return column.form.format(values[row]) if np.isfinite(values[row]) else column.absent


def _no_reason(row: int) -> str:  # noqa: ARG001  before there is a forecast
    return ""


class NeuronFilter(QSortFilterProxyModel):
    """Sorts the neurons, and shows those that a text and a confidence let through."""

    def __init__(self, model: NeuronTableModel) -> None:
        super().__init__(model)
        self._model = model
        self._least: float | None = None
        self._least_verdict = 0
        self.setSourceModel(model)
        self.setSortRole(SORT_ROLE)
        self.setDynamicSortFilter(False)  # rows that jump cannot be clicked
        self.setFilterCaseSensitivity(Qt.CaseSensitivity.CaseInsensitive)

    def set_least_confidence(self, least: float | None) -> None:
        """Show only neurons with at least this confidence now; None: all of them."""
        self._least = least
        self.invalidate()

    def set_least_verdict(self, least: int) -> None:
        """Show only neurons with at least this verdict; 0: all of them."""
        self._least_verdict = least
        self.invalidate()  # its half, `invalidateFilter`, is deprecated in newer Qt

    def filterAcceptsRow(self, row: int, parent: QModelIndex) -> bool:  # noqa: N802
        """Return whether a neuron is shown."""
        is_good = self._least is None or self._model.confidence_now(row) >= self._least
        is_good &= self._model.verdict(row) >= self._least_verdict
        return is_good and bool(super().filterAcceptsRow(row, parent))
