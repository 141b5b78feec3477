"""Sends each sample to other programs while it is hot."""

from napari_acll.publish._message import message_of
from napari_acll.publish._zmq_publisher import ZmqPublisher

__all__ = ["ZmqPublisher", "message_of"]
