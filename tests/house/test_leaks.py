"""The fixtures that watch for leaks do fail the tests that leak."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

CONFTEST = Path(__file__).parents[1] / "conftest.py"
LEAKY = """
import threading
from pathlib import Path

import pytest

kept = []
stop = threading.Event()


@pytest.fixture(scope="session", autouse=True)
def end():
    yield
    stop.set()


def test_thread():
    threading.Thread(target=stop.wait, name="forgotten").start()


def test_file(tmp_path):
    kept.append((tmp_path / "forgotten.txt").open("w"))


def test_map(tmp_path):
    import numpy as np

    np.save(tmp_path / "mapped.npy", np.zeros(9000))
    kept.append(np.load(tmp_path / "mapped.npy", mmap_mode="r"))


def test_widget(qtbot):
    from qtpy.QtWidgets import QWidget

    kept.append(QWidget())
    kept[-1].show()


def test_clean(tmp_path):
    (tmp_path / "closed.txt").write_text("")
    thread = threading.Thread(target=len, args=("",))
    thread.start()
"""


@pytest.fixture(scope="module")
def outcome(tmp_path_factory) -> str:
    folder = tmp_path_factory.mktemp("leaky")
    own = CONFTEST.read_text("utf-8").replace("PATIENCE_S = 5.0", "PATIENCE_S = 0.1")
    (folder / "conftest.py").write_text(own, encoding="utf-8")
    (folder / "test_leaky.py").write_text(LEAKY, encoding="utf-8")
    env = {**os.environ, "QT_QPA_PLATFORM": "offscreen", "COLUMNS": "500"}
    result = subprocess.run(
        [sys.executable, "-m", "pytest", "-rA", "-q", "--color=no", str(folder)],
        cwd=folder,
        env=env,
        capture_output=True,
        text=True,
        check=False,
        timeout=100,
    )
    return result.stdout


def _leak(outcome: str, test: str) -> str:
    lines = [line for line in outcome.splitlines() if line.startswith("ERROR")]
    found = [line for line in lines if line.partition("::")[2].startswith(test)]
    assert len(found) == 1, outcome
    return found[0]


def test_a_forgotten_thread_fails_its_test(outcome):
    assert "forgotten" in _leak(outcome, "test_thread")


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="open files are listed by /proc")
def test_a_forgotten_file_fails_its_test(outcome):
    assert "forgotten.txt" in _leak(outcome, "test_file")
    assert "mapped.npy" in _leak(outcome, "test_map")


def test_a_forgotten_widget_fails_its_test(outcome):
    assert "QWidget" in _leak(outcome, "test_widget")


def test_a_clean_test_passes(outcome):
    lines = [line for line in outcome.splitlines() if "::test_clean" in line]
    assert lines == ["PASSED test_leaky.py::test_clean"]
