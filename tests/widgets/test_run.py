import threading

from napari_acll.core import AcllSettings, RecordingError, SessionState
from napari_acll.testing import FakeLabeler, FakeSource
from napari_acll.widgets._run import Run, RunRequest, SessionMaker

READY = ("armed", "Ready: the model is warm; start the microscope.")


def test_what_is_told_before_there_is_a_session_reaches_the_screen():
    def build(request):
        request.tell(*READY)
        raise RecordingError("It never began.")

    run = Run(RunRequest(recording="worm", settings=AcllSettings(), out=None), build)
    run.start()
    assert run.wait(20)
    assert run.take_events() == [READY]
    assert str(run.error) == "It never began."


class WaitingSource(FakeSource):
    """A live source that waits for its first volume until it is closed."""

    def __init__(self):
        self.asked = threading.Event()
        super().__init__([], is_live=True)

    @property
    def spec(self):
        self.asked.set()
        if not self.closed.wait(20):
            raise TimeoutError("nobody closed the source that waits")
        raise RecordingError("It was closed before its first volume came.")

    @spec.setter
    def spec(self, value):
        """The base sets one."""


def test_an_armed_session_can_be_stopped_before_the_recording_begins(monkeypatch):
    monkeypatch.setattr("napari_acll.label.load_labeler", lambda _settings: FakeLabeler())
    source = WaitingSource()
    run = Run(RunRequest(recording=source, settings=AcllSettings(), out=None), SessionMaker())
    run.start()
    assert source.asked.wait(20)
    assert run.is_live
    assert run.state is SessionState.WARMING_UP
    run.stop()
    assert run.wait(20)
    assert run.error is None
    assert run.state is SessionState.FINISHED
    assert source.closed.is_set()


def test_ready_is_known_before_the_recording_begins():
    def build(request):
        request.tell("armed", "The model could not be warmed up for volumes of 2 x 2 x 2 voxels")
        seen.append(run.is_ready)
        request.tell(*READY)
        seen.append(run.is_ready)
        raise RecordingError("It never began.")

    seen = []
    run = Run(RunRequest(recording="worm", settings=AcllSettings(), out=None), build)
    run.start()
    assert run.wait(20)
    assert seen == [False, True]


def test_the_model_of_a_look_serves_the_recording_after_it(tmp_path, monkeypatch):
    loaded = []

    def load(_settings):
        loaded.append(FakeLabeler())
        return loaded[-1]

    monkeypatch.setattr("napari_acll.label.load_labeler", load)
    make = SessionMaker()
    settings = AcllSettings(
        alignment={"n_volumes": 0}, preprocess={"bin_px": 1}, publish={"mode": "off"}
    )
    for out in (None, tmp_path / "worm.acll"):
        run = Run(RunRequest(recording=FakeSource(range(3)), settings=settings, out=out), make)
        run.start()
        assert run.wait(20)
        assert run.error is None
        assert run.session.counters.n_traced == 3
    assert len(loaded) == 1
    assert (tmp_path / "worm.acll" / "session.json").is_file()
