from pathlib import Path

import pytest

from napari_acll.core import AcllSettings, AnimalInfo, RunSettings
from napari_acll.export import SessionHeader, ZarrSessionWriter
from napari_acll.testing import FakeLabeler, fake_spec


def make_header(**run) -> SessionHeader:
    spec = fake_spec()
    return SessionHeader(
        neurons=FakeLabeler().neurons,
        stored_spec=spec,
        spec=spec,
        settings=AcllSettings(animal=AnimalInfo(animal="worm 7"), run=RunSettings(**run)),
        source={"kind": "fake", "path": "nowhere"},
        source_notes=("A note.",),
        model=FakeLabeler().describe(),
        rig="a rig",
    )


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "worm.acll"


@pytest.fixture
def writer(folder: Path):
    writer = ZarrSessionWriter.create(folder, make_header())
    yield writer
    writer.close(state="finished")
