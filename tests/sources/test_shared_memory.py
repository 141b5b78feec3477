import os
import subprocess
import sys
import threading

import numpy as np
import pytest
from tests.sources.rings import (
    CHANNELS,
    SHAPE,
    live_settings,
    new_name,
    require_same,
    stack_of,
)

from napari_acll.core import RecordingError, SourceSettings
from napari_acll.sources import SharedMemorySource, VolumeRingWriter, open_source
from napari_acll.sources._volume_ring import (
    PAGE,
    Word,
    buffer_of,
    open_segment,
    remove_segment,
    session_name,
)
from napari_acll.testing import LiveSourceContract

PATIENCE_S = 20.0
LINUX = pytest.mark.skipif(sys.platform != "linux", reason="looks into /dev/shm")


@pytest.fixture
def name():
    name = new_name()
    yield name
    remove_segment(name)


def make_writer(name, **changed):
    about = {
        "shape": (*SHAPE, 2),
        "channel_names": CHANNELS,
        "voxel_size_um": (0.54, 0.18, 0.2),
        "period_s": 0.5,
        "n_slots": 4,
    }
    return VolumeRingWriter(name, **{**about, **changed})


def open_ring(name, **live):
    return SharedMemorySource(f"shm:{name}", live_settings(**live))


def run_python(code, *words):
    """Run a program of its own, as the microscope's software is one."""
    return subprocess.run(
        [sys.executable, "-c", code, *words],
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
        check=False,
    )


class TestSharedMemorySource(LiveSourceContract):
    tells_when_seen = True

    @pytest.fixture(autouse=True)
    def _ring(self, name):
        self.name, self.writer = name, None
        yield
        if self.writer is not None:
            self.writer.close()

    def make_source(self, settings):
        return SharedMemorySource(f"shm:{self.name}", settings)

    def write(self, index, activity, marker):
        if self.writer is None:
            self.writer = make_writer(self.name, shape=(*activity.shape, 2))
        self.writer.write(np.stack((activity, marker), axis=-1), index=index)

    def finish(self):
        if self.writer is not None:
            self.writer.finish()


def test_everything_that_the_sender_says_arrives(name):
    with make_writer(name, n_volumes=7) as writer, open_ring(name) as source:
        writer.write(stack_of(0), index=3, slice_times_s=(1.5, 1.6, 1.75), missing_z=(1,))
        volume = next(iter(source))
        require_same(volume, 3, stack_of(0))
        assert source.spec.shape == SHAPE
        assert source.spec.voxel_size_um == (0.54, 0.18, 0.2)
        assert source.spec.period_s == 0.5
        assert source.spec.n_volumes == 7
        assert (source.spec.activity_name, source.spec.marker_name) == CHANNELS
        assert volume.timestamp_s == 1.5
        assert volume.slice_times_s.tolist() == [1.5, 1.6, 1.75]
        assert volume.missing_z == (1,)


def test_times_of_slices_that_nobody_knows_fill_the_period(name):
    with make_writer(name) as writer, open_ring(name) as source:
        writer.write(stack_of(0), time_s=2.0)
        volume = next(iter(source))
        np.testing.assert_allclose(volume.slice_times_s, 2.0 + 0.5 * np.arange(3) / 3)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.uint32])
def test_every_type_of_counts_arrives(name, dtype):
    with make_writer(name, dtype=dtype) as writer, open_ring(name) as source:
        writer.write(stack_of(0, dtype=dtype))
        volume = next(iter(source))
        assert volume.marker.dtype == dtype
        require_same(volume, 0, stack_of(0, dtype=dtype))


def test_the_settings_say_which_channel_is_the_marker(name):
    settings = live_settings().model_copy(update={"marker_channel": 0})
    with make_writer(name) as writer, SharedMemorySource(f"shm:{name}", settings) as source:
        writer.write(stack_of(0))
        np.testing.assert_array_equal(next(iter(source)).marker, stack_of(0)[..., 0])


def test_an_armed_source_ignores_what_is_there_already(name):
    with make_writer(name) as writer:
        writer.write(stack_of(0))
        writer.write(stack_of(1))
        with open_ring(name) as source:
            writer.write(stack_of(2))
            require_same(next(iter(source)), 2)


def test_what_is_there_already_is_taken_on_request(name):
    with make_writer(name) as writer:
        for index in range(6):  # the ring keeps four
            writer.write(stack_of(index))
        writer.finish()
        with open_ring(name, takes_existing=True) as source:
            assert [volume.index for volume in source] == [2, 3, 4, 5]


def test_an_armed_source_waits_past_a_recording_that_is_over(name):
    with make_writer(name) as first:
        first.write(stack_of(0))
        first.finish()
        with open_ring(name) as source, make_writer(name) as second:
            second.write(stack_of(8), index=0)
            second.finish()
            (volume,) = source
            require_same(volume, 0, stack_of(8))


