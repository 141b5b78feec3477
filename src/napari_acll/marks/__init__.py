"""Where marks of behavior and stimuli come from."""

from napari_acll.marks._csv_channel import CsvChannel
from napari_acll.marks._line import mark_of_line
from napari_acll.marks._open import open_channel, why_unreachable
from napari_acll.marks._serial_channel import SerialChannel
from napari_acll.marks._zmq_channel import ZmqChannel

__all__ = [
    "CsvChannel",
    "SerialChannel",
    "ZmqChannel",
    "mark_of_line",
    "open_channel",
    "why_unreachable",
]
