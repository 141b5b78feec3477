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


def _small_source():
    return FakeSource(range(3))


def test_a_session_that_is_canceled_while_its_model_loads_makes_no_folder(tmp_path, monkeypatch):
    loading, go_on = threading.Event(), threading.Event()

    def load(_settings):
        loading.set()
        go_on.wait(20)
        return FakeLabeler()

    monkeypatch.setattr("napari_acll.label.load_labeler", load)
    out = tmp_path / "worm.acll"
    run = Run(
        RunRequest(recording=_small_source(), settings=AcllSettings(), out=out), SessionMaker()
    )
    run.start()
    assert loading.wait(20)
    run.stop()
    go_on.set()
    assert run.wait(20)
    assert run.error is None
    assert run.session is None
    assert list(tmp_path.iterdir()) == []


class SlowToWarmUp(FakeLabeler):
    """Warms up until it is let go."""

    def __init__(self):
        super().__init__()
        self.begun, self.go_on = threading.Event(), threading.Event()

    def warm_up(self, spec, batch_size):
        self.begun.set()
        self.go_on.wait(20)
        super().warm_up(spec, batch_size)


def test_a_session_that_is_canceled_while_it_warms_up_leaves_no_folder(tmp_path, monkeypatch):
    labeler = SlowToWarmUp()
    monkeypatch.setattr("napari_acll.label.load_labeler", lambda _settings: labeler)
    out = tmp_path / "worm.acll"
    run = Run(
        RunRequest(recording=_small_source(), settings=AcllSettings(), out=out), SessionMaker()
    )
    run.start()
    assert labeler.begun.wait(20)
    assert out.is_dir()
    run.stop()
    assert run.session._stop_event.wait(20)  # else volumes may come before the stop does
    labeler.go_on.set()
    assert run.wait(20)
    assert run.error is None
    assert run.is_discarded
    assert list(tmp_path.iterdir()) == []
    assert any("worm.acll was removed" in message for _, message in run.take_events())


def test_a_session_that_is_stopped_after_a_volume_keeps_its_folder(tmp_path, monkeypatch):
    monkeypatch.setattr("napari_acll.label.load_labeler", lambda _settings: FakeLabeler())
    out = tmp_path / "worm.acll"
    source = FakeSource(range(2), is_live=True)
    run = Run(RunRequest(recording=source, settings=AcllSettings(), out=out), SessionMaker())
    run.start()
    assert source.exhausted.wait(20)
    run.stop()
    assert run.wait(20)
    assert not run.is_discarded
    assert (out / "session.json").is_file()


def test_a_folder_that_cannot_be_removed_is_told(tmp_path, monkeypatch):
    labeler = SlowToWarmUp()
    monkeypatch.setattr("napari_acll.label.load_labeler", lambda _settings: labeler)
    monkeypatch.setattr("shutil.rmtree", lambda *_, **__: None)  # another program has it open
    out = tmp_path / "worm.acll"
    run = Run(
        RunRequest(recording=_small_source(), settings=AcllSettings(), out=out), SessionMaker()
    )
    run.start()
    assert labeler.begun.wait(20)
    run.stop()
    assert run.session._stop_event.wait(20)  # else volumes may come before the stop does
    labeler.go_on.set()
    assert run.wait(20)
    assert any("could not be removed" in message for _, message in run.take_events())


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
