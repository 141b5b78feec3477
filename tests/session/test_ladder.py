"""The ladder against a queue and a labeler that are played with a fake clock."""

from collections import deque
from itertools import pairwise

import pytest

from napari_acll.core import AcllSettings, DropPolicy
from napari_acll.session._ladder import DISPLAY_OFF, EVERY_SECOND, LABELS_OFF, DegradeLadder

PERIOD_S = 0.6
CAPACITY = 8


def settings(**run):
    label = {"batch_size": run.pop("batch_size", 1)}
    run = {"drop_policy": "drop_oldest", "queue_capacity": CAPACITY, **run}
    return AcllSettings(run=run, label=label)


class Play:
    """A microscope, a queue of 8 and a labeler whose speed can be changed, on a fake clock."""

    def __init__(self, ladder: DegradeLadder) -> None:
        self.ladder = ladder
        self.events = []
        self.n_skipped = 0
        self._waiting: deque[int] = deque()
        self._next_index = 0
        self._now_s = 0.0

    def run(self, n_volumes: int, label_s) -> None:
        """Let so many volumes come; `label_s(ladder)` is how long one takes."""
        last = self._next_index + n_volumes
        while self._next_index < last:
            self._arrive()
            if not self._waiting:
                self._now_s = self._next_index * PERIOD_S
                continue
            index = self._waiting.popleft()
            event = self.ladder.add(index, len(self._waiting))
            self._now_s += label_s(self.ladder)
            if event is not None:
                self.events.append(event)

    def _arrive(self) -> None:
        while self._next_index * PERIOD_S <= self._now_s:
            if self.ladder.leaves_out(self._next_index):
                self.n_skipped += 1
            else:
                self._waiting.append(self._next_index)
            if len(self._waiting) > CAPACITY:
                self._waiting.popleft()
                self.n_skipped += 1
            self._next_index += 1


def test_a_labeler_that_keeps_up_is_left_alone():
    play = Play(DegradeLadder(settings()))
    play.run(500, lambda _: 0.55)
    assert play.events == []


def test_one_thing_after_the_other_is_given_up_until_it_keeps_up():
    play = Play(DegradeLadder(settings(batch_size=4)))
    play.run(600, lambda ladder: 0.5 if EVERY_SECOND in ladder.given_up else 1.0)
    assert [event.kind for event in play.events[:4]] == ["degraded"] * 4
    levels = [event.details["given_up"] for event in play.events[:4]]
    assert [len(given_up) for given_up in levels] == [1, 2, 3, 4]
    assert levels[3][1:] == [DISPLAY_OFF, LABELS_OFF, EVERY_SECOND]
    assert "falls behind at volume" in play.events[0].message


def test_what_helps_enough_is_not_followed_by_more():
    play = Play(DegradeLadder(settings()))
    play.run(400, lambda ladder: 0.9 if ladder.shows else 0.3)
    assert {event.kind for event in play.events[:1]} == {"degraded"}
    assert max(event.details["level"] for event in play.events) == 1


def test_all_of_it_is_taken_up_again_when_it_keeps_up():
    ladder = DegradeLadder(settings())
    play = Play(ladder)
    play.run(300, lambda _: 1.3)
    assert ladder.given_up
    assert not ladder.shows
    play.run(800, lambda _: 0.1)
    assert ladder.given_up == ()
    assert ladder.shows
    assert ladder.keeps_labels
    assert play.events[-1].kind == "recovered"
    assert "keeps up again" in play.events[-1].message


def test_it_does_not_go_back_and_forth_for_ever():
    play = Play(DegradeLadder(settings(save_labels=False)))
    play.run(3000, lambda ladder: 0.2 if EVERY_SECOND in ladder.given_up else 0.8)
    recovered = [event.details["index"] for event in play.events if event.kind == "recovered"]
    assert len(recovered) >= 2
    distances = [b - a for a, b in pairwise(recovered)]
    assert distances[-1] > 2 * distances[0]
    assert len(play.events) < 40


def test_a_backlog_that_shrinks_is_no_reason():
    ladder = DegradeLadder(settings())
    events = [ladder.add(index, 60 - index) for index in range(60)]
    assert not any(events)


def test_a_hiccup_is_no_reason():
    ladder = DegradeLadder(settings())
    waiting = [7, 6, 5, 4, 3, 2, 1, 0] + [0] * 100
    assert not any(ladder.add(index, n) for index, n in enumerate(waiting))


@pytest.mark.parametrize(
    "run", [{"degrades_when_late": False}, {"drop_policy": DropPolicy.BLOCK}], ids=str
)
def test_it_can_be_switched_off_and_a_replay_never_gives_up_anything(run):
    ladder = DegradeLadder(settings(**run))
    assert not any(ladder.add(index, CAPACITY) for index in range(200))
    assert ladder.shows
    assert ladder.keeps_labels
    assert not ladder.leaves_out(1)


def test_what_is_off_already_is_no_step():
    ladder = DegradeLadder(settings(save_labels=False))
    for index in range(200):
        ladder.add(index, CAPACITY)
    assert ladder.given_up == (DISPLAY_OFF, EVERY_SECOND)
    assert [ladder.leaves_out(index) for index in range(4)] == [False, True, False, True]
