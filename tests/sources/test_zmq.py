import json
import sys
import threading
import time

import numpy as np
import pytest
from tests.sources.rings import CHANNELS, SHAPE, live_settings, require_same, stack_of

from napari_acll.core import RecordingError, SourceSettings
from napari_acll.sources import VolumeSender, ZmqSource, open_source
from napari_acll.testing import LiveSourceContract

zmq = pytest.importorskip("zmq", reason="the extra `zmq` is not installed")

PATIENCE_S = 20.0
ANY_PORT = "tcp://127.0.0.1:*"
ABOUT = {
    "shape": SHAPE,
    "channel_names": CHANNELS,
    "voxel_size_um": (0.54, 0.54, 0.6),
    "period_s": 0.5,
}


def channels_of(index, **options):
    return np.moveaxis(stack_of(index, **options), -1, 0)


def make_sender(address=ANY_PORT, **changed):
    return VolumeSender(address, **{**ABOUT, **changed})


def send(sender, index, **options):
    sender.send(channels_of(index), **{"index": index, **options})


@pytest.fixture
def sender():
    with make_sender() as sender:
        yield sender


@pytest.fixture
def source(sender):
    """Return a source that the sender knows to be connected."""
    with ZmqSource(sender.address, live_settings()) as source:
        assert sender.wait_for_reader(PATIENCE_S)
        yield source


class TestZmqSource(LiveSourceContract):
    tells_when_seen = True

    @pytest.fixture(autouse=True)
    def _stream(self):
        with make_sender(shape=self.shape) as self.sender:
            self.has_reader = False
            yield

    def make_source(self, settings):
        return ZmqSource(self.sender.address, settings)

    def write(self, index, activity, marker):
        self.has_reader = self.has_reader or self.sender.wait_for_reader(PATIENCE_S)
        self.sender.send((activity, marker), index=index)

    def finish(self):
        self.sender.finish()


class RawSender:
    """Sends whatever it is told to."""

    def __init__(self):
        self._context = zmq.Context()
        self._socket = self._context.socket(zmq.XPUB)
        self._socket.bind(ANY_PORT)
        self.address = self._socket.get_string(zmq.LAST_ENDPOINT)

    def wait(self):
        assert self._socket.poll(1000 * PATIENCE_S)
        self._socket.recv()

    def send(self, *frames):
        self._socket.send_multipart([b"ACLL", *frames])

    def close(self):
        self._socket.close(0)
        self._context.term()


def header_of(index=0, **changed):
    header = {
        "version": 1,
        "kind": "volume",
        "recording": "r",
        "number": index,
        "index": index,
        "about": {"dtype": "uint16", **ABOUT},
    }
    return json.dumps({**header, **changed}).encode()


def frames_of(index):
    return [channel.tobytes() for channel in channels_of(index)]


@pytest.fixture
def raw():
    raw = RawSender()
    yield raw
    raw.close()


@pytest.fixture
def raw_source(raw):
    with ZmqSource(raw.address, live_settings()) as source:
        raw.wait()
        yield source


def test_everything_that_the_sender_says_arrives():
    grid = {"stored_shape": (3, 12, 15), "start_px": (0, 1, 2), "bin_px": (1, 3, 3)}
    with (
        make_sender(n_volumes=7, **grid) as sender,
        ZmqSource(sender.address, live_settings()) as source,
    ):
        assert sender.wait_for_reader(PATIENCE_S)
        send(sender, 3, slice_times_s=(1.5, 1.6, 1.75), missing_z=(1,))
        volume = next(iter(source))
        require_same(volume, 3)
        assert source.spec.voxel_size_um == (0.54, 0.54, 0.6)
        assert source.spec.period_s == 0.5
        assert source.spec.n_volumes == 7
        assert source.spec.grid.stored_shape == (3, 12, 15)
        assert source.spec.grid.start_px == (0, 1, 2)
        assert source.spec.grid.bin_px == (1, 3, 3)
        assert (source.spec.activity_name, source.spec.marker_name) == CHANNELS
        assert volume.timestamp_s == 1.5
        assert volume.slice_times_s.tolist() == [1.5, 1.6, 1.75]
        assert volume.missing_z == (1,)


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "uint32"])
def test_every_type_of_counts_arrives(dtype):
    with (
        make_sender(dtype=dtype) as sender,
        ZmqSource(sender.address, live_settings()) as source,
    ):
        assert sender.wait_for_reader(PATIENCE_S)
        sender.send(channels_of(0, dtype=dtype))
        volume = next(iter(source))
        assert volume.marker.dtype == dtype
        require_same(volume, 0, stack_of(0, dtype=dtype))


