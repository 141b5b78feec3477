"""A docked live widget whose sessions are fakes."""

import os
import sys
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from tests.widgets.fake_session import FakeSession


def pytest_runtest_setup() -> None:
    """Skip where there is no screen: Qt would end the whole process there."""
    if sys.platform == "linux" and not os.environ.get(
        "DISPLAY", os.environ.get("WAYLAND_DISPLAY")
    ):
        pytest.skip("no screen: run the tests under xvfb-run")


@pytest.fixture
def sessions() -> Iterator[list[FakeSession]]:
    """Sessions that the tests made; stopped at the end, should a test fail before it does."""
    made: list[FakeSession] = []
    yield made
    for session in made:
        session.stop()


@pytest.fixture
def build_fake(sessions: list[FakeSession]) -> Callable[..., Callable[[Any], FakeSession]]:
    """Return a builder of fake sessions with given arguments."""

    def with_arguments(**arguments: Any) -> Callable[[Any], FakeSession]:
        def build(request: Any) -> FakeSession:
            session = FakeSession(**arguments)
            session.request = request
            sessions.append(session)
            return session

        return build

    return with_arguments


@pytest.fixture
def live(
    make_napari_viewer_proxy: Callable[[], Any],
    build_fake: Callable[..., Any],
    monkeypatch: pytest.MonkeyPatch,
) -> Any:
    """Return a docked live widget whose sessions are fakes of three volumes."""
    from napari_acll.widgets import LiveSessionWidget

    monkeypatch.setattr("napari_acll.widgets._live_widget.show_error", lambda _sentence: None)
    viewer = make_napari_viewer_proxy()
    widget = LiveSessionWidget(viewer)
    viewer.window.add_dock_widget(widget, name="live")
    widget.engine.build = build_fake(n_volumes=3)
    return widget
