import json
import sys

import numpy as np
import pytest

from napari_acll.core import (
    PluginError,
    PublishedSample,
    PublishSettings,
    SettingsError,
    VolumeStatus,
)
from napari_acll.publish import ZmqPublisher, message_of
from napari_acll.testing import PublisherContract, fake_published

PATIENCE_MS = 20_000
ANY_PORT = "tcp://127.0.0.1:*"


@pytest.fixture
def subscribe():
    """Return what connects to a publisher and waits until its messages come."""
    zmq = pytest.importorskip("zmq", reason="the extra `zmq` is not installed")
    context = zmq.Context()
    sockets = []

    def to(publisher: ZmqPublisher):
        socket = context.socket(zmq.SUB)
        sockets.append(socket)
        socket.set(zmq.LINGER, 0)
        socket.set(zmq.RCVTIMEO, PATIENCE_MS)
        socket.connect(publisher.address)
        socket.subscribe(b"")
        _wait_until_heard(publisher, socket)
        return socket

    yield to
    for socket in sockets:
        socket.close()
    context.term()


def _wait_until_heard(publisher: ZmqPublisher, socket) -> None:
    """Publish until the first message comes; those that follow are taken away."""
    for _ in range(1000):
        publisher.publish(fake_published(0))
        if socket.poll(20):
            break
    else:
        pytest.fail("nothing was heard")
    while socket.poll(200):
        socket.recv()


class TestZmqPublisher(PublisherContract):
    """A publisher as good as any."""

    @pytest.fixture(autouse=True)
    def _subscribe(self, subscribe):
        self.subscribe = subscribe

    def make_publisher(self):
        return ZmqPublisher(ANY_PORT)

    def listen(self, publisher):
        socket = self.subscribe(publisher)

        def hear():
            told = socket.recv_json()
            if told["kind"] == "end":
                return None
            ratios = {neuron["name"]: neuron["ratio"] for neuron in told["neurons"]}
            return told["index"], told["status"], ratios

        return hear


def test_a_message_tells_all_that_is_known_of_a_sample():
    told = json.loads(message_of(fake_published(2), session="abc", number=7))
    neurons = told.pop("neurons")
    assert told == {
        "format": "napari-acll traces",
        "version": 1,
        "kind": "sample",
        "session": "abc",
        "number": 7,
        "index": 2,
        "status": "traced",
        "time_s": 1.0,
        "seen_at_s": 1001.0,
        "traced_at_s": 1001.2,
        "sent_at_s": 1001.25,
    }
    assert [neuron["name"] for neuron in neurons] == ["AVAL", "AVAR", "RIBL"]
    assert [neuron["is_pinned"] for neuron in neurons] == [True, False, False]
    assert [neuron["flags"] for neuron in neurons] == [[], ["impulse", "cut_off"], []]
    assert neurons[0]["ratio_sd"] == pytest.approx(0.01)
    assert neurons[1]["ratio_sd"] is None
    assert [np.float32(neuron["confidence"]) for neuron in neurons] == [
        np.float32(value) for value in (0.9, 0.8, 0.7)
    ]
    assert neurons[0]["ratio"] == float(np.float32(2.1))
    assert neurons[2]["ratio"] is None
    assert neurons[1]["time_s"] == 1.15


def test_what_is_not_known_is_null_and_not_a_number_that_json_lacks():
    gap = PublishedSample.without_values(4, VolumeStatus.LOST, traced_at_s=9.0)
    told = json.loads(message_of(gap, session="abc", number=0), parse_constant=pytest.fail)
    assert (told["status"], told["neurons"]) == ("lost", [])
    assert told["time_s"] is None
    assert told["seen_at_s"] is None


def opened(address: str = ANY_PORT) -> ZmqPublisher:
    pytest.importorskip("zmq", reason="the extra `zmq` is not installed")
    publisher = ZmqPublisher(address)
    publisher.open()
    return publisher


def test_messages_are_counted_so_that_a_missing_one_is_seen(subscribe):
    publisher = opened()
    socket = subscribe(publisher)
    publisher.publish(fake_published(1))
    publisher.publish(fake_published(2))
    publisher.close()
    first, second, end = (socket.recv_json() for _ in range(3))
    assert second["number"] == first["number"] + 1
    assert (end["kind"], end["number"]) == ("end", second["number"] + 1)
    assert first["session"] == end["session"] != ""


def test_two_publishers_cannot_have_one_address_and_the_second_says_so():
    first = opened()
    second = ZmqPublisher(first.address)
    host, _, port = first.address.rpartition(":")
    with pytest.raises(SettingsError, match="another program uses this port") as refused:
        second.open()
    assert f"publish.address = {host}:{int(port) + 1}," in str(refused.value)
    first.close()
    second.open()
    second.close()


def test_an_address_that_is_not_of_this_computer_is_told_with_the_reason():
    pytest.importorskip("zmq", reason="the extra `zmq` is not installed")
    with pytest.raises(SettingsError, match=r"192\.0\.2\.1:5571 \(.+\); choose another port"):
        ZmqPublisher("tcp://192.0.2.1:5571").open()


def test_only_this_computer_is_told_unless_it_is_asked_for_more():
    assert PublishSettings().address.startswith("tcp://127.0.0.1:")
    pytest.importorskip("zmq", reason="the extra `zmq` is not installed")
    publisher = ZmqPublisher.from_settings(PublishSettings(address="tcp://*:*"))
    publisher.open()
    assert publisher.address.startswith("tcp://0.0.0.0:")
    publisher.close()


def test_a_closed_publisher_says_so():
    publisher = opened()
    publisher.close()
    with pytest.raises(ValueError, match="is not open"):
        publisher.publish(fake_published(1))


def test_without_pyzmq_the_install_command_is_told(monkeypatch):
    monkeypatch.setitem(sys.modules, "zmq", None)
    with pytest.raises(PluginError, match=r'pip install "napari-acll\[zmq\]"'):
        ZmqPublisher(ANY_PORT)
