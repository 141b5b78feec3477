import pytest

from napari_acll.cli._progress import LineDisplay, backlog
from napari_acll.core import SessionCounters


@pytest.mark.parametrize(
    ("n", "words"), [(0, ""), (1, ""), (2, ", 2 waiting"), (64, ", 64 waiting")]
)
def test_a_backlog_is_shown_once_there_is_one(n, words):
    assert backlog(SessionCounters(n_waiting=n)) == words


def test_a_line_tells_what_was_done_what_was_lost_and_what_waits(capsys):
    display = LineDisplay(20)
    display._said_at -= 60
    display.show(SessionCounters(n_traced=7, n_skipped=1, n_waiting=3), "running")
    assert (
        capsys.readouterr().err == "acll: running: 7 of 20 volumes traced, 1 skipped, 3 waiting\n"
    )
