"""The whole self-test, in its order; it ends with a report in any case."""

import logging
import tempfile
import traceback
from collections.abc import Callable, Mapping
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from napari_acll import __version__
from napari_acll.core import AcllError, AcllSettings, ModelError, Pace, VolumeSpec
from napari_acll.selftest._children import StepResult, run_child, why_no_window
from napari_acll.selftest._findings import Finding, session_findings, times_of
from napari_acll.selftest._job import Job
from napari_acll.selftest._report import FORMAT, verdict_of, write_report

_log = logging.getLogger(__name__)

_PERIOD_MS = 600.0
_LEAST_ALIKE = 0.95
_WINDOW_MODULE = "napari_acll.widgets.selftest_window"
_STEPS_MODULE = "napari_acll.selftest"
_SIMULATED = "simulated"
_START_S, _VOLUME_S = 600.0, 60.0
"""How long a step may take before it is given up: to start, and for each volume."""


def selftest(
    recording: str,
    settings: AcllSettings,
    *,
    n_volumes: int,
    out: Path,
    has_window: bool = True,
    n_compared: int = 5,
    tell: Callable[[str], None],
) -> dict[str, Any]:
    """Run a session on this machine, check all of it, and write a report.

    Parameters
    ----------
    recording : str
        What is played, such as `simulated:volumes=12`.
    settings : AcllSettings
        All settings; `label.device` is what is tested.
    n_volumes : int
        Volumes of the recording.
    out : Path
        Folder for report and session, new; beside it a .zip of the report is written.
    has_window : bool
        Whether the session runs in the docks of a viewer, if there is a screen.
    n_compared : int
        Volumes that are labeled on the CPU, too.
    tell : callable
        Called with what is being done.

    Returns
    -------
    dict
        The report, as JSON values; its `verdict` begins with `Passed`, `Passed, but late` or
        `Failed`.

    Raises
    ------
    SessionError
        If the report cannot be written.
    """
    report = _begun(recording, settings, n_volumes)
    with tempfile.TemporaryDirectory(
        prefix="acll-selftest-", ignore_cleanup_errors=True
    ) as private:
        job = Job(
            recording=recording,
            settings=_settings(settings, n_volumes),
            session=(out / "session.acll").absolute(),
            screenshot=(out / "window.png").absolute(),
            result=Path(private) / "result.json",
            n_volumes=n_volumes,
            n_compared=min(n_compared, n_volumes),
        )
        try:
            _fill(report, job, Path(private), has_window=has_window, tell=tell)
        except Exception as error:  # noqa: BLE001  outer edge: a report is written in any case
            _log.error("The self-test failed.", exc_info=error)
            _add(report, Finding("self-test", is_ok=False, sentence=f"It failed: {error}"))
            report["trace"] = traceback.format_exc()
    report["verdict"] = verdict_of(report)
    write_report(report, out)
    return report


def _begun(recording: str, settings: AcllSettings, n_volumes: int) -> dict[str, Any]:
    """Return what a report tells before anything was tried."""
    return {
        "format": FORMAT,
        "version": __version__,
        "written": datetime.now(UTC).isoformat(timespec="seconds"),
        "recording": recording,
        "n_volumes": n_volumes,
        "period_ms": _PERIOD_MS,
        "device": settings.label.device,
        "settings": settings.model_dump(mode="json"),
        "findings": [],
        "steps": [],
    }


