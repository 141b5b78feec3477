"""The color bar of confidence."""

import numpy as np
from qtpy.QtCore import QPointF, QRectF, QSize, Qt
from qtpy.QtGui import QColor, QLinearGradient, QPainter, QPaintEvent
from qtpy.QtWidgets import QSizePolicy, QWidget

from napari_acll.widgets._colors import confidence_rgb
from napari_acll.widgets._text_size import text_scale

_TICKS = (0.0, 0.5, 0.75, 1.0)
_BAR_HEIGHT_PX = 8
_TEXT_PX = 10


class ConfidenceLegend(QWidget):
    """Shows which color stands for which confidence."""

    def __init__(self) -> None:
        super().__init__()
        self.setToolTip("Color of labels and traces: probability that the name is right")
        self.setSizePolicy(QSizePolicy.Policy.Preferred, QSizePolicy.Policy.Fixed)

    def sizeHint(self) -> QSize:  # noqa: N802
        """Return a size at which the numbers are readable."""
        return QSize(190, 26) * _scale()

    def minimumSizeHint(self) -> QSize:  # noqa: N802
        """Return the smallest useful size."""
        return QSize(150, 26) * _scale()

    def paintEvent(self, event: QPaintEvent) -> None:  # noqa: ARG002, N802
        """Draw title, bar and numbers."""
        painter = QPainter(self)
        font = painter.font()
        scale = _scale()
        font.setPixelSize(round(_TEXT_PX * scale))
        painter.setFont(font)
        painter.setPen(self.palette().windowText().color())
        title_width = painter.fontMetrics().horizontalAdvance("confidence ") + 4
        painter.drawText(QPointF(0, 9 * scale), "confidence")
        left, width = float(title_width), float(self.width() - title_width - 8)
        gradient = QLinearGradient(left, 0, left + width, 0)
        for stop in np.linspace(0, 1, 21):
            gradient.setColorAt(float(stop), QColor(*confidence_rgb(stop).tolist()))
        painter.fillRect(QRectF(left, 2, width, _BAR_HEIGHT_PX * scale), gradient)
        for tick in _TICKS:
            top, half = _BAR_HEIGHT_PX * scale + 3, 20 * scale
            place = QRectF(left + tick * width - half, top, 2 * half, 13 * scale)
            if tick == 1.0:
                place.moveRight(left + width + 8)
            painter.drawText(place, _aligned(tick), f"{tick:g}")
        painter.end()


def _scale() -> float:
    return max(1.0, text_scale())


def _aligned(tick: float) -> Qt.AlignmentFlag:
    return Qt.AlignmentFlag.AlignRight if tick == 1.0 else Qt.AlignmentFlag.AlignHCenter
