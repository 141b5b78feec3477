"""The sender that is pasted into NIS-Elements, with a stand-in for what NIS-Elements gives it."""

import runpy
import shutil
import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
from tests.sources.rings import live_settings, new_name, stack_of

from napari_acll import sources
from napari_acll.sources import SharedMemorySource

EXAMPLE = Path(__file__).parents[2] / "examples" / "nis_jobs_sender.py"
RING = Path(sources.__file__).parent / "_volume_ring.py"
FULL_FRAME = (80, 636, 966, 2)
NEEDED_BYTES = 3 * 2 * int(np.prod(FULL_FRAME))


class Image:
    """What NIS-Elements gives for each capture."""

    def __init__(self, stack):
        self._stack = stack

    def array(self):
        return self._stack


@pytest.fixture
def limjob(monkeypatch):
    module = ModuleType("limjob")
    for name in ("Image", "JobParam", "MacroParam", "RunContext"):
        setattr(module, name, Image)
    monkeypatch.setitem(sys.modules, "limjob", module)
    yield module
    if hasattr(module, "acll_sender"):
        module.acll_sender.close()


@pytest.fixture
def job(limjob, tmp_path):  # noqa: ARG001  the example imports it
    """Return what starts a job: the text of the task is run anew for each."""
    name = new_name()
    text = EXAMPLE.read_text("utf-8").replace('NAME = "acll"', f'NAME = "{name}"')

    def start(**values):
        changed = text
        for key, value in values.items():
            before = next(line for line in text.splitlines() if line.startswith(f"{key} = "))
            changed = changed.replace(before, f"{key} = {value!r}")
        (tmp_path / "task.py").write_text(changed, "utf-8")
        return runpy.run_path(str(tmp_path / "task.py"))["run"]

    start.address = f"shm:{name}"
    return start


def call(run, *stacks):
    return run(tuple(Image(stack) for stack in stacks), object(), object(), object())


def test_the_ring_in_the_example_is_the_one_of_the_package():
    ring = RING.read_text("utf-8")
    assert EXAMPLE.read_text("utf-8").count(ring) == 1, f"copy {RING.name} into {EXAMPLE.name}"


def test_only_the_standard_library_numpy_and_limjob_are_needed():
    lines = EXAMPLE.read_text("utf-8").splitlines()
    imported = [
        line.split()[1] for line in lines if line.lstrip().startswith(("import ", "from "))
    ]
    roots = {name.partition(".")[0] for name in imported}
    assert roots <= {*sys.stdlib_module_names, "numpy", "limjob"}


@pytest.mark.skipif(
    sys.platform == "linux" and shutil.disk_usage("/dev/shm").free < NEEDED_BYTES,  # noqa: S108
    reason=f"less than {NEEDED_BYTES / 1e6:.0f} MB of shared memory are free",
)
def test_a_volume_of_full_frames_arrives_voxel_by_voxel(job):
    stack = np.arange(np.prod(FULL_FRAME), dtype=np.uint16).reshape(FULL_FRAME)
    run = job(N_SLOTS=1)
    with SharedMemorySource(job.address, live_settings()) as source:
        call(run, stack)
        volume = next(iter(source))
        assert source.spec.shape == FULL_FRAME[:3]
        assert source.spec.voxel_size_um == (0.54, 0.18, 0.18)
        assert (source.spec.activity_name, source.spec.marker_name) == ("GCaMP", "mNeptune")
        np.testing.assert_array_equal(volume.activity, stack[..., 0])
        np.testing.assert_array_equal(volume.marker, stack[..., 1])


def test_captures_of_one_channel_each_are_put_together(job):
    run = job()
    with SharedMemorySource(job.address, live_settings()) as source:
        call(run, stack_of(0)[..., :1], stack_of(0)[..., 1:])
        np.testing.assert_array_equal(next(iter(source)).marker, stack_of(0)[..., 1])


@pytest.mark.parametrize(
    ("stacks", "reason"),
    [
        ((), "no image came"),
        ((stack_of(0)[:1],), "no Z stack"),
        ((stack_of(0)[..., 0],), "no Z stack"),
        ((stack_of(0, (3, 4, 6)),), r"Expected (3, 4, 5, 2)"),
        ((None,), "AttributeError"),
    ],
)
def test_what_fails_is_printed_and_is_a_lost_volume(job, capsys, stacks, reason):
    run = job()
    with SharedMemorySource(job.address, live_settings()) as source:
        call(run, stack_of(0))
        assert call(run, *stacks) is None
        call(run, stack_of(2))
        volumes = iter(source)
        assert [next(volumes).index, next(volumes).index] == [0, 2]
    assert "volume 1 was not sent" in (shown := capsys.readouterr().out)
    assert reason in shown


def test_too_little_memory_and_no_place_to_print_to_leave_the_acquisition_alone(job, monkeypatch):
    run = job(N_SLOTS=10**9)
    monkeypatch.setattr(sys, "stdout", None)
    call(run, stack_of(0))
    call(run, stack_of(1))


def test_channel_names_that_do_not_fit_are_told_a_bounded_number_of_times(job, capsys):
    run = job(CHANNEL_NAMES=("one", "two", "three"))
    for _ in range(50):
        call(run, stack_of(0))
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 20
    assert "C channel names" in lines[0]


def test_the_task_after_the_run_ends_the_recording(job, limjob):
    run = job()
    with SharedMemorySource(job.address, live_settings()) as source:
        call(run, stack_of(0))
        call(run, stack_of(1))
        limjob.acll_sender.finish()
        assert [volume.index for volume in source] == [0, 1]


def test_the_next_job_is_a_recording_of_its_own(job):
    first = job()
    call(first, stack_of(0))
    second = job()
    with SharedMemorySource(job.address, live_settings()) as source:
        call(second, stack_of(5))
        volume = next(iter(source))
        assert volume.index == 0
        np.testing.assert_array_equal(volume.marker, stack_of(5)[..., 1])
