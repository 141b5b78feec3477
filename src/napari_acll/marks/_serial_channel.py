"""Marks from a serial line."""

import re
from collections.abc import Sequence
from pathlib import Path
from types import ModuleType
from typing import Any, Self

from napari_acll.core import Mark, PluginError, SettingsError
from napari_acll.marks._line import mark_of_line

_SCHEME = "serial:"
_ADDRESS = re.compile(_SCHEME + r"(?P<port>[^@\s]+)(?:@(?P<baud>\d{2,7}))?")
_BAUD = 9600
_LINE_END = re.compile(rb"[\r\n]+")
_LONGEST = 4096


class SerialChannel:
    """Reads lines from a serial port, each as for `mark_of_line`.

    Parameters
    ----------
    address : str
        `serial:COM3@115200`, or `serial:/dev/ttyUSB0`: 9600 baud if not said.

    Raises
    ------
    SettingsError
        If the address is not like this.
    PluginError
        If pyserial is not installed.
    """

    def __init__(self, address: str) -> None:
        match = _ADDRESS.fullmatch(address)
        if match is None:
            raise SettingsError(
                f"{address!r} is no serial line; give serial:PORT@BAUD, such as"
                " serial:COM3@115200 (marks.channels)."
            )
        self._serial: Any = _load_serial()
        self._port_name = match["port"]
        self._baud = int(match["baud"] or _BAUD)
        self._port: Any = None
        self._rest = b""

    @classmethod
    def rejects(cls, address: str) -> str:
        """Return why this is no serial line, empty if it is one."""
        return "" if address.startswith(_SCHEME) else f"it does not begin with {_SCHEME}"

    @classmethod
    def from_address(cls, address: str) -> Self:
        """Return the channel of a serial line, which is not opened yet.

        Raises
        ------
        SettingsError, PluginError
            See the class.
        """
        return cls(address)

    @property
    def name(self) -> str:
        """The port, without its speed."""
        return _SCHEME + self._port_name

    def why_unreachable(self) -> str:
        """Return that there is no such port, empty if there is; it is not opened.

        Opening it would reset many a device, such as an Arduino.
        """
        from serial.tools.list_ports import comports

        ports = [port.device for port in comports()]
        if self._port_name in ports or "://" in self._port_name or Path(self._port_name).exists():
            return ""
        return f"there is no such port; there are {', '.join(ports) or 'none'}"

    def open(self) -> None:
        """Open the port.

        Raises
        ------
        OSError
            If it is not there or in use.
        """
        try:
            self._port = self._serial.serial_for_url(self._port_name, baudrate=self._baud)
        except ValueError as error:
            raise OSError(f"{self.name} cannot be opened: {error}") from error
        self._rest = b""

    def read(self, timeout_s: float) -> Sequence[Mark]:
        """Return the marks of the lines that are complete; waits for bytes, but no longer.

        Raises
        ------
        OSError
            If the device is gone.
        """
        self._port.timeout = timeout_s
        text = self._rest + self._port.read(max(1, self._port.in_waiting))
        *lines, self._rest = _LINE_END.split(text)
        self._rest = self._rest[-_LONGEST:]
        marks = (mark_of_line(_decoded(line), channel=self.name) for line in lines)
        return [mark for mark in marks if mark is not None]

    def close(self) -> None:
        """Let go of the port; also when it was never opened, and twice."""
        if self._port is not None:
            self._port.close()
            self._port = None


def _decoded(line: bytes) -> str:
    return line.decode("utf-8", errors="replace")


def _load_serial() -> ModuleType:
    try:
        import serial
    except ImportError as error:
        raise PluginError(
            "Marks from a serial line need pyserial; install it with"
            ' pip install "napari-acll[serial]".'
        ) from error
    module: ModuleType = serial
    return module
