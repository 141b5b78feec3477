import math
from time import perf_counter

from napari_acll.session import Latest
from napari_acll.widgets._screen_meter import ScreenMeter


def _traced(seconds_ago):
    return Latest(None, None, None, None, perf_counter() - seconds_ago)


def test_a_meter_tells_how_many_were_shown_and_how_long_after_their_samples():
    meter = ScreenMeter()
    assert (meter.n_shown, math.isnan(meter.delay_s)) == (0, True)
    for seconds_ago in (5.0, 0.2, 0.2):
        meter.add(_traced(seconds_ago))
    assert meter.n_shown == 3
    assert 0.2 <= meter.delay_s < 5.0


def test_a_volume_of_which_nobody_knows_when_it_was_traced_is_counted_only():
    meter = ScreenMeter()
    meter.add(Latest(None, None, None, None))
    assert (meter.n_shown, math.isnan(meter.delay_s)) == (1, True)


def test_what_a_frozen_viewer_passes_over_is_traced_all_the_same(live, tmp_path, qtbot, sessions):
    live.setup.set_recording("simulated")
    live.setup.out.setValue(str(tmp_path / "new.acll"))
    live.buttons.start.click()
    assert live.engine.run.wait(20)  # nothing is drawn meanwhile
    qtbot.waitUntil(lambda: live.engine.state.is_over, timeout=10_000)
    assert sessions[0].counters.n_traced == 3
    assert live.engine.screen.n_shown == 1
    assert "3 of 3 traced · 1 shown" in live.status.volumes.text()
