"""Nothing is measured by the clock on the wall, which anybody may set during a recording."""

import ast
from pathlib import Path

import pytest

SOURCE = Path(__file__).parents[2] / "src" / "napari_acll"
WALL_CLOCKS = {"time.time", "time.time_ns", "datetime.now", "datetime.today", "datetime.utcnow"}
MAY_LOOK = {
    "core/_live_mark.py": "tells how old a file is that a killed program left",
    "core/_steady_clock.py": "says once how the clock that only goes on lies to the wall's",
    "session/_clock_watch.py": "notices that it jumped",
    "export/_header.py": "dates events and sessions for people",
}
LIVE_PACKAGES = (
    "core",
    "sources",
    "preprocess",
    "label",
    "trace",
    "session",
    "export",
    "marks",
    "publish",
    "quality",
)


def uses(text: str) -> set[str]:
    names = {
        ast.unparse(node) for node in ast.walk(ast.parse(text)) if isinstance(node, ast.Attribute)
    }
    return {name for name in names if name in WALL_CLOCKS or name.endswith(".datetime.now")}


@pytest.mark.parametrize("package", LIVE_PACKAGES)
def test_a_live_recording_is_timed_by_clocks_that_only_go_on(package):
    for path in sorted((SOURCE / package).glob("*.py")):
        name = path.relative_to(SOURCE).as_posix()
        if name not in MAY_LOOK:
            assert not uses(path.read_text("utf-8")), name


def test_a_look_at_the_wall_clock_would_be_found():
    assert uses("import time\nwait_s = time.time() + 3") == {"time.time"}
    assert uses("from datetime import datetime\nnow = datetime.now()") == {"datetime.now"}
    for name in MAY_LOOK:
        assert uses((SOURCE / name).read_text("utf-8"))
