"""The list of neurons with their present confidence and how often they were seen."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from qtpy.QtCore import (
    QAbstractTableModel,
    QItemSelection,
    QItemSelectionModel,
    QModelIndex,
    QSortFilterProxyModel,
    Qt,
    Signal,
)
from qtpy.QtGui import QColor
from qtpy.QtWidgets import (
    QAbstractItemView,
    QHeaderView,
    QLineEdit,
    QTableView,
    QVBoxLayout,
    QWidget,
)

from napari_acll.widgets._colors import confidence_rgb

_SORT_ROLE = Qt.ItemDataRole.UserRole
_HEADERS = ("Neuron", "Now", "Seen")
_TIPS = (
    "Neurons of the model; select some to see their traces. AVAL? may be AVAR",
    "Confidence of the name in the newest volume",
    "Part of the volumes so far in which the neuron was found",
)


class NeuronTableModel(QAbstractTableModel):
    """One row per neuron of the model: name, present confidence, coverage."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._names: tuple[str, ...] = ()
        self._now: NDArray[np.float32] = np.zeros(0, np.float32)
        self._coverage: NDArray[np.float32] = np.zeros(0, np.float32)
        self._has_doubt: NDArray[np.bool_] = np.zeros(0, bool)

    def set_names(self, names: Sequence[str]) -> None:
        """Show these neurons, none of them seen yet."""
        self.beginResetModel()
        self._names = tuple(names)
        self._now = np.full(len(names), np.nan, np.float32)
        self._coverage = np.zeros(len(names), np.float32)
        self._has_doubt = np.zeros(len(names), bool)
        self.endResetModel()

    def set_values(self, now: NDArray[np.float32], coverage: NDArray[np.float32]) -> None:
        """Show new values of all neurons, each of shape `(n_neurons,)`."""
        self._now, self._coverage = now, coverage
        if self._names:
            last = self.index(len(self._names) - 1, len(_HEADERS) - 1)
            self.dataChanged.emit(self.index(0, 1), last)

    def set_side_doubt(self, has_doubt: NDArray[np.bool_]) -> None:
        """Mark the neurons, shape `(n_neurons,)`, whose name may be that of the other side."""
        self._has_doubt = has_doubt

    def rowCount(self, parent: QModelIndex | None = None) -> int:  # noqa: N802
        """Return the number of neurons."""
        return 0 if parent is not None and parent.isValid() else len(self._names)

    def columnCount(self, parent: QModelIndex | None = None) -> int:  # noqa: N802
        """Return the number of columns."""
        return 0 if parent is not None and parent.isValid() else len(_HEADERS)

    def headerData(  # noqa: N802
        self, section: int, orientation: Qt.Orientation, role: int = Qt.ItemDataRole.DisplayRole
    ) -> Any:
        """Return title and tooltip of a column."""
        if orientation != Qt.Orientation.Horizontal:
            return None
        if role == Qt.ItemDataRole.DisplayRole:
            return _HEADERS[section]
        return _TIPS[section] if role == Qt.ItemDataRole.ToolTipRole else None

    def data(self, index: QModelIndex, role: int = Qt.ItemDataRole.DisplayRole) -> Any:
        """Return what a cell shows, sorts by, or is coloured with."""
        row, column = index.row(), index.column()
        if role == _SORT_ROLE:
            return self._sort_value(row, column)
        if role == Qt.ItemDataRole.DisplayRole:
            return self._text(row, column)
        if role == Qt.ItemDataRole.DecorationRole and column == 1:
            return QColor(*confidence_rgb(self._now[row]).tolist()) if self._is_seen(row) else None
        return None

    def _is_seen(self, row: int) -> bool:
        return bool(np.isfinite(self._now[row]))

    def _sort_value(self, row: int, column: int) -> str | float:
        if column == 0:
            return self._names[row]
        if column == 1:
            return float(self._now[row]) if self._is_seen(row) else -1.0
        return float(self._coverage[row])

    def _text(self, row: int, column: int) -> str:
        if column == 0:
            return f"{self._names[row]}?" if self._has_doubt[row] else self._names[row]
        if column == 1:
            return f"{self._now[row]:.2f}" if self._is_seen(row) else "-"
        return f"{self._coverage[row]:.0%}"


class NeuronTableView(QWidget):
    """The neurons as a sortable list with a search field; its selection is what is plotted."""

    rowsChosen = Signal(list)  # noqa: N815  Qt classes keep Qt's names

    def __init__(self) -> None:
        super().__init__()
        self.model = NeuronTableModel(self)
        self._sorted = QSortFilterProxyModel(self)
        self._sorted.setSourceModel(self.model)
        self._sorted.setSortRole(_SORT_ROLE)
        self._sorted.setDynamicSortFilter(False)  # rows that jump cannot be clicked
        self._sorted.setFilterCaseSensitivity(Qt.CaseSensitivity.CaseInsensitive)
        self._table = self._make_table()
        self._search = QLineEdit()
        self._search.setPlaceholderText("Find neuron")
        self._search.setClearButtonEnabled(True)
        self._search.textChanged.connect(self._sorted.setFilterFixedString)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(2)
        layout.addWidget(self._search)
        layout.addWidget(self._table)
        self._is_own_change = False
        self._table.selectionModel().selectionChanged.connect(self._on_selection)

    def _make_table(self) -> QTableView:
        table = QTableView()
        table.setModel(self._sorted)
        table.setSelectionBehavior(QAbstractItemView.SelectionBehavior.SelectRows)
        table.setSelectionMode(QAbstractItemView.SelectionMode.ExtendedSelection)
        table.setEditTriggers(QAbstractItemView.EditTrigger.NoEditTriggers)
        table.setSortingEnabled(True)
        table.sortByColumn(0, Qt.SortOrder.AscendingOrder)
        table.setShowGrid(False)
        table.verticalHeader().hide()
        table.verticalHeader().setDefaultSectionSize(20)
        header = table.horizontalHeader()
        header.setMinimumSectionSize(20)
        header.setSectionResizeMode(QHeaderView.ResizeMode.Fixed)
        header.setSectionResizeMode(0, QHeaderView.ResizeMode.Stretch)
        header.resizeSection(1, 58)
        header.resizeSection(2, 46)
        table.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        return table

    def chosen_rows(self) -> list[int]:
        """Return the selected neurons in the order of the list."""
        chosen = self._table.selectionModel().selectedRows()
        ordered = sorted(chosen, key=lambda index: index.row())
        return [self._sorted.mapToSource(index).row() for index in ordered]

    def choose(self, rows: Sequence[int]) -> None:
        """Select these neurons without telling `rowsChosen`."""
        selection = QItemSelection()
        for row in rows:
            index = self._sorted.mapFromSource(self.model.index(row, 0))
            selection.select(index, index)
        flags = QItemSelectionModel.SelectionFlag
        self._is_own_change = True
        self._table.selectionModel().select(selection, flags.ClearAndSelect | flags.Rows)
        self._is_own_change = False

    def _on_selection(self) -> None:
        if not self._is_own_change:
            self.rowsChosen.emit(self.chosen_rows())
