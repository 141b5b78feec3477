"""Fixtures for all tests, among them three that fail a test which leaves something behind."""

import gc
import os
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

SHARED_THREADS = (  # pools that libraries start once and keep
    "zarr",  # zarr's event loop and its workers
    "asyncio_",
    "fsspecIO",
    "tqdm",
    "Dummy-",  # threads of Qt or OpenMP that once called Python
    "QThread",
    "pydevd",
)
PATIENCE_S = 5.0  # how long a thread that was told to end may take for it


def _is_shared(thread: threading.Thread) -> bool:
    library = type(thread).__module__.partition(".")[0]
    return thread.name.startswith(SHARED_THREADS) or library in ("tqdm", "_pytest")


@pytest.fixture(autouse=True)
def _no_leaked_threads() -> Iterator[None]:
    before = set(threading.enumerate())
    yield
    left = [t for t in threading.enumerate() if t not in before and not _is_shared(t)]
    for thread in left:
        thread.join(PATIENCE_S)
    alive = [thread.name for thread in left if thread.is_alive()]
    if alive:
        pytest.fail(f"The test left threads running: {', '.join(alive)}.")


def _libraries_and_caches() -> tuple[str, ...]:
    home = Path.home()
    places = [sys.prefix, sys.base_prefix, "/usr", "/proc", "/dev", "/sys", "/etc", "/var/cache"]
    return (*places, str(home / ".cache"), str(home / ".config"), str(home / ".local"))


def _open_files() -> set[str]:
    """Return the files that are open or mapped; on Windows an open file cannot be deleted."""
    found = set()
    for entry in os.listdir("/proc/self/fd"):  # noqa: PTH208  (a hundred times per second)
        try:
            found.add(os.readlink(f"/proc/self/fd/{entry}"))  # noqa: PTH115
        except OSError:  # closed in between
            continue
    with Path("/proc/self/maps").open() as maps:
        found.update(line.split(maxsplit=5)[5].strip() for line in maps if line.count("/"))
    ours = {name for name in found if name.startswith("/") and not name.endswith(" (deleted)")}
    return {name for name in ours if not name.startswith(_libraries_and_caches())}


@pytest.fixture(autouse=True)
def _no_leaked_files() -> Iterator[None]:
    if not sys.platform.startswith("linux"):
        yield
        return
    before = _open_files()
    yield
    left = _open_files() - before
    if left:  # an object that nobody holds anymore is not a leak
        gc.collect()
        left = {
            name
            for name in _open_files() - before
            if not (name.endswith((".so", ".ttf")) or ".so." in name)  # loaded for good
        }
    if left:
        pytest.fail(f"The test left files open: {', '.join(sorted(left))}.")


def _live_widgets() -> set[object]:
    """Return our own widgets and all visible windows, if the test used Qt at all."""
    if "qtpy.QtWidgets" not in sys.modules:
        return set()
    from qtpy.QtWidgets import QApplication

    if QApplication.instance() is None:
        return set()
    windows = {widget for widget in QApplication.topLevelWidgets() if widget.isVisible()}
    ours = "napari_acll"
    return windows | {w for w in QApplication.allWidgets() if type(w).__module__.startswith(ours)}


def _finish_deletions() -> None:
    from qtpy.QtCore import QCoreApplication, QEvent

    gc.collect()
    QCoreApplication.sendPostedEvents(None, int(QEvent.Type.DeferredDelete.value))
    QCoreApplication.processEvents()


@pytest.fixture(autouse=True)
def _no_leaked_widgets() -> Iterator[None]:
    before = _live_widgets()
    yield
    if _live_widgets() - before:
        _finish_deletions()
    left = [type(widget).__name__ for widget in _live_widgets() - before]
    if left:
        pytest.fail(f"The test left widgets behind: {', '.join(sorted(left))}.")


@pytest.fixture(autouse=True)
def _own_rig_memory(tmp_path_factory, monkeypatch) -> None:
    """Keep alignments that a test makes away from those of the user and of other tests."""
    monkeypatch.setenv("ACLL_DATA_DIR", str(tmp_path_factory.mktemp("rigs")))


@pytest.fixture(scope="session")
def test_data() -> Path:
    """Return the folder of the real recordings, or skip the test where they are not."""
    folder = os.environ.get("ACLL_TEST_DATA")
    if not folder:
        pytest.skip("ACLL_TEST_DATA is not set: the real recordings are not on this machine")
    if not Path(folder).is_dir():
        pytest.fail(f"ACLL_TEST_DATA={folder} is not a folder; correct it or unset it.")
    return Path(folder)