def test_notes_only_grow(name):
    with make_writer(name) as writer, open_ring(name) as source:
        told = []
        for index in (0, 1, 2, 2, 9, 9):
            writer.write(stack_of(index), index=index)
        writer.finish()
        for _ in source:
            assert list(source.notes[: len(told)]) == told
            told = list(source.notes)
        assert list(source.notes[: len(told)]) == told
        assert len(source.notes) > len(told)


def test_a_time_that_is_none_is_counted_from_the_index(name):
    with make_writer(name) as writer, open_ring(name) as source:
        writer.write(stack_of(0), index=4, slice_times_s=(np.nan, 1.0, 2.0))
        volume = next(iter(source))
        assert volume.timestamp_s == 2.0
        np.testing.assert_allclose(volume.slice_times_s, 2.0 + 0.5 * np.arange(3) / 3)


def test_no_volume_is_mixed_from_two_while_a_fast_sender_overwrites_them(name):
    n_volumes, shape = 1500, (8, 128, 128, 2)
    code = (
        "import sys, numpy as np; from napari_acll.sources import VolumeRingWriter\n"
        f"writer = VolumeRingWriter(sys.argv[1], shape={shape}, channel_names={CHANNELS},"
        " n_slots=2)\n"
        "sys.stdin.readline()\n"
        f"for index in range({n_volumes}):\n"
        f"    stack = np.full({shape}, index, np.uint16)\n"
        "    writer.write(stack, slice_times_s=[index] * 8)\n"
        "writer.finish(); sys.stdin.readline(); writer.close()"
    )
    with (
        open_ring(name) as source,
        subprocess.Popen([sys.executable, "-c", code, name], stdin=subprocess.PIPE) as sender,
    ):
        assert source.spec.shape == shape[:3]
        sender.stdin.write(b"go\n")
        sender.stdin.flush()
        indices = []
        for volume in source:
            assert (volume.marker == volume.index).all()
            assert (volume.activity == volume.index).all()
            assert volume.timestamp_s == volume.index
            indices.append(volume.index)
        sender.communicate(b"end\n", timeout=PATIENCE_S)
    assert source.n_overwritten > 0
    assert len(indices) + source.n_overwritten == n_volumes


def test_several_readers_get_every_volume(name):
    sources = [open_ring(name) for _ in range(3)]
    with make_writer(name) as writer:
        for index in range(3):
            writer.write(stack_of(index))
        writer.finish()
        for source in sources:
            for index, volume in enumerate(source):
                require_same(volume, index)
            assert index == 2
            source.close()


def test_a_reader_that_is_too_late_skips_and_counts(name):
    with make_writer(name) as writer, open_ring(name) as source:
        writer.write(stack_of(0))
        volumes = iter(source)
        next(volumes)
        for index in range(1, 10):
            writer.write(stack_of(index))
        writer.finish()
        assert [volume.index for volume in volumes] == [6, 7, 8, 9]
        assert source.n_overwritten == 5
        assert any("give it more slots" in note for note in source.notes)
        assert source.notes[-1] == "Volumes that were overwritten before they could be read: 5."


def test_a_volume_that_is_overwritten_while_it_is_copied_is_not_used(name, monkeypatch):
    with make_writer(name, n_slots=2) as writer, open_ring(name) as source:
        volumes = iter(source)
        writer.write(stack_of(0))
        next(volumes)
        writer.write(stack_of(1))
        copy = np.copyto
        interrupted = []

        def copy_slowly(target, values):
            if not interrupted:
                interrupted.append(True)
                writer.write(stack_of(2))
                writer.write(stack_of(3))
            copy(target, values)

        monkeypatch.setattr(np, "copyto", copy_slowly)
        require_same(next(volumes), 2)
        assert source.n_overwritten == 1


def test_volumes_lost_by_the_sender_are_a_gap(name):
    with make_writer(name) as writer, open_ring(name) as source:
        writer.write(stack_of(0))
        writer.skip(3)
        writer.write(stack_of(4))
        writer.finish()
        assert [volume.index for volume in source] == [0, 4]
        assert source.n_overwritten == 0


def test_a_sender_that_counts_backwards_is_told(name):
    with make_writer(name) as writer, open_ring(name) as source:
        for index in (5, 5, 3, 6):
            writer.write(stack_of(index), index=index)
        writer.finish()
        assert [volume.index for volume in source] == [5, 6]
        assert "Volumes that came late or twice: 2." in source.notes


