"""A few rounds of the harness that kills real sessions; `recipes/kill_runs.py` plays hundreds."""

import numpy as np
import pytest
from kill_runs import LIVE, ROUTES, Bench, Round, play, summary

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]


@pytest.fixture(scope="module")
def bench(tmp_path_factory):
    bench = Bench(tmp_path_factory.mktemp("kills") / "work", 6, 0.6)
    bench.prepare()
    return bench


@pytest.mark.parametrize("route", ROUTES)
def test_a_killed_session_is_resumed_and_has_lost_nothing(bench, route):
    if route == "network":
        pytest.importorskip("zmq", reason="the extra `zmq` is not installed")
    number = ROUTES.index(route)
    result = play(bench, route, number, np.random.default_rng([5, number]))
    assert result.n_kills > 0
    assert result.wrong == []


def test_a_row_that_changed_would_be_found(bench):
    out = bench.work / "changed.acll"
    process = bench.start(bench.run_command("simulated", bench.recording, out))
    assert bench.wait(process) == 0
    from kill_runs import _compare, _rows

    result = Round("simulated", n_kills=1)
    kept = [(0.0, _rows(out, result))]
    status = out / "marker_sum" / "c" / "0" / "0"
    content = bytearray(status.read_bytes())
    content[: 194 * 8] = content[194 * 8 : 2 * 194 * 8]
    status.write_bytes(content)
    _compare(bench, out, kept, bench.work / "none.txt", result)
    assert any("marker_sum of volume 0" in sentence for sentence in result.wrong)
    assert "| simulated | 1 | 1 |" in summary([result])
    assert set(LIVE) < set(ROUTES)
