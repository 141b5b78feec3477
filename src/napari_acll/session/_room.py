"""Room for a session: on the disk and in memory, before it starts and while it runs."""

import math
from dataclasses import dataclass
from pathlib import Path

import psutil

from napari_acll.core import AcllSettings, Check, Light, SessionError, VolumeSpec
from napari_acll.session._volume_queue import head_start

_LITTLE_H = 1.0
"""Below so many hours of room on the disk somebody should know."""
_LEAST_H = 1 / 60
_S_PER_H = 3600.0
_BYTES_PER_GB = 1e9
_BYTES_PER_MB = 1e6
_BYTES_PER_VOXEL = 4
"""Two channels of 16 bits."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DiskUse:
    """What a running session has written, and what is left.

    Parameters
    ----------
    written_bytes : int
        Size of the session folder.
    free_bytes : int
        Left on its disk.
    left_h : float
        For how many hours that lasts at the present rate; NaN before the first volume.
    """

    written_bytes: int
    free_bytes: int
    left_h: float

    @property
    def light(self) -> Light:
        """Whether it lasts."""
        if self.left_h < _LEAST_H:
            return Light.RED
        return Light.AMBER if self.left_h < _LITTLE_H else Light.GREEN

    def sentence(self) -> str:
        """Return it in a few words."""
        text = f"{_size(self.written_bytes)} written · {_size(self.free_bytes)} left"
        return text if math.isnan(self.left_h) else f"{text}, {_hours(self.left_h)}"


def disk_use(out: Path, *, n_volumes: int, period_s: float) -> DiskUse:
    """Return how much a session has written, and how long the disk lasts.

    Parameters
    ----------
    out : Path
        The session folder.
    n_volumes : int
        Volumes that it holds.
    period_s : float
        Time between two volumes, in s.

    Raises
    ------
    OSError
        If the disk cannot be reached.
    """
    from napari_acll.export import folder_bytes, free_bytes

    written, free = folder_bytes(out), free_bytes(out)
    per_volume = written / n_volumes if n_volumes else math.nan
    return DiskUse(
        written_bytes=written,
        free_bytes=free,
        left_h=free / per_volume * period_s / _S_PER_H if per_volume > 0 else math.nan,
    )


def check_disk(
    out: Path,
    labeled: VolumeSpec | None,
    settings: AcllSettings,
    *,
    n_neurons: int,
    is_live: bool,
) -> Check:
    """Return whether the disk has room for a session.

    Parameters
    ----------
    out : Path
        The session folder, which need not be there.
    labeled : VolumeSpec, optional
        The volumes as they are labeled; None: not known.
    settings : AcllSettings
        Whether label maps are kept.
    n_neurons : int
        Neurons of the model.
    is_live : bool
        Whether nobody knows yet how long the recording is.
    """
    from napari_acll.export import bytes_per_volume, free_bytes

    try:
        free = free_bytes(out)
    except OSError as error:
        return _disk(Light.RED, f"The disk of {out} cannot be reached ({error}).")
    if labeled is None:
        return _disk(Light.GREEN, f"{_size(free)} are left.")
    per_volume = bytes_per_volume(
        labeled.shape, n_neurons=n_neurons, has_labels=settings.run.save_labels
    )
    if labeled.n_volumes is not None and not is_live:
        return _for_length(free, per_volume * labeled.n_volumes)
    return _for_ever(free, per_volume, labeled.period_s)


def _for_length(free: int, needed: int) -> Check:
    text = f"about {_size(needed)} are needed, {_size(free)} are left"
    if needed > free:
        return _disk(Light.RED, f"Not enough room: {text}; free some, or save elsewhere.")
    light = Light.AMBER if 2 * needed > free else Light.GREEN
    return _disk(light, f"{text[:1].upper()}{text[1:]}.")


def _for_ever(free: int, per_volume: int, period_s: float) -> Check:
    left_h = free / per_volume * period_s / _S_PER_H
    text = (
        f"{_size(free)} are left, {_hours(left_h)} of recording at about"
        f" {per_volume / 1000:.0f} kB per volume"
    )
    if left_h < _LEAST_H:
        return _disk(Light.RED, f"{text}: not enough; free some, or save elsewhere.")
    return _disk(Light.AMBER if left_h < _LITTLE_H else Light.GREEN, f"{text}.")


def _disk(light: Light, sentence: str) -> Check:
    code = SessionError.exit_code if light is Light.RED else 0
    return Check(name="Disk", light=light, sentence=sentence, exit_code=code)


def check_memory(labeled: VolumeSpec | None, settings: AcllSettings, *, is_live: bool) -> Check:
    """Return whether memory suffices for what may have to wait in it.

    The model itself is not counted: what it takes is only known once it runs.

    Parameters
    ----------
    labeled : VolumeSpec, optional
        The volumes as they are labeled; None: not known.
    settings : AcllSettings
        How much may wait.
    is_live : bool
        Whether volumes also wait while the model warms up, and results for a disk that is gone.
    """
    available = psutil.virtual_memory().available
    text = f"{_size(available)} are free"
    if labeled is None:
        return Check(name="Memory", light=Light.GREEN, sentence=f"{text}.")
    n_waiting = settings.run.queue_capacity
    needed = 0
    if is_live:
        n_waiting = max(n_waiting, head_start(labeled))
        needed = round(settings.run.spool_mb * _BYTES_PER_MB)
    z, y, x = labeled.shape
    needed += n_waiting * _BYTES_PER_VOXEL * z * y * x
    text += f"; volumes and results that wait may take {_size(needed)}"
    if needed <= available:
        return Check(name="Memory", light=Light.GREEN, sentence=f"{text}.")
    return Check(
        name="Memory",
        light=Light.AMBER,
        sentence=f"{text}. Close other programs, or lower run.spool_mb and run.queue_capacity.",
    )


def _size(n_bytes: float) -> str:
    if n_bytes < _BYTES_PER_GB:
        return f"{n_bytes / _BYTES_PER_MB:.0f} MB"
    return f"{n_bytes / _BYTES_PER_GB:.1f} GB"


def _hours(hours: float) -> str:
    if hours < 1:
        return f"{60 * hours:.0f} min"
    return f"{hours:.0f} h" if hours < 1000 else "more than 1000 h"
