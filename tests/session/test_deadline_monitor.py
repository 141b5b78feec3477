import json
import math

import pytest

from napari_acll.core import StageTimings
from napari_acll.session._deadline_monitor import DeadlineMonitor

DEADLINE_S = 0.6


class Clock:
    """Time that goes on only when it is told to."""

    now_s = 0.0

    def __call__(self):
        return self.now_s


def timings(total_s: float, read_s: float = 0.01) -> StageTimings:
    return StageTimings(
        read_s=read_s, preprocess_s=0.02, wait_s=0.0, label_s=0.1, trace_s=0.003, total_s=total_s
    )


@pytest.fixture
def told():
    return []


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def make(told, clock):
    def make(deadline_s=DEADLINE_S, *, is_published=False):
        return DeadlineMonitor(
            deadline_s, is_published=is_published, tell=told.append, clock_s=clock
        )

    return make


def feed(monitor, totals_s, first=0):
    for index, total_s in enumerate(totals_s, first):
        monitor.traced(index, timings(total_s), is_held=False)


def test_each_stage_is_measured(make):
    monitor = make()
    feed(monitor, [0.2, 0.4])
    stages = monitor.report().stages
    assert stages["label"].p50_s == pytest.approx(0.1, rel=0.011)
    assert stages["preprocess"].max_s == 0.02
    assert stages["end_to_end"].max_s == 0.4
    assert stages["publish"].n == 0


def test_a_sample_later_than_the_period_has_missed_its_deadline(make):
    monitor = make()
    feed(monitor, [0.5, 0.61, 0.6, 3.0])
    report = monitor.report()
    assert (report.n_judged, report.n_missed) == (4, 2)


def test_what_was_held_for_the_calibration_has_no_deadline(make):
    monitor = make()
    monitor.traced(0, timings(5.0), is_held=True)
    report = monitor.report()
    assert (report.n_judged, report.stages["label"].n, report.stages["end_to_end"].n) == (0, 1, 0)


def test_a_replay_that_waits_for_us_misses_nothing(make, told):
    monitor = make(None)
    feed(monitor, [60.0] * 20)
    monitor.unpublished(20)
    assert (monitor.report().n_judged, told) == (0, [])


def test_what_is_published_is_judged_by_its_packet(make):
    monitor = make(is_published=True)
    feed(monitor, [0.1])
    assert monitor.report().n_judged == 0
    monitor.published(0, publish_s=0.6, end_to_end_s=0.7, is_held=False)
    report = monitor.report()
    assert (report.n_judged, report.n_missed) == (1, 1)
    assert report.stages["publish"].max_s == 0.6
    assert report.stages["end_to_end"].max_s == 0.7


def test_a_packet_that_was_dropped_has_missed_its_deadline(make):
    monitor = make(is_published=True)
    monitor.unpublished(3)
    assert (monitor.report().n_missed, monitor.report().n_unpublished) == (1, 1)


def test_samples_are_judged_again_when_the_publisher_is_gone(make):
    monitor = make(is_published=True)
    monitor.end_publishing()
    feed(monitor, [0.1])
    assert monitor.report().n_judged == 1


def test_the_beginning_and_the_end_of_being_late_are_told_once_each(make, told):
    monitor = make()
    feed(monitor, [0.5] * 10 + [0.7, 0.7])
    assert told == []
    feed(monitor, [0.7] * 20, first=12)
    assert [event.kind for event in told] == ["late"]
    assert "volume 12" in told[0].message
    assert monitor.report().is_late
    feed(monitor, [0.5] * 9, first=32)
    assert len(told) == 1
    feed(monitor, [0.5] * 11, first=41)
    assert [event.kind for event in told] == ["late", "in time"]
    assert "volume 32" in told[1].message
    assert not monitor.report().is_late


def test_a_session_on_the_edge_does_not_tell_it_again_and_again(make, told, clock):
    monitor = make()
    on_the_edge = ([0.7] * 3 + [0.5] * 10) * 8
    feed(monitor, on_the_edge)
    assert [event.kind for event in told] == ["late", "in time"]
    clock.now_s = 31.0
    feed(monitor, on_the_edge)
    assert [event.kind for event in told] == ["late", "in time"] * 2
    assert monitor.report().n_missed == 48


def test_the_report_is_json_and_a_sentence(make):
    monitor = make()
    assert monitor.report().sentence() == ""
    feed(monitor, [0.5, 0.7])
    content = monitor.report().to_json()
    assert json.loads(json.dumps(content, allow_nan=False)) == content
    assert content["stages"]["publish"] == {"n": 0, "p50_s": None, "p99_s": None, "max_s": None}
    assert monitor.report().sentence().endswith("0.7 s at most; 1 of 2 later than 0.6 s.")


def test_an_unknown_duration_does_not_count(make):
    monitor = make()
    monitor.traced(0, timings(0.3, read_s=math.nan), is_held=False)
    assert monitor.report().stages["read"].n == 0
    assert monitor.report().stages["end_to_end"].n == 1