def test_a_sender_that_is_started_again_goes_on_if_its_indices_do(name):
    with make_writer(name) as first, open_ring(name) as source:
        volumes = iter(source)
        first.write(stack_of(0))
        require_same(next(volumes), 0)
        first.write(stack_of(1))
        with make_writer(name) as second:
            second.write(stack_of(4), index=4)
            second.finish()
            require_same(next(volumes), 1)
            require_same(next(volumes), 4)
            assert next(volumes, None) is None


@pytest.mark.parametrize("change", [{}, {"shape": (3, 4, 6, 2)}])
def test_another_recording_ends_this_one(name, change):
    with make_writer(name) as first, open_ring(name) as source:
        volumes = iter(source)
        first.write(stack_of(0))
        next(volumes)
        with make_writer(name, **change) as second:
            shape = change.get("shape", SHAPE)[:3]
            second.write(stack_of(0, shape))
            assert next(volumes, None) is None
        assert any("Another recording began" in note for note in source.notes)


def test_a_sender_in_another_process_that_was_killed_is_replaced(name):
    code = (
        "import os, sys; from napari_acll.sources import VolumeRingWriter; import numpy as np\n"
        f"writer = VolumeRingWriter(sys.argv[1], shape={(*SHAPE, 2)}, channel_names={CHANNELS})\n"
        f"writer.write(np.ones({(*SHAPE, 2)}, np.uint16)); os._exit(9)"
    )
    assert run_python(code, name).returncode == 9
    with open_ring(name) as source, make_writer(name) as writer:
        writer.write(stack_of(0))
        writer.finish()
        (volume,) = source
        require_same(volume, 0)


@LINUX
def test_nothing_stays_in_memory_after_a_sender_that_was_killed_and_the_next(name):
    code = (
        "import os, sys; from napari_acll.sources import VolumeRingWriter\n"
        f"VolumeRingWriter(sys.argv[1], shape={(*SHAPE, 2)}, channel_names={CHANNELS})\n"
        "os._exit(9)"
    )
    run_python(code, name)
    assert [entry for entry in os.listdir("/dev/shm") if name in entry]  # noqa: PTH208,S108
    make_writer(name).close()
    assert not [entry for entry in os.listdir("/dev/shm") if name in entry]  # noqa: PTH208,S108


def test_a_reader_in_another_process_leaves_the_memory_alone(name):
    code = (
        "import sys; from napari_acll.core import SourceSettings\n"
        "from napari_acll.sources import SharedMemorySource\n"
        "settings = SourceSettings(live={'takes_existing': True})\n"
        "with SharedMemorySource('shm:' + sys.argv[1], settings) as source:\n"
        "    sys.stdout.write(str(next(iter(source)).marker.sum()))"
    )
    with make_writer(name) as writer:
        writer.write(stack_of(0))
        for _ in range(2):  # the first one must not take the memory away
            result = run_python(code, name)
            assert result.stdout == str(stack_of(0)[..., 1].sum()), result.stderr
            assert result.stderr == ""


def test_a_silent_sender_ends_the_recording(name):
    with make_writer(name) as writer, open_ring(name, idle_timeout_s=0.1) as source:
        writer.write(stack_of(0))
        assert [volume.index for volume in source] == [0]
        assert any("taken to be over" in note for note in source.notes)


def test_an_address_without_a_sender_says_where_nobody_came_from(name):
    with open_ring(name, start_timeout_s=0.05) as source:
        with pytest.raises(RecordingError, match=f"shm:{name} within 0.05 s"):
            _ = source.spec
        with pytest.raises(RecordingError, match="check that the sender runs"):
            next(iter(source))


def test_a_sender_that_only_announces_itself_is_waited_for_no_longer_than_stated(name):
    with open_ring(name, start_timeout_s=0.05) as source, make_writer(name):
        assert source.spec.shape == SHAPE
        with pytest.raises(RecordingError, match="No volume came"):
            next(iter(source))


def test_a_ring_that_a_killed_sender_left_behind_tells_nothing(name):
    killed = make_writer(name)
    with open_ring(name) as source, make_writer(name, shape=(3, 4, 6, 2)) as writer:
        assert source.spec.shape == (3, 4, 6)
        writer.write(stack_of(0, (3, 4, 6)))
        require_same(next(iter(source)), 0, stack_of(0, (3, 4, 6)))
    killed.close()


def test_other_volumes_than_were_announced_are_an_error(name):
    with open_ring(name) as source, make_writer(name):
        assert source.spec.shape == SHAPE
        with make_writer(name, shape=(3, 4, 6, 2)) as writer:
            writer.write(stack_of(0, (3, 4, 6)))
            with pytest.raises(RecordingError, match="started again with other volumes"):
                next(iter(source))