def test_times_that_the_sender_does_not_know_are_spread_evenly(sender, source):
    send(sender, 0, time_s=2.0)
    np.testing.assert_allclose(next(iter(source)).slice_times_s, 2.0 + 0.5 * np.arange(3) / 3)


def test_a_lost_volume_is_a_gap_and_not_a_dropped_one(sender, source):
    send(sender, 0)
    sender.skip(2)
    sender.send(channels_of(3))
    sender.finish()
    assert [volume.index for volume in source] == [0, 3]
    assert source.n_dropped == 0


def test_volumes_that_the_network_dropped_are_counted(raw, raw_source):
    for index in (0, 3, 4):
        raw.send(header_of(index), *frames_of(index))
    raw.send(header_of(kind="end", number=6))
    assert [volume.index for volume in raw_source] == [0, 3, 4]
    assert raw_source.n_dropped == 3
    assert raw_source.notes[-1] == "Volumes that were sent and did not come: 3."
    assert any("bin them before they are sent" in note for note in raw_source.notes)


@pytest.mark.parametrize(
    "frames",
    [
        (),
        (b"",),
        (b"{",),
        (b"[1, 2]",),
        (header_of(1, kind="other"), *frames_of(1)),
        (header_of(-1, number=1), *frames_of(1)),
        (header_of(1, about=None), *frames_of(1)),
        (header_of(1),),
        (header_of(1), frames_of(1)[0]),
        (header_of(1), *frames_of(1), b"more"),
        (header_of(1), *(frame[:-1] for frame in frames_of(1))),
        (header_of(1, missing_z=[3]), *frames_of(1)),
        (header_of(1, slice_times_s=[0.0]), *frames_of(1)),
        (header_of(1, about={**ABOUT, "dtype": "float32"}), *frames_of(1)),
        (header_of(1, about={**ABOUT, "dtype": "uint16", "shape": [10**9] * 3}), *frames_of(1)),
    ],
)
def test_a_damaged_message_is_counted_and_the_next_one_is_read(raw, raw_source, frames):
    raw.send(header_of(0), *frames_of(0))
    raw.send(*frames)
    raw.send(header_of(2), *frames_of(2))
    raw.send(header_of(kind="end", number=3))
    first, second = raw_source
    require_same(first, 0)
    require_same(second, 2)
    assert "A message could not be read and is left out." in raw_source.notes
    assert "Messages that could not be read: 1." in raw_source.notes


@pytest.mark.parametrize("header", [header_of(version=2), b'{"version": 9, "anything": []}'])
def test_another_version_is_an_error_that_names_both(raw, raw_source, header):
    raw.send(header, *frames_of(0))
    with pytest.raises(RecordingError, match=r"version \d of the messages and this is version 1"):
        next(iter(raw_source))


def test_keys_of_a_later_version_are_ignored(raw, raw_source):
    about = {"dtype": "uint16", **ABOUT, "objective": "40x"}
    raw.send(header_of(0, about=about, temperature=20.5), *frames_of(0))
    require_same(next(iter(raw_source)), 0)


def test_the_end_of_an_earlier_recording_ends_nothing(raw, raw_source):
    raw.send(header_of(kind="end", recording="before", number=5))
    raw.send(header_of(0), *frames_of(0))
    raw.send(header_of(kind="end", recording="before", number=5))
    raw.send(header_of(1), *frames_of(1))
    raw.send(header_of(kind="end", number=2))
    assert [volume.index for volume in raw_source] == [0, 1]


