import errno

import pytest

from napari_acll.core import (
    ChannelAlignment,
    Correction,
    CorrectionKind,
    SessionError,
    StageTimings,
    VolumeStatus,
)
from napari_acll.session._outbox import Aligned, Corrected, Event, Skipped, Traced
from napari_acll.session._sink import Patience, Sink
from napari_acll.testing import MemoryWriter, fake_labeled, fake_volume
from napari_acll.testing._session import fake_sample

TIMINGS = StageTimings(read_s=0, preprocess_s=0, wait_s=0, label_s=0, trace_s=0, total_s=0)
MAP_MB = fake_labeled(fake_volume(0)).instances.nbytes / 1e6
SAMPLE_MB = 0.02


class Clock:
    def __init__(self) -> None:
        self.now_s = 100.0

    def __call__(self) -> float:
        return self.now_s


class Refusing(MemoryWriter):
    """Refuses to write for as long as `error` is set."""

    def __init__(self) -> None:
        super().__init__()
        self.error: Exception | None = None
        self.n_voxels: dict[int, int] = {}

    def write(self, sample, labeled, timings):
        self._refuse()
        self.n_voxels[sample.index] = int((labeled.instances > 0).sum())
        super().write(sample, labeled, timings)

    def skip(self, index, status):
        self._refuse()
        super().skip(index, status)

    def write_event(self, kind, message, details):
        self._refuse()
        super().write_event(kind, message, details)

    def _refuse(self):
        if self.error is not None:
            raise self.error


def full_disk() -> SessionError:
    error = SessionError(
        "The session folder a cannot be written (No space left on device); everything up to"
        " volume 4 is safe and can be exported. Start a new session."
    )
    error.__cause__ = OSError(errno.ENOSPC, "No space left on device")
    return error


def traced(index):
    return Traced(fake_sample(index), fake_labeled(fake_volume(index)), TIMINGS)


class Bench:
    """A sink with a writer that can be made to refuse, and a clock that is moved by hand."""

    def __init__(self, **patience) -> None:
        self.writer, self.clock = Refusing(), Clock()
        self.told: list[Event] = []
        patience = Patience(**{"wait_s": 600.0, **patience})
        self.sink = Sink(self.writer, patience, tell=self.told.append, clock_s=self.clock)

    def after(self, seconds):
        self.clock.now_s += seconds
        self.sink.flush()


def test_a_full_disk_that_is_cleared_costs_nothing_and_keeps_the_order():
    bench = Bench()
    bench.sink.put(traced(0))
    bench.writer.error = full_disk()
    for item in (traced(1), Skipped(2, VolumeStatus.LOST), traced(3)):
        bench.sink.put(item)
    assert bench.writer.order == [0]
    assert bench.sink.n_kept == 1
    bench.after(300)
    assert bench.sink.is_stalled
    bench.writer.error = None
    bench.after(5)
    assert bench.writer.order == [0, 1, 2, 3]
    assert bench.sink.n_kept == 4
    assert not bench.sink.is_stalled
    assert [event.message for event in bench.told] == [
        "The session folder a cannot be written (No space left on device). What is traced waits in"
        " memory and is tried again for 600 s: free space or bring the disk back.",
        "The session folder can be written again after 305.0 s; all results that waited are in"
        " it.",
    ]
    assert [kind for kind, _ in bench.writer.events] == ["disk", "disk"]


def test_it_is_tried_once_a_second_and_not_for_every_volume():
    bench = Bench()
    bench.writer.error = full_disk()
    tries = []
    bench.writer._refuse = lambda: (
        tries.append(bench.clock.now_s) or (_ for _ in ()).throw(full_disk())
    )
    for index in range(5):
        bench.sink.put(traced(index))
        bench.clock.now_s += 0.3
    assert len(tries) == 2


def test_a_disk_that_stays_full_is_an_error_after_the_time_given():
    bench = Bench(wait_s=60.0)
    bench.writer.error = full_disk()
    bench.sink.put(traced(0))
    bench.after(59)
    with pytest.raises(SessionError, match="No space left"):
        bench.after(2)


def test_without_patience_the_first_error_is_raised():
    bench = Bench(wait_s=0.0)
    bench.writer.error = full_disk()
    with pytest.raises(SessionError):
        bench.sink.put(traced(0))
    assert bench.told == []


def test_an_error_that_is_not_the_disks_is_raised_at_once():
    bench = Bench()
    bench.writer.error = ValueError("a bug")
    with pytest.raises(ValueError, match="a bug"):
        bench.sink.put(traced(0))


def test_memory_is_bounded_label_maps_go_first_and_that_is_told():
    bench = Bench(spool_mb=4 * SAMPLE_MB + 2.5 * MAP_MB)
    bench.writer.error = full_disk()
    for index in range(4):
        bench.sink.put(traced(index))
    assert not bench.sink.is_full
    bench.writer.error = None
    bench.after(1)
    has_map = {index: n > 0 for index, n in bench.writer.n_voxels.items()}
    assert has_map == {0: False, 1: False, 2: True, 3: True}
    assert [len(sample.ratio) for sample in bench.writer.samples] == [4] * 4
    assert "2 of them without their label maps" in bench.told[-1].message


def test_more_than_fits_even_without_label_maps_makes_it_full():
    bench = Bench(spool_mb=2.5 * SAMPLE_MB)
    bench.writer.error = full_disk()
    bench.sink.put(traced(0))
    bench.sink.put(traced(1))
    assert not bench.sink.is_full
    bench.sink.put(traced(2))
    assert bench.sink.is_full
    bench.writer.error = None
    bench.after(1)
    assert not bench.sink.is_full
    assert bench.writer.order == [0, 1, 2]


def test_the_fallback_folder_gets_all_that_waits_and_alignment_and_corrections():
    other = MemoryWriter()
    bench = Bench(fallback=lambda: other)
    alignment = ChannelAlignment(dx_um=1.0)
    correction = Correction(kind=CorrectionKind.PIN, name="AVAL", from_index=0)
    bench.sink.put(Aligned(alignment))
    bench.sink.put(Corrected(correction))
    bench.sink.put(traced(0))
    bench.writer.error = full_disk()
    bench.sink.put(traced(1))
    bench.after(1)
    assert other.order == []
    bench.after(5)
    bench.sink.put(traced(2))
    assert bench.writer.order == [0]
    assert bench.writer.state == "failed"
    assert other.order == [1, 2]
    assert other.alignments == [alignment]
    assert other.corrections == [correction]
    assert bench.sink.n_kept == 5
    assert any("goes on in another place" in event.message for event in bench.told)


@pytest.mark.parametrize("error", [full_disk(), SessionError("file is not a folder")])
def test_a_fallback_that_cannot_be_used_either_leaves_it_waiting(error):
    def refuse():
        raise error

    bench = Bench(fallback=refuse)
    bench.writer.error = full_disk()
    bench.sink.put(traced(0))
    bench.after(10)
    assert bench.sink.is_stalled
    bench.writer.error = None
    bench.after(1)
    assert bench.writer.order == [0]
