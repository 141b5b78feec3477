import pytest
import torch

from napari_acll.core import Labeler, LabelSettings, ModelError
from napari_acll.label import MemoryFallback, sparing_memory
from napari_acll.testing import FakeLabeler, fake_spec, fake_volume


class HungryLabeler(FakeLabeler):
    """Has memory for so many volumes at once."""

    def __init__(self, most: int, error: Exception | None = None) -> None:
        super().__init__()
        self._most = most
        self._hunger = error or torch.OutOfMemoryError("CUDA out of memory. Tried to allocate")

    def describe(self):
        return {**super().describe(), "device": "cuda:0"}

    def label(self, volumes):
        if len(volumes) > self._most:
            raise self._hunger
        return super().label(volumes)


def volumes(n):
    return [fake_volume(index) for index in range(n)]


def test_it_is_a_labeler():
    assert isinstance(MemoryFallback(FakeLabeler(), None), Labeler)


def test_a_batch_that_is_too_large_is_halved_until_it_fits_and_stays_small():
    hungry = HungryLabeler(2)
    labeler = MemoryFallback(hungry, None)
    labeled = labeler.label(volumes(8))
    assert [volume.index for volume in labeled] == list(range(8))
    assert hungry.batch_sizes == [2, 2, 2, 2]
    labeler.label(volumes(3))
    assert hungry.batch_sizes[4:] == [2, 1]
    assert [note.split(";")[0] for note in labeler.notes] == [
        "Memory ran out with 8 volumes at once",
        "Memory ran out with 4 volumes at once",
    ]


def test_a_single_volume_that_is_too_large_goes_to_the_cpu_and_all_others_too():
    hungry, on_cpu = HungryLabeler(0), FakeLabeler()
    labeler = MemoryFallback(hungry, lambda: on_cpu)
    labeler.warm_up(fake_spec(), 2)
    assert [volume.index for volume in labeler.label(volumes(2))] == [0, 1]
    assert on_cpu.is_warm
    assert labeler.describe()["device"] == "cpu"
    assert labeler.notes[-1].startswith("Memory ran out on cuda:0 even for a single volume")
    n_notes = len(labeler.notes)
    labeler.label(volumes(1))
    assert len(labeler.notes) == n_notes


def test_memory_that_runs_out_while_warming_up_goes_to_the_cpu():
    class Cold(FakeLabeler):
        def warm_up(self, *_):
            raise ModelError("too large for cuda:0") from torch.OutOfMemoryError("CUDA")

    on_cpu = FakeLabeler()
    labeler = MemoryFallback(Cold(), lambda: on_cpu)
    labeler.warm_up(fake_spec(), 1)
    assert on_cpu.is_warm
    assert len(labeler.notes) == 1


@pytest.mark.parametrize(
    "error",
    [
        torch.OutOfMemoryError("CUDA out of memory"),
        MemoryError(),
        RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory"),
        RuntimeError("CUDA error: out of memory"),
    ],
)
def test_on_the_cpu_there_is_nothing_left_to_give_up(error):
    labeler = MemoryFallback(HungryLabeler(0, error), None)
    with pytest.raises(type(error)):
        labeler.label(volumes(2))
    assert len(labeler.notes) == 1


@pytest.mark.parametrize("error", [RuntimeError("shapes differ"), ModelError("too thin")])
def test_another_error_changes_nothing(error):
    labeler = MemoryFallback(HungryLabeler(0, error), FakeLabeler)
    with pytest.raises(type(error)):
        labeler.label(volumes(2))
    assert labeler.notes == ()


def test_the_model_is_loaded_on_the_cpu_with_the_same_settings(monkeypatch):
    asked = []

    def load(settings):
        asked.append(settings)
        return FakeLabeler()

    monkeypatch.setattr("napari_acll.label.load_labeler", load)
    settings = LabelSettings(device="auto", min_probability=0.9)
    sparing_memory(HungryLabeler(0), settings).label(volumes(1))
    assert asked == [settings.model_copy(update={"device": "cpu"})]
    with pytest.raises(torch.OutOfMemoryError):
        sparing_memory(FakeOnCpu(0), settings).label(volumes(1))


class FakeOnCpu(HungryLabeler):
    def describe(self):
        return {"device": "cpu"}


def test_what_the_model_itself_has_to_say_is_told_once_and_in_order():
    hungry, on_cpu = HungryLabeler(0), FakeLabeler()
    hungry.notes, on_cpu.notes = ["one by one"], []
    labeler = MemoryFallback(hungry, lambda: on_cpu)
    assert labeler.notes == ("one by one",)
    labeler.label(volumes(1))
    on_cpu.notes.append("in blocks")
    assert labeler.notes[0] == "one by one"
    assert labeler.notes[1].startswith("Memory ran out on cuda:0")
    assert labeler.notes[2:] == ("in blocks",)
    assert labeler.notes == labeler.notes


def test_what_the_model_said_before_it_was_given_up_is_not_lost():
    hungry = HungryLabeler(0)
    hungry.notes = ["in blocks"]
    labeler = MemoryFallback(hungry, FakeLabeler)
    labeler.label(volumes(1))
    assert labeler.notes[0] == "in blocks"
    assert labeler.notes[1].startswith("Memory ran out on cuda:0")