def test_a_sender_that_is_started_again_goes_on_if_its_indices_do(raw, raw_source):
    raw.send(header_of(0), *frames_of(0))
    raw.send(header_of(5, recording="again", number=0), *frames_of(5))
    raw.send(header_of(kind="end", recording="again", number=1))
    assert [volume.index for volume in raw_source] == [0, 5]
    assert "The sender was started again during the recording." in raw_source.notes
    assert raw_source.n_dropped == 0


def test_another_recording_ends_this_one(raw, raw_source):
    raw.send(header_of(0), *frames_of(0))
    raw.send(header_of(0, recording="other"), *frames_of(0))
    assert [volume.index for volume in raw_source] == [0]
    assert any("Another recording began" in note for note in raw_source.notes)


def test_a_change_of_geometry_within_a_recording_is_an_error(raw, raw_source):
    about = {"dtype": "uint16", **ABOUT, "period_s": 0.7}
    raw.send(header_of(0), *frames_of(0))
    raw.send(header_of(1, about=about), *frames_of(1))
    volumes = iter(raw_source)
    require_same(next(volumes), 0)
    with pytest.raises(RecordingError, match="other volumes"):
        next(volumes)


def test_two_readers_get_every_volume(sender, source):
    with ZmqSource(sender.address, live_settings()) as other:
        volumes = [iter(source), iter(other)]
        found = None
        for index in range(100):  # the second one may not be connected at first
            send(sender, index)
            require_same(next(volumes[0]), index)
            if other._socket.poll(20):
                found = next(volumes[1])
                break
        require_same(found, found.index)


def test_a_reader_that_is_late_misses_volumes_and_counts_them():
    shape = (8, 128, 128)
    volume = np.ones((2, *shape), np.uint16)
    with (
        make_sender(shape=shape) as sender,
        ZmqSource(sender.address, live_settings()) as source,
    ):
        assert sender.wait_for_reader(PATIENCE_S)
        for _ in range(200):
            sender.send(volume)
        n_sent, found = 200, []
        thread = threading.Thread(target=lambda: found.extend(source))
        thread.start()
        until_s = time.monotonic() + PATIENCE_S
        while not (found and found[-1].index >= 200) and time.monotonic() < until_s:
            sender.send(volume)
            n_sent += 1
            thread.join(0.01)
        sender.finish()
        thread.join(PATIENCE_S)
    indices = [volume.index for volume in found]
    assert indices == sorted(set(indices))
    assert source.n_dropped > 0
    assert len(indices) + source.n_dropped == n_sent


def test_a_sender_that_was_killed_and_comes_back_is_read_again():
    with make_sender() as sender, ZmqSource(sender.address, live_settings()) as source:
        found = []
        thread = threading.Thread(target=lambda: found.extend(source))
        thread.start()
        assert sender.wait_for_reader(PATIENCE_S)
        send(sender, 0)
        sender._is_finished = True  # no end is sent
        sender.close()
        with make_sender(source.describe()["path"]) as again:
            assert again.wait_for_reader(PATIENCE_S)
            send(again, 4)
            again.finish()
            thread.join(PATIENCE_S)
        source.close()
        thread.join(PATIENCE_S)
    assert [volume.index for volume in found] == [0, 4]


def test_an_address_without_a_sender_says_where_nobody_came_from():
    with (
        ZmqSource("tcp://127.0.0.1:9", live_settings(start_timeout_s=0.05)) as source,
        pytest.raises(RecordingError, match=r"tcp://127\.0\.0\.1:9 within 0\.05 s"),
    ):
        _ = source.spec


@pytest.mark.parametrize(
    "address", ["tcp://", "tcp://host", "tcp://host:port", "tcp://a:99999999"]
)
def test_an_address_that_cannot_be_one_is_an_error(address):
    with pytest.raises(RecordingError, match="tcp://HOST:PORT is expected"):
        open_source(address, SourceSettings())


