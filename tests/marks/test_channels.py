"""Marks from sockets and serial lines, and how an address finds its channel."""

import socket
import sys
import threading

import pytest

from napari_acll.core import MarkChannel, PluginError, SettingsError
from napari_acll.marks import CsvChannel, SerialChannel, ZmqChannel, open_channel

PATIENCE_S = 10.0


def collect(channel, n: int):
    """Return the next marks, so many."""
    marks = []
    for _ in range(200):
        marks += channel.read(0.1)
        if len(marks) >= n:
            return marks
    pytest.fail(f"only {len(marks)} marks came")


@pytest.fixture
def stimulus():
    """Return a publishing socket that is bound, as a program that shows stimuli has it."""
    zmq = pytest.importorskip("zmq", reason="the extra `zmq` is not installed")
    context = zmq.Context()
    publisher = context.socket(zmq.XPUB)
    publisher.set(zmq.LINGER, 0)
    publisher.bind("tcp://127.0.0.1:*")
    yield publisher
    publisher.close()
    context.term()


@pytest.fixture
def device():
    """Return a server whose connection stands for the wire of a serial device."""
    pytest.importorskip("serial", reason="the extra `serial` is not installed")
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(PATIENCE_S)
        yield server


def test_a_program_that_publishes_is_heard(stimulus):
    address = stimulus.get_string(_last_endpoint())
    channel = ZmqChannel(address)
    assert isinstance(channel, MarkChannel)
    channel.open()
    assert stimulus.poll(10_000), "nobody subscribed"
    stimulus.recv()
    stimulus.send(b"light,1")
    stimulus.send_multipart([b"topic", b'{"name": "odor", "at_s": 5}'])
    stimulus.send(b"\xff\xfe")
    light, odor, noise = collect(channel, 3)
    assert (light.channel, light.name, light.value) == (address, "light", 1.0)
    assert (odor.name, odor.at_s) == ("odor", 5.0)
    assert noise.name
    assert channel.read(0.0) == []
    channel.close()
    channel.close()


def _last_endpoint():
    import zmq

    return zmq.LAST_ENDPOINT


def test_a_program_that_is_not_there_is_waited_for_without_an_error():
    pytest.importorskip("zmq", reason="the extra `zmq` is not installed")
    channel = ZmqChannel("tcp://127.0.0.1:1")
    channel.open()
    assert channel.read(0.01) == []
    channel.close()


def test_lines_of_a_serial_device_are_marks_also_in_pieces(device):
    host, port = device.getsockname()
    channel = SerialChannel(f"serial:socket://{host}:{port}@115200")
    assert isinstance(channel, MarkChannel)
    connected = []
    accept = threading.Thread(target=lambda: connected.append(device.accept()[0]))
    accept.start()
    channel.open()
    accept.join(PATIENCE_S)
    with connected[0] as wire:
        wire.sendall(b"light,1\r\nodor,0.")
        (light,) = collect(channel, 1)
        wire.sendall(b"25,IAA\n\n\nend\n")
        odor, end = collect(channel, 2)
    assert (light.channel, light.name, light.value) == (
        f"serial:socket://{host}:{port}",
        "light",
        1.0,
    )
    assert (odor.value, odor.note, end.name) == (0.25, "IAA", "end")
    channel.close()
    channel.close()


def test_a_device_that_goes_away_is_an_error_of_the_channel(device):
    host, port = device.getsockname()
    channel = SerialChannel(f"serial:socket://{host}:{port}")
    accept = threading.Thread(target=lambda: device.accept()[0].close())
    accept.start()
    channel.open()
    accept.join(PATIENCE_S)
    with pytest.raises(OSError, match="disconnect"):
        collect(channel, 1)
    channel.close()


def test_a_port_that_is_not_there_is_an_error_of_the_channel():
    pytest.importorskip("serial", reason="the extra `serial` is not installed")
    channel = SerialChannel("serial:NOWHERE7@9600")
    with pytest.raises(OSError, match="NOWHERE7"):
        channel.open()
    channel.close()


@pytest.mark.parametrize(
    ("address", "kind"),
    [
        ("tcp://192.168.1.7:5555", ZmqChannel),
        ("serial:COM3@115200", SerialChannel),
        ("serial:/dev/ttyUSB0", SerialChannel),
        (r"D:\worms\stage.csv", CsvChannel),
        ("stage.TSV", CsvChannel),
    ],
)
def test_an_address_finds_its_channel(address, kind):
    pytest.importorskip("zmq", reason="the extra `zmq` is not installed")
    pytest.importorskip("serial", reason="the extra `serial` is not installed")
    assert isinstance(open_channel(address), kind)


@pytest.mark.parametrize("address", ["", "tcp://host", "COM3", "stage.xlsx"])
def test_what_is_no_address_is_refused_with_what_is_expected(address):
    with pytest.raises(SettingsError, match="serial:PORT@BAUD, or a CSV file"):
        open_channel(address)


def test_a_serial_line_with_a_strange_speed_is_refused():
    with pytest.raises(SettingsError, match="such as serial:COM3@115200"):
        open_channel("serial:COM3@fast")


@pytest.mark.parametrize(
    ("module", "address", "extra"),
    [("zmq", "tcp://h:1", "zmq"), ("serial", "serial:COM3", "serial")],
)
def test_without_its_package_a_channel_tells_the_install_command(
    monkeypatch, module, address, extra
):
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(PluginError, match=rf'pip install "napari-acll\[{extra}\]"'):
        open_channel(address)
