import numpy as np
import pytest

from napari_acll.core import Detections, LabeledVolume
from napari_acll.session._novelty_monitor import NoveltyMonitor
from napari_acll.testing import fake_spec


def events(levels, why=""):
    monitor, told = NoveltyMonitor(), []
    for index, level in enumerate(levels):
        spec = fake_spec()
        labeled = LabeledVolume(
            index=index,
            spec=spec,
            instances=np.zeros(spec.shape, np.uint16),
            detections=Detections.none(),
            novelty=level,
            why_novel=why,
        )
        event = monitor.add(labeled)
        if event is not None:
            told.append((index, event.kind, event.message))
    return told, monitor


def test_a_stretch_is_told_once_and_so_is_its_end():
    told, _ = events([0.1] * 30 + [0.8] * 60 + [0.1] * 40)
    assert [kind for _, kind, _ in told] == ["unusual", "usual again"]
    assert 30 < told[0][0] <= 41
    assert 90 < told[1][0] <= 101


def test_one_odd_volume_in_a_while_is_not_told():
    assert events(([0.1] * 9 + [0.99]) * 8)[0] == []


def test_the_warning_says_what_is_odd():
    told, monitor = events([0.9] * 10, why="nuclei are large")
    assert "nuclei are large" in told[0][2]
    assert monitor.level == pytest.approx(0.9)


def test_a_labeler_that_does_not_say_is_never_odd():
    told, monitor = events([float("nan")] * 50)
    assert told == []
    assert np.isnan(monitor.level)


def test_a_level_around_the_limit_does_not_flicker():
    rng = np.random.default_rng(0)
    told, _ = events(rng.uniform(0.42, 0.6, 300))
    assert len(told) <= 1
