import threading
from time import perf_counter

import numpy as np
import pytest

from napari_acll.widgets._player import MAX_SPEED, Player

PATIENCE_S = 20.0
QUIET_S = 0.3
N_VOLUMES = 6
PERIOD_S = 0.05


class Loads:
    """Notes what was read; waits for permission if it is gated."""

    def __init__(self, *, is_gated: bool = False, fails_at: int | None = None) -> None:
        self.indices: list[int] = []
        self.began = threading.Semaphore(0)
        self.gate = threading.Semaphore(0 if is_gated else 1000)
        self._fails_at = fails_at

    def __call__(self, index: int) -> None:
        self.began.release()
        assert self.gate.acquire(timeout=PATIENCE_S)
        self.indices.append(index)
        if index == self._fails_at:
            raise OSError("the disk is gone")


@pytest.fixture
def make_player():
    made = []

    def make(loads: Loads, speed: float = MAX_SPEED) -> Player:
        player = Player(loads, np.arange(N_VOLUMES) * PERIOD_S)
        player.set_speed(speed)
        made.append(player)
        return player

    yield make
    for player in made:
        player.close()


def _next(player: Player) -> int:
    waiting = threading.Event()
    for _ in range(4000):
        index = player.take()
        if index is not None:
            return index
        waiting.wait(0.005)
    pytest.fail("no volume came")


def test_every_volume_is_shown_in_its_order_and_then_it_stands_still(make_player):
    loads = Loads()
    player = make_player(loads)
    player.play()
    assert [_next(player) for _ in range(1, N_VOLUMES)] == list(range(1, N_VOLUMES))
    assert loads.indices == list(range(1, N_VOLUMES))
    assert not player.is_playing
    assert not player.is_busy


def test_nothing_is_read_before_somebody_wants_it(make_player):
    loads = Loads()
    make_player(loads)
    assert not loads.began.acquire(timeout=QUIET_S)


def test_one_volume_at_most_is_read_ahead_of_a_slow_screen(make_player):
    loads = Loads()
    player = make_player(loads)
    player.play()
    assert loads.began.acquire(timeout=PATIENCE_S)
    assert not loads.began.acquire(timeout=QUIET_S)
    assert loads.indices == [1]
    assert _next(player) == 1
    assert loads.began.acquire(timeout=PATIENCE_S)


def test_at_the_recorded_speed_volumes_keep_their_distance(make_player):
    player = make_player(Loads(), speed=0.5)
    began_s = perf_counter()
    player.play()
    for _ in range(1, N_VOLUMES):
        _next(player)
    assert perf_counter() - began_s >= (N_VOLUMES - 1) * PERIOD_S / 0.5


def test_a_jump_replaces_the_one_before_it(make_player):
    loads = Loads(is_gated=True)
    player = make_player(loads)
    player.seek(1)
    assert loads.began.acquire(timeout=PATIENCE_S)
    for index in (2, 3, 4):
        player.seek(index)
    loads.gate.release(10)
    assert _next(player) == 4
    assert loads.indices == [1, 4]
    assert player.position == 4


def test_a_jump_outlives_a_change_of_speed_and_a_pause(make_player):
    loads = Loads(is_gated=True)
    player = make_player(loads)
    player.seek(3)
    assert loads.began.acquire(timeout=PATIENCE_S)
    player.set_speed(2.0)
    player.pause()
    loads.gate.release(10)
    assert _next(player) == 3


def test_steps_go_from_what_was_wanted_last_and_stop_at_the_ends(make_player):
    player = make_player(Loads())
    player.step(2)
    assert _next(player) == 2
    player.step(-1)
    assert _next(player) == 1
    player.step(-5)
    assert _next(player) == 0
    player.step(100)
    assert _next(player) == N_VOLUMES - 1


def test_a_volume_that_was_read_when_it_was_paused_is_not_shown(make_player):
    loads = Loads(is_gated=True)
    player = make_player(loads)
    player.play()
    assert loads.began.acquire(timeout=PATIENCE_S)
    player.pause()
    loads.gate.release(10)
    player.step(0)
    assert _next(player) == 0
    assert player.take() is None


def test_playing_goes_on_from_where_somebody_else_moved_it(make_player):
    player = make_player(Loads())
    player.was_moved(3)
    player.play()
    assert [_next(player), _next(player)] == [4, 5]


def test_playing_at_the_end_begins_again(make_player):
    player = make_player(Loads())
    player.was_moved(N_VOLUMES - 1)
    player.play()
    assert [_next(player), _next(player)] == [0, 1]


def test_a_volume_that_cannot_be_read_stops_it_and_can_be_passed_over(make_player):
    player = make_player(Loads(fails_at=1))
    player.play()
    waiting = threading.Event()
    while (error := player.take_error()) is None:
        waiting.wait(0.005)
    assert "the disk is gone" in str(error)
    assert not player.is_playing
    player.seek(2)
    assert _next(player) == 2


def test_it_is_busy_until_an_error_was_told(make_player):
    loads = Loads(fails_at=1)
    player = make_player(loads)
    player.seek(1)
    assert loads.began.acquire(timeout=PATIENCE_S)
    waiting = threading.Event()
    for _ in range(4000):
        if player._error is not None and not player._is_loading:
            break
        waiting.wait(0.005)
    assert player.is_busy
    assert player.take_error() is not None
    assert not player.is_busy


def test_closing_ends_the_thread_while_it_waits(make_player):
    player = make_player(Loads(), speed=1e-6)
    player.play()
    player.close()
    player.close()
    player._thread.join(PATIENCE_S)
    assert not player._thread.is_alive()
