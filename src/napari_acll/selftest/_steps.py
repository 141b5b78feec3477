"""The steps of the self-test that need no window; each runs in a process of its own."""

from collections.abc import Mapping

from napari_acll.selftest._alike import alike
from napari_acll.selftest._facts import facts
from napari_acll.selftest._job import Job
from napari_acll.selftest._memory import memory_used


def play_session(job: Job) -> Mapping[str, object]:
    """Run a session with all its threads, without a window.

    Parameters
    ----------
    job : Job
        What is asked for.
    """
    from napari_acll.session import build_session

    session = build_session(job.recording, settings=job.settings, out=job.session)
    session.start()
    session.join()
    return {"state": str(session.state), "memory": memory_used()}


def compare_with_cpu(job: Job) -> Mapping[str, object]:
    """Label the same volumes on the device and on the CPU.

    Parameters
    ----------
    job : Job
        What is asked for.
    """
    return {**alike(job), "memory": memory_used()}


def record(job: Job) -> Mapping[str, object]:
    """Write what is simulated as a file, so that making it up takes no time from the session.

    Parameters
    ----------
    job : Job
        What is asked for.
    """
    from napari_acll.simulate import SimulatedSource, write_nd2

    source = SimulatedSource.from_recording(job.recording, job.settings.source)
    path = write_nd2(source, job.result.with_name("simulated.nd2"), job.n_volumes)
    return {"recording": str(path)}


def look_at_machine(job: Job) -> Mapping[str, object]:
    """Return what the machine is, and whether the device is there.

    Parameters
    ----------
    job : Job
        What is asked for.
    """
    from napari_acll.label import check_device

    check = check_device(job.settings.label.device)
    device = {"is_there": check.exit_code == 0, "sentence": check.sentence}
    return {"facts": facts(), "device": device}


STEPS = {
    "machine": look_at_machine,
    "recording": record,
    "session": play_session,
    "alike": compare_with_cpu,
}
