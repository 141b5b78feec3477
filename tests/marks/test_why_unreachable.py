import socket
from types import SimpleNamespace

import pytest

from napari_acll.marks import open_channel, why_unreachable


def test_a_program_that_listens_can_be_reached_and_one_that_does_not_cannot():
    with socket.socket() as program:
        program.bind(("127.0.0.1", 0))
        program.listen()
        address = f"tcp://127.0.0.1:{program.getsockname()[1]}"
        assert why_unreachable(open_channel(address)) == ""
    assert "nobody answers" in why_unreachable(open_channel(address))


def test_a_table_needs_its_folder(tmp_path):
    assert why_unreachable(open_channel(str(tmp_path / "a.csv"))) == ""
    assert "no folder" in why_unreachable(open_channel(str(tmp_path / "gone" / "a.csv")))


def test_a_serial_port_is_looked_for_and_not_opened(monkeypatch):
    serial = pytest.importorskip("serial")
    monkeypatch.setattr(
        "serial.tools.list_ports.comports", lambda: [SimpleNamespace(device="COM3")]
    )

    def refuse(*_arguments, **_options):
        raise AssertionError("it was opened, which resets the device")

    monkeypatch.setattr(serial, "serial_for_url", refuse)
    assert why_unreachable(open_channel("serial:COM3@9600")) == ""
    assert "there are COM3" in why_unreachable(open_channel("serial:COM4"))


def test_a_channel_that_does_not_say_is_taken_at_its_word():
    assert why_unreachable(SimpleNamespace()) == ""
