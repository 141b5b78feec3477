"""Marks that another program publishes through ZeroMQ."""

import re
import socket
from collections.abc import Sequence
from types import ModuleType
from typing import Any, Self

from napari_acll.core import Mark, PluginError
from napari_acll.marks._line import mark_of_line

_ADDRESS = re.compile(r"tcp://[^:/\s]+:\d{1,5}")
_WAITING = 10_000
_MOST_BYTES = 1 << 16
_MOST_AT_ONCE = 1000
_RECONNECT_MS = 50
_ANSWER_S = 0.5


class ZmqChannel:
    """Subscribes to a program that publishes marks; it may come and go.

    Each message is one line of text as for `mark_of_line`, in its last frame.

    Parameters
    ----------
    address : str
        `tcp://HOST:PORT` to which the other program is bound.

    Raises
    ------
    PluginError
        If pyzmq is not installed.
    """

    def __init__(self, address: str) -> None:
        self._zmq: Any = _load_zmq()
        self._address = address
        self._context: Any = None
        self._socket: Any = None

    @classmethod
    def rejects(cls, address: str) -> str:
        """Return why this is no address of a program, empty if it is one."""
        return "" if _ADDRESS.fullmatch(address) else "it is not tcp://HOST:PORT"

    @classmethod
    def from_address(cls, address: str) -> Self:
        """Return the channel of an address; it waits for nothing.

        Raises
        ------
        PluginError
            See the class.
        """
        return cls(address)

    @property
    def name(self) -> str:
        """The address."""
        return self._address

    def why_unreachable(self) -> str:
        """Return that no program answers there, empty if one does; waits half a second at most."""
        host, _, port = self._address.removeprefix("tcp://").rpartition(":")
        try:
            socket.create_connection((host, int(port)), timeout=_ANSWER_S).close()
        except (OSError, OverflowError) as error:
            return f"nobody answers there ({error})"
        return ""

    def open(self) -> None:
        """Subscribe; the other program need not be there yet.

        Raises
        ------
        OSError
            If the address cannot be used.
        """
        self._context = self._zmq.Context()
        self._socket = self._context.socket(self._zmq.SUB)
        self._socket.set(self._zmq.LINGER, 0)
        self._socket.set(self._zmq.RCVHWM, _WAITING)
        self._socket.set(self._zmq.MAXMSGSIZE, _MOST_BYTES)
        self._socket.set(self._zmq.RECONNECT_IVL, _RECONNECT_MS)
        self._socket.subscribe(b"")
        try:
            self._socket.connect(self._address)
        except self._zmq.ZMQError as error:
            self.close()
            raise OSError(f"{self._address} cannot be used: {error}") from error

    def read(self, timeout_s: float) -> Sequence[Mark]:
        """Return the marks that came; waits for the first one, but no longer."""
        marks: list[Mark] = []
        if not self._socket.poll(round(1000 * timeout_s)):
            return marks
        while len(marks) < _MOST_AT_ONCE and self._socket.poll(0):
            *_, payload = self._socket.recv_multipart()
            mark = mark_of_line(payload.decode("utf-8", errors="replace"), channel=self.name)
            if mark is not None:
                marks.append(mark)
        return marks

    def close(self) -> None:
        """Let go of the address; also when it was never opened, and twice."""
        if self._socket is not None:
            self._socket.close()
            self._context.term()
            self._socket = self._context = None


def _load_zmq() -> ModuleType:
    try:
        import zmq
    except ImportError as error:
        raise PluginError(
            "Marks from another program need pyzmq; install it with"
            ' pip install "napari-acll[zmq]".'
        ) from error
    return zmq
