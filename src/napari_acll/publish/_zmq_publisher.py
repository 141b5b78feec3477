"""Samples for whoever subscribes, through ZeroMQ."""

import secrets
from types import ModuleType
from typing import Any, Self

from napari_acll.core import PluginError, PublishedSample, PublishSettings, SettingsError
from napari_acll.publish._message import end_message, message_of

_WAITING = 1000
_LAST_PORT = 65535
_LINGER_MS = 1000
"""A busy computer takes some of it to hand on the last message, that this is the end."""


class ZmqPublisher:
    """Offers each sample to all programs that subscribe, and waits for none of them.

    For a program that reads too slowly a thousand messages are kept; then it misses some, and
    sees by their numbers which. One message is one JSON object in one frame.

    Parameters
    ----------
    address : str
        Where programs connect to: `tcp://127.0.0.1:5571` for those of this computer,
        `tcp://*:5571` for all that can reach it. Nothing is encrypted.

    Raises
    ------
    PluginError
        If pyzmq is not installed.
    """

    def __init__(self, address: str) -> None:
        self._zmq: Any = _load_zmq()
        self._session = secrets.token_hex(8)
        self._n_sent = 0
        self._address = address
        self._context: Any = None
        self._socket: Any = None

    @classmethod
    def from_settings(cls, settings: PublishSettings) -> Self:
        """Return the publisher that the settings ask for.

        Raises
        ------
        PluginError
            See the class.
        """
        return cls(settings.address)

    @property
    def address(self) -> str:
        """The address; once open, with the port that was chosen where it was left open."""
        return self._address

    def open(self) -> None:
        """Take the address.

        Raises
        ------
        SettingsError
            If it cannot be used.
        """
        address = self._address
        self._context = self._zmq.Context()
        self._socket = self._context.socket(self._zmq.PUB)
        self._socket.set(self._zmq.SNDHWM, _WAITING)
        self._socket.set(self._zmq.LINGER, _LINGER_MS)
        try:
            self._socket.bind(address)
        except self._zmq.ZMQError as error:
            self._release()
            raise SettingsError(self._why_not(error)) from error
        self._address = str(self._socket.get_string(self._zmq.LAST_ENDPOINT))

    def _why_not(self, error: Any) -> str:
        """Return why the address cannot be taken, and what to do."""
        if error.errno == self._zmq.EADDRINUSE:
            return (
                f"Samples cannot be published at {self._address}: another program uses this port,"
                " perhaps another session. Give one of the two a port of its own, such as"
                f" publish.address = {_next_port(self._address)}, or set publish.mode to off."
            )
        reason = str(self._zmq.strerror(error.errno)).lower()
        return (
            f"Samples cannot be published at {self._address} ({reason}); choose another"
            " port or an address of this computer (publish.address), or switch it off"
            " (publish.mode)."
        )

    def publish(self, sample: PublishedSample) -> None:
        """Send one timepoint.

        Raises
        ------
        ValueError
            If the publisher is not open.
        """
        if self._socket is None:
            raise ValueError("The publisher is not open; call open() first.")
        self._send(message_of(sample, session=self._session, number=self._n_sent))

    def close(self) -> None:
        """Say that no more come, if any did, and let go of the address; may be done twice."""
        if self._socket is None:
            return
        try:
            if self._n_sent:
                self._send(end_message(session=self._session, number=self._n_sent))
        finally:
            self._release()

    def _send(self, message: bytes) -> None:
        self._socket.send(message)  # never waits: where nobody takes it, it is dropped
        self._n_sent += 1

    def _release(self) -> None:
        self._socket.close()
        self._context.term()
        self._socket = self._context = None


def _next_port(address: str) -> str:
    host, _, port = address.rpartition(":")
    if not port.isdigit():
        return address
    return f"{host}:{int(port) + 1 if int(port) < _LAST_PORT else _LAST_PORT - 1}"


def _load_zmq() -> ModuleType:
    try:
        import zmq
    except ImportError as error:
        raise PluginError(
            'Publishing samples needs pyzmq; install it with pip install "napari-acll[zmq]", or'
            " switch it off (publish.mode)."
        ) from error
    return zmq
