from importlib.metadata import EntryPoint

import pytest

from napari_acll.core import PluginError, _plugins, load_stage, stage_names


def offer(monkeypatch: pytest.MonkeyPatch, *entries: EntryPoint) -> None:
    def entry_points(*, group: str, name: str | None = None) -> list[EntryPoint]:
        return [e for e in entries if e.group == group and name in (None, e.name)]

    monkeypatch.setattr(_plugins, "entry_points", entry_points)


def entry(name: str, value: str) -> EntryPoint:
    return EntryPoint(name=name, value=value, group="napari_acll.labelers")


def test_a_registered_stage_is_loaded(monkeypatch):
    offer(monkeypatch, entry("mine", "collections:OrderedDict"))
    assert load_stage("labelers", "mine").__name__ == "OrderedDict"
    assert stage_names("labelers") == ["mine"]


def test_an_unknown_name_lists_what_there_is(monkeypatch):
    offer(monkeypatch, entry("mine", "collections:OrderedDict"))
    with pytest.raises(PluginError, match=r"'yours'.*there are mine"):
        load_stage("labelers", "yours")


def test_a_name_offered_twice_is_refused(monkeypatch):
    offer(monkeypatch, entry("mine", "collections:deque"), entry("mine", "collections:Counter"))
    with pytest.raises(PluginError, match="uninstall one"):
        load_stage("labelers", "mine")


def test_a_stage_that_cannot_be_imported_says_why(monkeypatch):
    offer(monkeypatch, entry("mine", "no_such_module:Thing"))
    with pytest.raises(PluginError, match="no_such_module"):
        load_stage("labelers", "mine")
