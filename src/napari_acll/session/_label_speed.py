"""How long the models of this computer took to label a volume, measured and remembered."""

import json
import logging
import platform
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from napari_acll.core import (
    AcllSettings,
    Check,
    DeadlineReport,
    Labeler,
    LabelSettings,
    Light,
    PreprocessSettings,
    SourceSettings,
    VolumeSpec,
    user_data_dir,
    write_whole,
)

_log = logging.getLogger(__name__)

N_TIMED = 5
_TRIAL = "simulated:volumes=1"
_LEAST_VOLUMES = 20
"""Fewer of a session tell little: among the first, memory is still being found."""
_MOST_KEPT = 50
_USUAL_PERIOD_S = 0.6
_SLOW_FROM = 0.8
"""Part of the period from which on the rest of the work may not fit, as in the docks."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LabelSpeed:
    """How long a model takes to label one volume on one device.

    Parameters
    ----------
    label_s : float
        Median, by the clock.
    n_volumes : int
        Volumes that were timed.
    shape : tuple of int
        `(Z, Y, X)` voxels of such a volume, after crop and binning.
    device : str
        `cpu`, or the GPU.
    is_trial : bool
        Whether it was the simulated worm, with nothing else running; else a live session.
    """

    label_s: float
    n_volumes: int
    shape: tuple[int, int, int]
    device: str
    is_trial: bool

    def sentence(self, period_s: float = _USUAL_PERIOD_S) -> str:
        """Return it in words, beside the time that there is.

        Parameters
        ----------
        period_s : float
            From one volume to the next, in s.
        """
        what = "of the simulated worm" if self.is_trial else "in the last live session"
        voxels = " x ".join(str(n) for n in self.shape)
        return (
            f"{1000 * self.label_s:.0f} ms to label a volume on {self.device}, of"
            f" {1000 * period_s:.0f} ms that there are (median of {self.n_volumes} {what},"
            f" {voxels} voxels)"
        )

    def brief(self, period_s: float = _USUAL_PERIOD_S) -> str:
        """Return it in a few words, beside the time that there is.

        Parameters
        ----------
        period_s : float
            From one volume to the next, in s.
        """
        where = "trial" if self.is_trial else "last live session"
        return (
            f"{1000 * self.label_s:.0f} ms per volume on {self.device}, of"
            f" {1000 * period_s:.0f} ms ({where})"
        )

    def light(self, period_s: float = _USUAL_PERIOD_S) -> Light:
        """Return green if it is well within the time that there is."""
        return Light.GREEN if self.label_s <= _SLOW_FROM * period_s else Light.AMBER


def measure_label_speed(
    settings: LabelSettings,
    *,
    progress: Callable[[int, int], None] = lambda _n_done, _n_all: None,
) -> LabelSpeed:
    """Measure how long a volume of the simulated worm takes, and remember it.

    Takes as long as it takes to load and warm up the model, and some volumes more. The model is
    one of its own; still, what is measured while a session runs holds for neither.

    Parameters
    ----------
    settings : LabelSettings
        Model and device.
    progress : callable
        Called with the number of steps that are done and of all; what it raises ends the
        measurement, and nothing is remembered.

    Raises
    ------
    ModelError
        If there is no such model or device, or it cannot be used.
    """
    from napari_acll.label import load_labeler
    from napari_acll.preprocess import Preprocessor
    from napari_acll.session._first_volume import first_volume

    n_all = N_TIMED + 3
    progress(0, n_all)
    stored = first_volume(_TRIAL, SourceSettings())
    preprocessor = Preprocessor(stored.spec, PreprocessSettings())
    volume = preprocessor.apply(stored)
    progress(1, n_all)
    labeler = load_labeler(settings)
    progress(2, n_all)
    labeler.warm_up(volume.spec, 1)
    labeler.label([volume])
    took_s = []
    for number in range(N_TIMED):
        progress(3 + number, n_all)
        began_s = time.perf_counter()
        labeler.label([volume])
        took_s.append(time.perf_counter() - began_s)
    progress(n_all, n_all)
    speed = LabelSpeed(
        label_s=float(np.median(took_s)),
        n_volumes=N_TIMED,
        shape=volume.spec.shape,
        device=device_of(labeler, settings),
        is_trial=True,
    )
    _remember(settings, speed)
    return speed


def remember_session_speed(
    settings: AcllSettings, stored: VolumeSpec, report: DeadlineReport, *, device: str
) -> None:
    """Keep how long labeling took in a live session, if that had enough volumes to tell.

    A replay is not kept: what reads it, as fast as it can, takes its part of the computer.

    Parameters
    ----------
    settings : AcllSettings
        Of the session.
    stored : VolumeSpec
        The recording as stored.
    report : DeadlineReport
        How long its stages took.
    device : str
        That labeled all of its volumes, as `device_of` says; not always that of the settings.
    """
    took = report.stages.get("label")
    if took is None or took.n < _LEAST_VOLUMES:
        return
    from napari_acll.preprocess import Preprocessor

    speed = LabelSpeed(
        label_s=took.p50_s,
        n_volumes=took.n,
        shape=Preprocessor(stored, settings.preprocess).spec.shape,
        device=device,
        is_trial=False,
    )
    _remember(settings.label, speed)


def measured_label_speed(
    settings: LabelSettings, shape: tuple[int, int, int] | None = None
) -> LabelSpeed | None:
    """Return the newest measurement of a model on a device; None if there is none.

    Parameters
    ----------
    settings : LabelSettings
        Model and device; how it computes counts, too.
    shape : tuple of int, optional
        `(Z, Y, X)` voxels of the volumes to come; of this shape it is preferred.
    """
    from napari_acll.label import used_device

    key = _key(settings, used_device(settings.device))
    found = [speed for kept, speed in _kept() if kept == key]
    return next((speed for speed in found if speed.shape == shape), next(iter(found), None))


def check_speed(settings: LabelSettings, labeled: VolumeSpec | None) -> Check | None:
    """Return whether labeling keeps up with a recording, as was measured; None if it never was.

    Parameters
    ----------
    settings : LabelSettings
        Model and device.
    labeled : VolumeSpec, optional
        The volumes that are going to be labeled, None while unknown.
    """
    speed = measured_label_speed(settings, None if labeled is None else labeled.shape)
    if speed is None:
        return None
    period_s = _USUAL_PERIOD_S if labeled is None else labeled.period_s
    light = speed.light(period_s)
    advice = "" if light is Light.GREEN else "; crop, bin, or choose a faster device"
    return Check(name="Speed", light=light, sentence=f"{speed.sentence(period_s)}{advice}.")


def device_of(labeler: Labeler, settings: LabelSettings) -> str:
    """Return the device that a model is on now, as torch calls it.

    Parameters
    ----------
    labeler : Labeler
        The model; it may have left the device of the settings, where memory ran out.
    settings : LabelSettings
        Where it was to be.
    """
    from napari_acll.label import used_device

    return used_device(str(labeler.describe().get("device", settings.device)))


def _key(settings: LabelSettings, device: str) -> dict[str, Any]:
    """Return what a measurement holds for: computer, device, model and how it computes."""
    from napari_acll.label import model_stamp_ns, n_usable_cores

    return {
        "computer": platform.node(),
        "n_cores": n_usable_cores(),
        "uses": device,
        "changed_ns": model_stamp_ns(settings),
        **settings.model_dump(mode="json", include={"model", "config_file", "backend"}),
    }


def _remember(settings: LabelSettings, speed: LabelSpeed) -> None:
    """Keep a measurement, the newest first; a folder that cannot be written to is logged."""
    key = _key(settings, speed.device)
    others = [(kept, old) for kept, old in _kept() if kept != key or old.shape != speed.shape]
    entries = [{"of": kept, "speed": asdict(each)} for kept, each in [(key, speed), *others]]
    try:
        write_whole(_file(), json.dumps(entries[:_MOST_KEPT], indent=1))
    except OSError as error:
        _log.warning("How long labeling takes is not remembered: %s", error)


def _kept() -> list[tuple[dict[str, Any], LabelSpeed]]:
    try:
        entries = json.loads(_file().read_text(encoding="utf-8"))
        return [(dict(entry["of"]), _checked(entry["speed"])) for entry in entries]
    except FileNotFoundError:
        return []
    except (OSError, ValueError, LookupError, TypeError) as error:
        _log.warning("The speeds in %s are not used: %s", _file(), error)
        return []


def _checked(entry: dict[str, Any]) -> LabelSpeed:
    z, y, x = (int(n) for n in entry["shape"])
    return LabelSpeed(
        label_s=float(entry["label_s"]),
        n_volumes=int(entry["n_volumes"]),
        shape=(z, y, x),
        device=str(entry["device"]),
        is_trial=bool(entry["is_trial"]),
    )


def _file() -> Path:
    return user_data_dir() / "label_speed.json"
