"""The list of neurons: sortable, filterable, and its selection is what is chosen."""

from collections.abc import Callable, Sequence

from qtpy.QtCore import QItemSelection, QItemSelectionModel, QModelIndex, Qt, Signal
from qtpy.QtWidgets import (
    QAbstractItemView,
    QHeaderView,
    QLineEdit,
    QTableView,
    QVBoxLayout,
    QWidget,
)

from napari_acll.widgets._neuron_columns import FEW_COLUMNS, NeuronColumn
from napari_acll.widgets._neuron_model import NeuronFilter, NeuronTableModel
from napari_acll.widgets._text_size import text_scale, when_text_resized

_ROW_PX = 20


class NeuronTableView(QWidget):
    """The neurons as a sortable list with a search field; its selection is what is plotted.

    What is chosen stays so while the filter hides it.

    Parameters
    ----------
    columns : sequence of NeuronColumn
        What it shows of each neuron.
    """

    rowsChosen = Signal(list)  # noqa: N815  Qt classes keep Qt's names
    rowActivated = Signal(int)  # noqa: N815

    def __init__(self, columns: Sequence[NeuronColumn] = FEW_COLUMNS) -> None:
        super().__init__()
        self.model = NeuronTableModel(self, columns)
        self._sorted = NeuronFilter(self.model)
        self._chosen: list[int] = []
        self._is_own_change = False
        self.table = self._make_table()
        self._fit_text()
        when_text_resized(self._fit_text)
        self.search = QLineEdit()
        self.search.setPlaceholderText("Find neuron")
        self.search.setToolTip("Shows the neurons whose names contain this, such as AV")
        self.search.setClearButtonEnabled(True)
        self.search.textChanged.connect(self._find)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(2)
        layout.addWidget(self.search)
        layout.addWidget(self.table)
        self.table.selectionModel().selectionChanged.connect(self._on_selection)
        self.table.doubleClicked.connect(self._activate)

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
        header = table.horizontalHeader()
        header.setMinimumSectionSize(_ROW_PX)
        header.setHighlightSections(False)  # in bold type, which needs more room
        header.setSectionResizeMode(QHeaderView.ResizeMode.Fixed)
        header.setSectionResizeMode(0, QHeaderView.ResizeMode.Stretch)
        table.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        return table

    def _fit_text(self) -> None:
        """Make rows and columns as large as the text in them, and room for all columns."""
        scale = max(1.0, text_scale())
        self.table.verticalHeader().setDefaultSectionSize(round(_ROW_PX * scale))
        header = self.table.horizontalHeader()
        widths_px = [round(column.width_px * scale) for column in self.model.columns]
        for section, width_px in enumerate(widths_px[1:], start=1):
            header.resizeSection(section, width_px)
        # the names get what is left, which in a narrow dock would be nothing
        around_px = self.table.verticalScrollBar().sizeHint().width() + 2 * self.table.frameWidth()
        self.table.setMinimumWidth(sum(widths_px) + around_px)

    def chosen_rows(self) -> list[int]:
        """Return the selected neurons in the order of the list."""
        chosen = self.table.selectionModel().selectedRows()
        ordered = sorted(chosen, key=lambda index: index.row())
        return [self._sorted.mapToSource(index).row() for index in ordered]

    def choose(self, rows: Sequence[int]) -> None:
        """Select these neurons without telling `rowsChosen`."""
        self._chosen = list(rows)
        selection = QItemSelection()
        for row in rows:
            index = self._sorted.mapFromSource(self.model.index(row, 0))
            if index.isValid():
                selection.select(index, index)
        flags = QItemSelectionModel.SelectionFlag
        self._is_own_change = True
        self.table.selectionModel().select(selection, flags.ClearAndSelect | flags.Rows)
        self._is_own_change = False

    def set_least_confidence(self, least: float | None) -> None:
        """Show only neurons with at least this confidence now; None: all of them."""
        self._refilter(lambda: self._sorted.set_least_confidence(least))

    def set_least_verdict(self, least: int) -> None:
        """Show only neurons with at least this verdict; 0: all of them."""
        self._refilter(lambda: self._sorted.set_least_verdict(least))

    def _find(self, text: str) -> None:
        self._refilter(lambda: self._sorted.setFilterFixedString(text))

    def _refilter(self, change: Callable[[], None]) -> None:
        self._is_own_change = True
        change()
        self._is_own_change = False
        self.choose(self._chosen)

    def _on_selection(self) -> None:
        if not self._is_own_change:
            self._chosen = self.chosen_rows()
            self.rowsChosen.emit(self._chosen)

    def _activate(self, index: QModelIndex) -> None:
        self.rowActivated.emit(self._sorted.mapToSource(index).row())
