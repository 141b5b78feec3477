"""A model is warm before a live recording begins, where its volumes can be expected."""

import json

import pytest

from napari_acll.core import AcllSettings, ModelError, SourceSettings, VoxelGrid
from napari_acll.session import build_session
from napari_acll.session._geometry_memory import expected_spec, remember_spec
from napari_acll.testing import FakeLabeler, FakeSource, fake_spec

SETTINGS = {"alignment": {"n_volumes": 0}, "preprocess": {"bin_px": 1}}


class ArmedSource(FakeSource):
    """A live source that tells its spec only once it is asked, as if it had to wait for it."""

    def __init__(self, path="rig/worm", shape=(4, 12, 20)) -> None:
        super().__init__(range(3), is_live=True, ends=True)
        self.asked = []
        self._path = path
        self._shape = shape

    def describe(self):
        return {"kind": "fake", "path": self._path}

    @property
    def spec(self):
        self.asked.append("spec")
        return fake_spec().with_grid(VoxelGrid.as_stored(self._shape, (1.0, 0.5, 0.5)))

    @spec.setter
    def spec(self, value):
        """The base sets one."""


class NotedLabeler(FakeLabeler):
    """Notes for what it was warmed up, and whether the source had been asked by then."""

    def __init__(self, source) -> None:
        super().__init__()
        self.warmed = []
        self._source = source

    def warm_up(self, spec, batch_size):
        super().warm_up(spec, batch_size)
        self.warmed.append((spec.shape, len(self._source.asked)))


@pytest.fixture
def build(monkeypatch):
    def build_on(source, labeler=None, **source_settings):
        labeler = labeler or NotedLabeler(source)
        monkeypatch.setattr("napari_acll.label.load_labeler", lambda _: labeler)
        told = []
        source.asked.clear()
        session = build_session(
            source,
            settings=AcllSettings(**SETTINGS, source=source_settings),
            out=None,
            tell=lambda kind, message: told.append((kind, message)),
        )
        return session, labeler, told

    return build_on


def finish(session):
    events = []
    session.event.connect(lambda kind, message: events.append((kind, message)))
    session.start()
    assert session.join(20)
    return events


def test_the_second_recording_finds_a_model_that_is_warm_before_it_begins(build):
    session, labeler, told = build(ArmedSource())
    finish(session)
    assert told == []
    assert labeler.warmed[0][1] > 0  # only once the source had said what comes
    session, labeler, told = build(ArmedSource())
    assert labeler.warmed == [((4, 12, 20), 0)]
    assert told == [
        (
            "armed",
            "Ready: the model is warm for volumes of 4 x 12 x 20 voxels; start the microscope.",
        )
    ]
    assert told[0] in finish(session)
    assert session.counters.n_traced == 3


def test_settings_can_say_what_will_come(build):
    session, labeler, told = build(ArmedSource(), live={"expected_shape_px": (8, 30, 40)})
    assert labeler.warmed == [((8, 30, 40), 0)]
    assert "8 x 30 x 40" in told[0][1]
    finish(session)
    assert labeler.warmed[-1][0] == (4, 12, 20)  # what came in truth is warmed up for, too
    assert session.counters.n_traced == 3


def test_a_guess_that_the_model_does_not_like_ends_nothing(build):
    class Choosy(FakeLabeler):
        def warm_up(self, spec, batch_size):
            del batch_size
            if spec.shape[0] < 4:
                raise ModelError("It needs 4 slices.")

    session, _, told = build(ArmedSource(), Choosy(), live={"expected_shape_px": (2, 30, 40)})
    assert told == [
        (
            "armed",
            "The model could not be warmed up for volumes of 2 x 30 x 40 voxels: It needs 4"
            " slices.",
        )
    ]
    finish(session)
    assert session.counters.n_traced == 3


def test_a_replay_is_not_waited_for(build):
    class Replay(ArmedSource):
        def __init__(self) -> None:
            super().__init__()
            self.is_live = False

    remember_spec(ArmedSource())
    _, labeler, told = build(Replay())
    assert told == []
    assert labeler.warmed == []


def test_the_same_place_goes_before_the_same_kind_before_anything():
    def shape_for(source):
        spec = expected_spec(source, SourceSettings())
        return None if spec is None else spec.shape

    class A(ArmedSource):
        pass

    class B(ArmedSource):
        pass

    class C(ArmedSource):
        pass

    assert shape_for(A()) is None
    remember_spec(A("here/worm1", shape=(3, 3, 3)))
    remember_spec(A("there/worm1", shape=(4, 4, 4)))
    remember_spec(B("here/worm1", shape=(5, 5, 5)))
    assert shape_for(A("here/worm2")) == (3, 3, 3)
    assert shape_for(A("nowhere/worm1")) == (4, 4, 4)
    assert shape_for(C("nowhere/worm1")) == (5, 5, 5)


@pytest.mark.parametrize(
    "text", ["", "{}", "[3]", json.dumps([{"kind": "a", "shape": [0, 1]}]), '[{"kind": 1}]']
)
def test_a_damaged_memory_is_not_used(tmp_path, monkeypatch, text):
    monkeypatch.setenv("ACLL_DATA_DIR", str(tmp_path))
    (tmp_path / "live_volumes.json").write_text(text)
    assert expected_spec(ArmedSource(), SourceSettings()) is None
    remember_spec(ArmedSource())
    spec = expected_spec(ArmedSource(), SourceSettings())
    assert spec is not None
    assert spec.shape == (4, 12, 20)


def test_a_memory_that_cannot_be_kept_ends_nothing(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("ACLL_DATA_DIR", str(tmp_path / "file"))
    remember_spec(ArmedSource())
    assert expected_spec(ArmedSource(), SourceSettings()) is None
