import threading

from napari_acll.core import DropPolicy, VolumeStatus
from napari_acll.session._volume_queue import Arrival, VolumeQueue, head_start
from napari_acll.testing import fake_spec, fake_volume

PATIENCE_S = 20.0


def put(queue, *indices):
    for index in indices:
        queue.put(Arrival(volume=fake_volume(index)))


def indices(arrivals):
    return [arrival.volume.index for arrival in arrivals]


def test_nothing_is_skipped_while_the_model_warms_up():
    queue = VolumeQueue(2, DropPolicy.DROP_OLDEST, head_start=6)
    put(queue, *range(6))
    queue.open()
    assert indices(queue.take(10)) == list(range(6))


def test_what_waited_for_the_model_is_worked_off_before_the_capacity_holds_again():
    queue = VolumeQueue(2, DropPolicy.DROP_OLDEST, head_start=6)
    put(queue, *range(6))
    queue.open()
    seen = []
    for index in range(6, 12):  # two are labeled while one comes
        seen += indices(queue.take(2))
        put(queue, index)
    seen += indices(queue.take(10))
    assert seen == list(range(12))
    put(queue, 12, 13, 14)
    (first, second) = queue.take(10)
    assert indices([first, second]) == [13, 14]
    assert first.gaps == ((12, VolumeStatus.SKIPPED),)


def test_a_model_that_is_too_slow_comes_back_to_the_newest_bit_by_bit():
    queue = VolumeQueue(2, DropPolicy.DROP_OLDEST, head_start=6)
    put(queue, *range(6))
    queue.open()
    next_index, behind = 6, []
    for _ in range(100):
        put(queue, next_index, next_index + 1)
        next_index += 2
        queue.take(1)
        behind.append(len(queue))
    assert max(behind) <= 8
    assert behind[-1] <= 2


def test_when_the_head_start_is_used_up_the_reader_waits_and_can_be_freed():
    queue = VolumeQueue(1, DropPolicy.DROP_OLDEST, head_start=3)
    put(queue, 0, 1, 2)
    reader = threading.Thread(target=put, args=(queue, 3))
    reader.start()
    reader.join(0.05)
    assert reader.is_alive()
    queue.open()
    reader.join(PATIENCE_S)
    assert not reader.is_alive()
    assert indices(queue.take(10)) == [0, 1, 2, 3]


def test_abandoning_frees_a_reader_that_waits_for_the_model():
    queue = VolumeQueue(1, DropPolicy.DROP_OLDEST, head_start=1)
    put(queue, 0)
    reader = threading.Thread(target=put, args=(queue, 1))
    reader.start()
    queue.abandon()
    reader.join(PATIENCE_S)
    assert not reader.is_alive()
    queue.finish()
    assert [index for index, _ in queue.wait_for_last_gaps()] == [0, 1]


def test_a_head_start_is_bounded_in_memory_and_longer_than_any_warm_up():
    assert head_start(fake_spec()) == 256
    wide = fake_spec()
    real = wide.with_grid(type(wide.grid).as_stored((64, 120, 284), (1.5, 0.54, 0.54)))
    assert head_start(real) == 1_000_000_000 // (64 * 120 * 284 * 4) == 114


def test_of_all_that_wait_only_the_newest_is_taken_if_that_is_wanted():
    queue = VolumeQueue(8, DropPolicy.NEWEST)
    put(queue, 0, 1, 2)
    (taken,) = queue.take(4)
    assert taken.volume.index == 2
    assert taken.gaps == ((0, VolumeStatus.SKIPPED), (1, VolumeStatus.SKIPPED))
    put(queue, 3)
    assert indices(queue.take(4)) == [3]


def test_the_newest_comes_first_only_once_the_head_start_is_worked_off():
    queue = VolumeQueue(2, DropPolicy.NEWEST, head_start=6)
    put(queue, 0, 1, 2, 3)
    queue.open()
    assert indices(queue.take(1)) == [0]
    assert indices(queue.take(1)) == [1]
    assert indices(queue.take(1)) == [2]
    put(queue, 4, 5)
    assert indices(queue.take(1)) == [5]
