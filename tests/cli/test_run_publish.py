"""Traces that other programs read, and marks from them, on the command line."""

import subprocess
import sys
import threading
from pathlib import Path

import pytest
from tests.session.test_build import SizeLabeler

from napari_acll.cli import run
from napari_acll.export import SavedSession
from napari_acll.publish import ZmqPublisher
from napari_acll.testing import fake_published

EXAMPLES = Path(__file__).parents[2] / "examples"
WORM = "simulated:geometry=small,volumes={},seed=3"
PATIENCE_S = 60.0


@pytest.fixture(autouse=True)
def _quick_model(monkeypatch):
    monkeypatch.setattr("napari_acll.label.load_labeler", lambda _: SizeLabeler())


@pytest.fixture
def address():
    """Return an address at which nobody publishes."""
    pytest.importorskip("zmq", reason="the extra `zmq` is not installed")
    publisher = ZmqPublisher("tcp://127.0.0.1:*")
    publisher.open()
    publisher.close()
    return publisher.address


@pytest.fixture
def listener(address):
    """Return a socket that hears whatever is published at the address, as soon as it is."""
    import zmq

    context = zmq.Context()
    socket = context.socket(zmq.SUB)
    socket.set(zmq.LINGER, 0)
    socket.set(zmq.RECONNECT_IVL, 5)
    socket.set(zmq.RCVTIMEO, int(1000 * PATIENCE_S))
    socket.connect(address)
    socket.subscribe(b"")
    yield socket
    socket.close()
    context.term()


def test_what_another_program_reads_is_what_is_saved(address, listener, tmp_path, capsys):
    out = tmp_path / "worm.acll"
    where = ["--publish", "on", "--set", f"publish.address={address}"]
    how = ["--pace", "recorded", "--calibration-volumes", "0"]
    assert run(["run", WORM.format(6), "--out", str(out), *where, *how]) == 0
    heard = []
    while (message := listener.recv_json())["kind"] != "end":
        heard.append(message)
    saved = SavedSession.open(out)
    indices = [message["index"] for message in heard]
    assert indices == list(range(6))[-len(indices) :]
    assert len(indices) >= 3
    names = saved.neurons.names
    for message in heard:
        row = dict(zip(names, saved.read("ratio")[message["index"]].tolist(), strict=True))
        told = {neuron["name"]: neuron["ratio"] for neuron in message["neurons"]}
        assert told == {name: ratio for name, ratio in row.items() if ratio == ratio}
    shown = capsys.readouterr()
    assert f"Samples are published at {address}" in shown.err
    assert "From the last slice to the packet" in shown.out
    assert saved.deadlines["stages"]["publish"]["n"] == 6


def test_the_example_follows_a_session_in_another_process(address):
    command = [sys.executable, str(EXAMPLES / "follow_traces.py"), address, "AVAR"]
    publisher = ZmqPublisher(address)
    publisher.open()
    has_shown = threading.Event()
    lines = []

    def read(stream):
        for line in stream:
            lines.append(line.strip())
            has_shown.set()

    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as client:
        reader = threading.Thread(target=read, args=(client.stdout,))
        reader.start()
        index = 0
        while not has_shown.wait(0.02):
            publisher.publish(fake_published(index))
            index += 1
        publisher.close()
        reader.join(PATIENCE_S)
        assert client.wait(PATIENCE_S) == 0
    assert all(line.endswith(" s: AVAR 0.25") for line in lines)


def test_a_table_of_behavior_is_kept_beside_the_traces(tmp_path, capsys):
    table = tmp_path / "stage.csv"
    table.write_text("time_s,speed\n0.5,1.25\n1.0,2.5\n", encoding="utf-8")
    out = tmp_path / "worm.acll"
    options = ["--out", str(out), "--marks", str(table), "--publish", "off"]
    assert run(["run", WORM.format(3), *options]) == 0
    saved = SavedSession.open(out)
    assert [(mark.time_s, mark.value) for mark in saved.marks()] == [(0.5, 1.25), (1.0, 2.5)]
    assert saved.settings.marks.channels == (str(table),)
    assert "published" not in capsys.readouterr().err


def test_a_paced_run_says_how_late_its_samples_were(tmp_path, capsys):
    how = ["--pace", "recorded", "--calibration-volumes", "0", "--publish", "off"]
    assert run(["run", WORM.format(3), "--out", str(tmp_path / "worm.acll"), *how]) == 0
    assert "From the last slice to the sample" in capsys.readouterr().out


def test_where_marks_come_from_must_be_understood_before_the_recording_begins(tmp_path, capsys):
    options = ["--out", str(tmp_path / "worm.acll"), "--marks", "COM3"]
    assert run(["run", WORM.format(3), *options]) == 5
    assert "serial:PORT@BAUD" in capsys.readouterr().err
    assert not (tmp_path / "worm.acll").exists()


def test_an_address_in_use_is_an_error_if_publishing_was_asked_for(
    address, tmp_path, capsys, caplog
):
    other = ZmqPublisher(address)
    other.open()
    where = ["--set", f"publish.address={address}", "--publish", "on"]
    out = tmp_path / "worm.acll"
    try:
        assert run(["run", WORM.format(3), "--out", str(out), *where]) == 5
        assert not out.exists()
        assert run(["run", WORM.format(3), "--out", str(out), *where[:-1], "auto"]) == 0
    finally:
        other.close()
    said = capsys.readouterr().err
    assert "The session goes on without publishing" in said
    assert "another program uses this port" in said
    assert "A publisher failed" not in caplog.text  # with a traceback, which says nothing to users
