from types import SimpleNamespace

import pytest

from napari_acll.core import AcllSettings, Light
from napari_acll.session import _room, disk_use
from napari_acll.session._room import check_disk, check_memory
from napari_acll.testing import fake_spec

PER_VOLUME = 1000


@pytest.fixture
def disk(monkeypatch):
    def make(free_bytes):
        monkeypatch.setattr("napari_acll.export.free_bytes", lambda _path: free_bytes)
        monkeypatch.setattr("napari_acll.export.bytes_per_volume", lambda *_, **__: PER_VOLUME)

    return make


def _check(tmp_path, *, n_volumes=None, is_live=False):
    spec = fake_spec(n_volumes)
    out = tmp_path / "worm.acll"
    return check_disk(out, spec, AcllSettings(), n_neurons=4, is_live=is_live)


@pytest.mark.parametrize(
    ("free", "light"), [(99_000, Light.RED), (150_000, Light.AMBER), (300_000, Light.GREEN)]
)
def test_a_recording_of_known_length_has_to_fit(disk, tmp_path, free, light):
    disk(free)
    found = _check(tmp_path, n_volumes=100)
    assert found.light is light
    assert (found.exit_code > 0) == (light is Light.RED)


@pytest.mark.parametrize(
    ("hours", "light", "words"),
    [(0.01, Light.RED, "1 min"), (0.5, Light.AMBER, "30 min"), (9, Light.GREEN, "9 h")],
)
def test_of_a_live_recording_it_is_told_how_long_the_disk_lasts(
    disk, tmp_path, hours, light, words
):
    disk(int(hours * 3600 / fake_spec().period_s * PER_VOLUME))
    found = _check(tmp_path, is_live=True)
    assert found.light is light
    assert words in found.sentence


def test_a_disk_that_is_gone_is_red(monkeypatch, tmp_path):
    def gone(_path):
        raise OSError("no such share")

    monkeypatch.setattr("napari_acll.export.free_bytes", gone)
    found = _check(tmp_path)
    assert found.light is Light.RED
    assert "no such share" in found.sentence


def test_a_running_session_says_what_it_wrote_and_how_long_the_disk_lasts(disk, tmp_path):
    (tmp_path / "a").write_bytes(bytes(20_000))
    disk(7_200_000)
    use = disk_use(tmp_path, n_volumes=20, period_s=0.5)
    assert use.written_bytes == 20_000
    assert use.left_h == pytest.approx(1.0)  # 7200 volumes of 1000 bytes, 0.5 s each
    assert use.light is Light.GREEN
    assert "1 h" in use.sentence()
    nothing = disk_use(tmp_path, n_volumes=0, period_s=0.5)
    assert nothing.left_h != nothing.left_h
    assert nothing.light is Light.GREEN


def test_memory_is_held_against_what_may_wait(monkeypatch):
    def available(n_bytes):
        memory = SimpleNamespace(available=n_bytes)
        monkeypatch.setattr(_room.psutil, "virtual_memory", lambda: memory)

    settings = AcllSettings(run={"queue_capacity": 10, "spool_mb": 7})
    needed = 10 * 4 * 4 * 12 * 20
    available(needed)
    assert check_memory(fake_spec(), settings, is_live=False).light is Light.GREEN
    available(needed - 1)
    assert check_memory(fake_spec(), settings, is_live=False).light is Light.AMBER
    live_needed = 7_000_000 + 256 * 4 * 4 * 12 * 20  # the most that wait for a cold model
    available(live_needed)
    assert check_memory(fake_spec(), settings, is_live=True).light is Light.GREEN
    available(live_needed - 1)
    assert check_memory(fake_spec(), settings, is_live=True).light is Light.AMBER