def test_closing_while_the_sender_is_waited_for_is_an_error_of_the_spec_only(name):
    source = open_ring(name)
    began = threading.Event()
    caught = []

    def ask():
        began.set()
        with pytest.raises(RecordingError, match="closed before a sender came"):
            _ = source.spec
        caught.append(True)

    thread = threading.Thread(target=ask)
    thread.start()
    assert began.wait(PATIENCE_S)
    source.close()
    thread.join(PATIENCE_S)
    assert caught == [True]
    assert list(source) == []


def tampered(name, word, value):
    """Return a writer whose ring has one wrong word."""
    writer = make_writer(name)
    segment = open_segment(session_name(name, writer.session))
    with buffer_of(segment).cast("Q") as words:
        words[word] = value
    segment.close()
    return writer


@pytest.mark.parametrize(
    ("word", "value", "reason"),
    [
        (Word.MAGIC, 1, "not written by a sender of version"),
        (Word.VERSION, 99, "not written by a sender of version"),
        (Word.TEXT_BYTES, 3, "is not valid"),
        (Word.TEXT_BYTES, 2**60, "is not valid"),
        (Word.N_SLOTS, 0, "0 slots"),
        (Word.N_SLOTS, 2**61, "start the sender again"),
        (Word.SLOT_BYTES, 8, "slots of 8"),
    ],
)
def test_a_ring_of_another_make_is_refused(name, word, value, reason):
    source = open_ring(name)
    with tampered(name, word, value), pytest.raises(RecordingError, match=reason) as caught:
        _ = source.spec
    assert "\n" not in str(caught.value)
    source.close()


def test_memory_of_another_program_is_neither_read_nor_taken(name):
    segment = open_segment(name, PAGE)
    buffer_of(segment)[:8] = b"whatever"
    with pytest.raises(RecordingError, match="belongs to another program"):
        open_ring(name)
    with pytest.raises(ValueError, match="used by another program"):
        make_writer(name)
    assert bytes(buffer_of(segment)[:8]) == b"whatever"
    segment.close()


@pytest.mark.parametrize("address", ["shm:", "shm:a/b", "shm:" + "a" * 21])
def test_an_address_that_no_sender_can_have_is_an_error(address):
    with pytest.raises(RecordingError, match="the name of the sender is expected"):
        open_source(address, SourceSettings())


@pytest.mark.parametrize("recording", ["a.nd2", "tcp://a:1", "simulated"])
def test_what_is_no_address_is_rejected(recording):
    assert SharedMemorySource.rejects(recording) == "it does not begin with shm:"


def test_an_address_is_enough_to_open_it(name):
    with open_source(f"shm:{name}", SourceSettings()) as source:
        assert isinstance(source, SharedMemorySource)


@pytest.mark.parametrize(
    ("stack", "reason"),
    [
        (np.zeros((3, 4, 6, 2), np.uint16), "Expected"),
        (np.zeros((*SHAPE, 2), np.float32), "float32"),
    ],
)
def test_a_volume_unlike_the_first_is_refused_and_does_no_harm(name, stack, reason):
    with make_writer(name) as writer, open_ring(name) as source:
        with pytest.raises(ValueError, match=reason):
            writer.write(stack)
        writer.write(stack_of(0))
        require_same(next(iter(source)), 0)


def test_a_writer_that_gets_no_memory_leaves_nothing_behind(name):
    with pytest.raises((MemoryError, OSError)):
        make_writer(name, n_slots=10**12)
    with pytest.raises(FileNotFoundError):
        open_segment(name)


def test_a_writer_needs_a_name_for_each_channel(name):
    with pytest.raises(ValueError, match="C channel names"):
        make_writer(name, channel_names=("one",))


def test_a_closed_writer_says_so(name):
    writer = make_writer(name)
    writer.close()
    writer.close()
    with pytest.raises(ValueError, match="closed"):
        writer.write(stack_of(0))


def test_a_resumed_session_takes_what_the_ring_still_has_of_what_it_missed(name):
    with make_writer(name) as writer:
        with open_ring(name) as before:
            writer.write(stack_of(0), index=10)
            assert before.spec.shape == SHAPE
            described = before.describe()
        for index in (11, 12):
            writer.write(stack_of(index), index=index)
        writer.finish()
        with open_ring(name, takes_existing=True) as source:
            source.resume_at(11, described)
            assert [volume.index for volume in source] == [11, 12]


def test_a_resumed_session_does_not_go_on_with_another_animal(name):
    with make_writer(name) as writer, open_ring(name) as before:
        writer.write(stack_of(0), index=0)
        assert before.spec.shape == SHAPE
        described = before.describe()
    with make_writer(name) as writer, open_ring(name, takes_existing=True) as source:
        source.resume_at(1, described)
        writer.write(stack_of(0), index=0)
        writer.write(stack_of(1), index=1)
        assert list(source) == []
        assert any("Another recording began" in note for note in source.notes)