def _settings(settings: AcllSettings, n_volumes: int) -> AcllSettings:
    """Return those of the session: as recorded, calibrated, a model that is found anywhere."""
    from napari_acll.label import find_model_file

    label = settings.label
    if label.model != "default":
        try:
            label = label.model_copy(
                update={"model": str(find_model_file(label.model).absolute())}
            )
        except ModelError:
            _log.debug("%s is no file of a model; it is left to the session.", label.model)
    run = settings.run.model_copy(update={"pace": Pace.RECORDED})
    most = max(n_volumes // 2, 1)  # what is traced after the calibration is looked at, too
    alignment = settings.alignment.model_copy(
        update={"n_volumes": min(settings.alignment.n_volumes, most)}
    )
    return settings.model_copy(update={"run": run, "label": label, "alignment": alignment})


def _fill(
    report: dict[str, Any],
    job: Job,
    private: Path,
    *,
    has_window: bool,
    tell: Callable[[str], None],
) -> None:
    tell("The machine")
    looked = _step("machine", job, private, report)
    report["facts"] = looked.told.get("facts")
    device = looked.told.get("device") or {"is_there": False, "sentence": looked.error}
    _add(report, Finding("device", bool(device["is_there"]), str(device["sentence"])))
    job = _recorded(report, job, private, tell)
    played = _played(report, job, private, has_window=has_window, tell=tell)
    if played.is_ok:
        report["memory"] = played.told.get("memory")
    _add_session(report, job)
    tell("The same volumes on the device and on the CPU")
    _add_comparison(report, _step("alike", job, private, report))


def _recorded(report: dict[str, Any], job: Job, private: Path, tell: Callable[[str], None]) -> Job:
    """Return the job with a simulated recording written as a file."""
    if job.recording.partition(":")[0] != _SIMULATED:
        return job
    tell("A simulated worm")
    step = _step("recording", job, private, report)
    if not step.is_ok:
        _add(report, Finding("recording", is_ok=False, sentence=step.error))
        return job
    return job.model_copy(update={"recording": str(step.told["recording"])})


def _played(
    report: dict[str, Any],
    job: Job,
    private: Path,
    *,
    has_window: bool,
    tell: Callable[[str], None],
) -> StepResult:
    """Return the session in the docks; without them where there is no window to be had."""
    why_not = why_no_window() if has_window else "It was asked for without a window."
    report["why_no_window"] = why_not
    if why_not:
        tell(f"A session without a window: {why_not}")
        return _step("session", job, private, report)
    tell("A session in the docks of a viewer")
    played = _step("window", job, private, report)
    _add(report, Finding("window", played.is_ok, _of_window(played)))
    if played.is_ok:
        return played
    tell(f"The window failed ({played.error}); a session without one")
    if job.session.exists():  # what it left is part of the report, too
        job.session.rename(job.session.with_name("session_window.acll"))
    return _step("session", job, private, report)


def _of_window(played: StepResult) -> str:
    if not played.is_ok:
        return played.error
    window = played.told.get("window", {})
    return (
        f"The Live dock ran the session; {window.get('n_layers', 0)} layers and the traces were"
        f" shown by {window.get('renderer') or 'an unknown renderer'}, and the longest stop of the"
        f" screen was {window.get('longest_stop_ms', float('nan')):.0f} ms."
    )


def _step(name: str, job: Job, private: Path, report: dict[str, Any]) -> StepResult:
    file = private / "job.json"
    file.write_text(job.model_dump_json(), encoding="utf-8")
    is_window = name == "window"
    result = run_child(
        name,
        _WINDOW_MODULE if is_window else _STEPS_MODULE,
        [str(file)] if is_window else [name, str(file)],
        result=job.result,
        private=private,
        most_s=_START_S + _VOLUME_S * report["n_volumes"],
    )
    report["steps"].append(asdict(result))
    return result


def _add_session(report: dict[str, Any], job: Job) -> None:
    try:
        for finding in session_findings(job.session, job.settings, report["n_volumes"]):
            _add(report, finding)
        report["times_ms"] = times_of(job.session)
        report |= _told_by(job.session)
    except AcllError as error:
        _add(report, Finding("session", is_ok=False, sentence=str(error)))
        return
    took = report["times_ms"].get("all of ours")  # of nothing where nothing was traced
    report["is_in_time"] = took is not None and took["p99"] <= report["period_ms"]


def _told_by(session: Path) -> dict[str, object]:
    from napari_acll.export import SavedSession

    saved = SavedSession.open(session)
    spec = VolumeSpec.from_json(saved.header["spec"])  # type: ignore[arg-type]
    return {
        "model": saved.header.get("model"),
        "events": [f"{event.get('kind')}: {event.get('message')}" for event in saved.events()],
        "period_ms": round(1e3 * spec.period_s, 3),
    }


def _add_comparison(report: dict[str, Any], step: StepResult) -> None:
    report["alike"] = dict(step.told)
    if not step.is_ok:
        _add(report, Finding("names alike", is_ok=False, sentence=step.error))
        return
    told: Mapping[str, Any] = step.told
    shares = told["same_nuclei"], told["same_names"]
    _add(
        report,
        Finding(
            "names alike",
            min(shares) >= _LEAST_ALIKE and told["n_nuclei"] > 0,
            f"In {told['n_volumes']} volumes {shares[0]:.1%} of the nuclei and {shares[1]:.1%} of"
            f" the names are those of the CPU in single precision; a volume takes"
            f" {told['device_ms']:.0f} ms on the device and {told['cpu_ms']:.0f} on the CPU.",
        ),
    )


def _add(report: dict[str, Any], finding: Finding) -> None:
    report["findings"].append(asdict(finding))
