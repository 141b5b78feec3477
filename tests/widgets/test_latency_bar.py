import pytest
from tests.widgets.fake_session import PERIOD_S, make_deadlines

from napari_acll.core import DeadlineReport, Durations
from napari_acll.widgets._latency_bar import LatencyBar, latency_sentence, stage_durations_s
from napari_acll.widgets._lights import BAD, FLAGGED, GOOD, QUIET

_STAGES = ("read", "preprocess", "wait", "label", "trace", "publish", "end_to_end")


@pytest.fixture
def bar(qtbot):
    widget = LatencyBar()
    qtbot.addWidget(widget)
    return widget


def report(p50_s, *, n_missed=0, is_late=False, deadline_s=PERIOD_S):
    whole = Durations(n=9, p50_s=p50_s, p99_s=2 * p50_s, max_s=3 * p50_s)
    return DeadlineReport(
        deadline_s=deadline_s,
        n_judged=9,
        n_missed=n_missed,
        is_late=is_late,
        stages={name: Durations() for name in _STAGES} | {"end_to_end": whole},
    )


@pytest.mark.parametrize(
    ("found", "color", "words"),
    [
        (report(0.2), GOOD, "200 ms (p99 400 ms) of 600 ms"),
        (report(0.5), FLAGGED, "500 ms"),
        (report(0.2, n_missed=2), FLAGGED, "2 of 9 late"),
        (report(0.7, n_missed=5, is_late=True), BAD, "5 of 9 late"),
        (report(0.2, deadline_s=None), QUIET, "200 ms (p99 400 ms), no deadline; period 600 ms"),
    ],
)
def test_the_light_says_whether_samples_come_in_time(found, color, words):
    text, shown = latency_sentence(found, PERIOD_S)
    assert words in text
    assert shown == color


def test_before_the_first_sample_there_is_no_bar(bar):
    nothing = DeadlineReport(deadline_s=PERIOD_S, stages={name: Durations() for name in _STAGES})
    bar.setValue(nothing, PERIOD_S)
    assert bar.value() is nothing
    assert bar.bar.isHidden()
    assert "no sample yet" in bar.sentence.text()


def test_each_stage_is_as_long_as_its_share_and_they_follow_each_other(bar):
    found = make_deadlines(label_s=0.1)
    bar.setValue(found, PERIOD_S)
    spans = bar.bar.spans()
    assert list(spans) == ["read", "preprocess", "label", "trace"]
    ends = [0.0, *(stop for _, stop in spans.values())]
    assert [start for start, _ in spans.values()] == ends[:-1]
    lengths = [stop - start for start, stop in spans.values()]
    medians = list(stage_durations_s(found).values())
    assert lengths == pytest.approx([m * lengths[2] / 0.1 for m in medians])
    assert "label&nbsp;100" in bar.numbers.text()
    assert "wait" not in bar.numbers.text()


def test_what_is_slower_than_the_deadline_still_fits(bar):
    bar.setValue(make_deadlines(label_s=5.0), PERIOD_S)
    assert all(0 <= start <= stop < 1 for start, stop in bar.bar.spans().values())


def test_it_is_drawn_in_the_colors_of_the_stages(bar):
    bar.setValue(make_deadlines(label_s=0.3), PERIOD_S)
    bar.resize(400, 80)
    image = bar.bar.grab().toImage()
    start, stop = bar.bar.spans()["label"]
    middle = image.pixelColor(int((start + stop) / 2 * image.width()), image.height() // 2)
    assert middle.name() == "#e69f00"


def test_nothing_is_shown_once_there_is_nothing_to_show(bar):
    bar.setValue(make_deadlines(), PERIOD_S)
    bar.setValue(None)
    assert bar.value() is None
    assert bar.sentence.text() == "-"
    assert bar.bar.isHidden()
