"""A live recording that is looked at and then recorded, without being opened anew."""

import threading

import pytest
from tests.session.test_session import NAMES, PATIENCE_S, make_session

from napari_acll.core import (
    AcllSettings,
    AlignmentSettings,
    RecordingError,
    RereadableSource,
    VolumeStatus,
)
from napari_acll.export import SavedSession
from napari_acll.session import Handover, LentSource, build_session
from napari_acll.testing import FakeLabeler, FakeSource, MemoryWriter, expected_ratio, fake_volume


class StepSource(FakeSource):
    """A live source that gives a volume when it is told to."""

    def __init__(self, **options) -> None:
        super().__init__((), is_live=True, **options)
        self.is_asked = threading.Semaphore(0)
        self._steps = threading.Semaphore(0)
        self._next = 0
        self.failure = None

    def give(self, n_volumes=1):
        self._steps.release(n_volumes)

    def wait_until_asked(self):
        assert self.is_asked.acquire(timeout=PATIENCE_S)

    def __iter__(self):
        while not self.closed.is_set():
            self.is_asked.release()
            self._steps.acquire()  # `close` lets it go
            if self.failure is not None:
                raise self.failure
            if self.closed.is_set():
                return
            volume = fake_volume(self._next, spec=self.spec)
            self._next += 1
            yield volume

    def close(self):
        super().close()
        self._steps.release()


class Reader:
    """Reads a source in a thread of its own."""

    def __init__(self, source) -> None:
        self.indices = []
        self.error = None
        self._source = source
        self._thread = threading.Thread(target=self._read)
        self._thread.start()

    def _read(self):
        try:
            self.indices += (volume.index for volume in self._source)
        except RecordingError as error:
            self.error = error

    def join(self):
        self._thread.join(PATIENCE_S)
        assert not self._thread.is_alive()
        return self.indices


@pytest.fixture
def source():
    source = StepSource()
    yield source
    source.close()


@pytest.fixture
def handover():
    return Handover("live")


def test_the_volume_that_the_first_one_waits_for_goes_to_the_second_one(source, handover):
    first = handover.lend(source)
    looking = Reader(first)
    source.give(2)
    for _ in range(3):
        source.wait_until_asked()  # the first one waits for its third volume now
    second = handover.take()
    first.close()
    assert not source.closed.is_set()
    assert looking.join() == [0, 1]  # though the microscope is silent
    recording = Reader(second)
    source.give(3)
    for _ in range(3):
        source.wait_until_asked()
    second.close()
    assert recording.join() == [2, 3, 4]
    assert second.first_index == 2
    assert source.closed.is_set()


def test_an_error_that_comes_during_the_handover_reaches_the_second_one(source, handover):
    looking = Reader(handover.lend(source))
    source.wait_until_asked()
    second = handover.take()
    source.failure = RecordingError("The share is gone; connect it again.")
    assert looking.join() == []
    recording = Reader(second)
    source.give()
    assert recording.join() == []
    assert recording.error is source.failure


def test_a_recording_that_ends_during_the_handover_ends_for_both(handover):
    source = FakeSource(range(2), is_live=True, ends=True)
    first = handover.lend(source)
    assert [volume.index for volume in first] == [0, 1]
    assert list(handover.take()) == []
    assert list(first) == []


def test_a_finished_recording_is_not_handed_over(handover):
    source = FakeSource(range(3))
    assert handover.lend(source) is source
    assert handover.take() is None


def test_nothing_is_taken_before_it_was_lent_or_twice(source, handover):
    assert handover.take() is None
    handover.lend(source)
    assert handover.take() is not None
    assert handover.take() is None


def test_a_lent_recording_tells_what_the_recording_tells(source, handover):
    lent = handover.lend(source)
    assert (lent.spec, lent.notes, lent.describe()) == (
        source.spec,
        source.notes,
        source.describe(),
    )
    assert lent.is_live
    assert lent.recording == "live"


@pytest.mark.parametrize("is_rereadable", [False, True])
def test_volumes_can_be_read_again_where_the_recording_has_them(handover, is_rereadable):
    class Kept(FakeSource):
        def reread(self, index):
            return fake_volume(index)

    lent = handover.lend((Kept if is_rereadable else FakeSource)(range(3), is_live=True))
    assert isinstance(lent, RereadableSource) is is_rereadable
    if is_rereadable:
        assert lent.reread(7).index == 7


def test_a_look_and_the_session_after_it_miss_no_volume_between(source, handover):
    labeler = FakeLabeler()
    looked, kept = MemoryWriter(), MemoryWriter()
    look = make_session(handover.lend(source), labeler=labeler, writers=[looked])
    source.give(3)
    look.start()
    for _ in range(4):
        source.wait_until_asked()
    lent = handover.take()
    look.stop()
    assert look.join(PATIENCE_S)
    session = make_session(
        lent,
        labeler=labeler,
        writers=[kept],
        settings=_from_volume(lent.first_index),
    )
    source.give(4)
    session.start()
    for _ in range(4):
        source.wait_until_asked()
    source.close()  # the recording is over, and everything in the queue is labeled
    assert session.join(PATIENCE_S)
    indices = [*_indices(looked), *_indices(kept), *_skipped(look), *_skipped(session)]
    assert sorted(indices) == list(range(7))
    assert _indices(kept) == [3, 4, 5, 6]
    assert session.counters.n_lost == 0


def test_the_folder_of_a_session_after_a_look_begins_with_its_first_volume(
    tmp_path, monkeypatch, handover
):
    monkeypatch.setattr("napari_acll.label.load_labeler", lambda _: FakeLabeler())
    source = FakeSource(range(6), is_live=True, ends=True)
    volumes = iter(handover.lend(source))
    assert [next(volumes).index for _ in range(4)] == [0, 1, 2, 3]
    settings = AcllSettings(alignment=AlignmentSettings(n_volumes=0))
    session = build_session(handover.take(), settings=settings, out=tmp_path / "a.acll")
    session.start()
    assert session.join(PATIENCE_S)
    saved = SavedSession.open(tmp_path / "a.acll")
    assert saved.header["recording"] == "live"
    assert saved.status[4:].tolist() == [VolumeStatus.TRACED] * 2
    assert set(saved.status[:4]) == {VolumeStatus.PENDING}
    assert session.counters.n_lost == 0
    assert saved.read("ratio")[5, : len(NAMES)] == pytest.approx(expected_ratio(5), rel=0.2)


def test_a_lent_recording_is_not_armed_again(monkeypatch, source, handover):
    monkeypatch.setattr("napari_acll.label.load_labeler", lambda _: FakeLabeler())
    told = []
    handover.lend(source)
    lent = handover.take()
    assert isinstance(lent, LentSource)
    build_session(
        lent, settings=AcllSettings(), out=None, tell=lambda kind, _: told.append(kind)
    ).stop()
    assert "armed" not in told
    assert source.closed.is_set()


def _from_volume(index):
    settings = AcllSettings()
    run = settings.run.model_copy(update={"first_volume": index})
    return settings.model_copy(update={"run": run})


def _indices(writer):
    return [sample.index for sample in writer.samples]


def _skipped(session):
    return [
        index
        for index, status in enumerate(session.store.status)
        if status == VolumeStatus.SKIPPED
    ]