def test_an_address_is_enough_to_open_it(sender):
    with open_source(sender.address, SourceSettings()) as source:
        assert isinstance(source, ZmqSource)


def test_a_reader_that_was_killed_is_sent_what_it_missed(sender):
    with ZmqSource(sender.address, live_settings()) as killed:
        assert sender.wait_for_reader(PATIENCE_S)
        send(sender, 0)
        assert next(iter(killed)).index == 0
    send(sender, 1)
    send(sender, 2)
    with ZmqSource(sender.address, live_settings(takes_existing=True)) as back:
        assert sender.wait_for_reader(PATIENCE_S)
        send(sender, 3)
        sender.finish()
        volumes = list(back)
    assert [volume.index for volume in volumes] == [0, 1, 2, 3]
    for volume in volumes:
        require_same(volume, volume.index)
    assert back.n_dropped == 0


def test_two_readers_are_sent_nothing_twice(sender):
    settings = live_settings(takes_existing=True)
    with ZmqSource(sender.address, settings) as one:
        assert sender.wait_for_reader(PATIENCE_S)
        send(sender, 0)
        volumes = iter(one)
        assert next(volumes).index == 0
        with ZmqSource(sender.address, settings) as two:
            assert sender.wait_for_reader(PATIENCE_S)
            send(sender, 1)
            sender.finish()
            assert [volume.index for volume in two] == [0, 1]
            assert [volume.index for volume in volumes] == [1]


def test_a_reader_that_comes_back_after_the_end_is_sent_it_all(sender):
    for index in range(3):
        send(sender, index)
    sender.finish()
    found = []
    with ZmqSource(sender.address, live_settings(takes_existing=True)) as source:
        thread = threading.Thread(target=lambda: found.extend(source))
        thread.start()
        while thread.is_alive():
            sender.stay(0.05)
    assert [volume.index for volume in found] == [0, 1, 2]


def test_a_reader_that_asks_for_nothing_gets_what_comes_from_now_on(sender):
    send(sender, 0)
    with ZmqSource(sender.address, live_settings()) as source:
        assert sender.wait_for_reader(PATIENCE_S)
        send(sender, 1)
        sender.finish()
        assert [volume.index for volume in source] == [1]


def test_an_address_that_is_taken_cannot_be_offered_again(sender):
    with pytest.raises(RecordingError, match="choose another port"):
        make_sender(sender.address)


@pytest.mark.parametrize("changed", [{"shape": (3, 0, 5)}, {"dtype": "float32"}, {"period_s": -1}])
def test_a_geometry_that_cannot_be_is_an_error_of_the_sender(changed):
    with pytest.raises(RecordingError, match="is not valid"):
        make_sender(**changed)


@pytest.mark.parametrize(
    ("channels", "reason"),
    [
        (channels_of(0)[:1], "Expected 2 channels, got 1"),
        (channels_of(0, shape=(3, 4, 6)), r"Expected \(3, 4, 5\)"),
        (channels_of(0).astype(np.float32), "float32"),
    ],
)
def test_a_volume_unlike_what_was_announced_is_refused(sender, channels, reason):
    with pytest.raises(ValueError, match=reason):
        sender.send(channels)


def test_a_sender_that_finished_sends_no_more(sender):
    sender.finish()
    with pytest.raises(ValueError, match="The recording is over"):
        send(sender, 0)


def test_nobody_is_waited_for_when_nobody_reads(sender):
    for index in range(50):
        send(sender, index)
    assert not sender.wait_for_reader(0.01)


@pytest.mark.parametrize(
    "make", [lambda: ZmqSource("tcp://127.0.0.1:9", live_settings()), make_sender]
)
def test_without_pyzmq_the_error_says_how_to_install_it(monkeypatch, make):
    monkeypatch.setitem(sys.modules, "zmq", None)
    with pytest.raises(RecordingError, match=r'pip install "napari-acll\[zmq\]"'):
        make()
