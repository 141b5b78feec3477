"""Calibrating the channel alignment on a recording, without a session."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from napari_acll.core import (
    AcllSettings,
    AlignmentSettings,
    ChannelAlignment,
    RandomAccessSource,
    RecordingError,
    Volume,
    VolumeSource,
    VolumeSpec,
)

if TYPE_CHECKING:
    from napari_acll.preprocess import (
        AlignmentCalibrator,
        Preprocessor,
        ScoreProfile,
        UnusedVolume,
        VolumeEstimate,
    )


@dataclass(frozen=True, kw_only=True)
class CalibrationReport:
    """What a calibration found, and what is needed to judge it.

    Parameters
    ----------
    calibrator : AlignmentCalibrator
        Has seen the volumes; scores any other alignment on them.
    volume : Volume, optional
        The last usable volume, else the last one that was seen, cropped and binned; None if there
        was none.
    spec : VolumeSpec
        Geometry of the volumes after crop and binning.
    settings : AlignmentSettings
        How far was searched, and what is trusted.
    """

    calibrator: "AlignmentCalibrator"
    volume: Volume | None
    spec: VolumeSpec
    settings: AlignmentSettings

    @property
    def alignment(self) -> ChannelAlignment:
        """The estimate of all usable volumes together."""
        return self.calibrator.result()

    @property
    def spread_limit_um(self) -> float:
        """How far volumes may lie apart for an estimate to be trusted, in um."""
        return self.settings.max_spread_px * max(self.spec.voxel_size_um[1:])

    @property
    def unused(self) -> "tuple[UnusedVolume, ...]":
        """Volumes that did not count, and why."""
        return self.calibrator.unused

    @cached_property
    def estimates(self) -> "tuple[VolumeEstimate, ...]":
        """What each usable volume says by itself."""
        return self.calibrator.estimates()

    @cached_property
    def profile(self) -> "ScoreProfile | None":
        """The score around the estimate; about 0.1 s for each volume the first time."""
        return self.calibrator.score_profile(self.alignment)


def _nothing(*_: object) -> None:
    """Do nothing."""


def _never() -> bool:
    return False


def calibrate_recording(
    recording: str | VolumeSource,
    settings: AcllSettings,
    *,
    is_spread: bool = False,
    opened: Callable[[VolumeSource], None] = _nothing,
    progress: Callable[[int, int], None] = _nothing,
    is_canceled: Callable[[], bool] = _never,
) -> CalibrationReport | None:
    """Estimate how the channels of a recording lie on each other.

    Parameters
    ----------
    recording : str or VolumeSource
        What to read: a path, `simulated`, or a source object, which is closed.
    settings : AcllSettings
        How it is read, cropped and binned, and on how many volumes it is calibrated.
    is_spread : bool
        Take the volumes evenly from the whole recording instead of its beginning.
    opened : callable
        Called with the source when it is open.
    progress : callable
        Called after each volume with the number of usable volumes and of those that were seen.
    is_canceled : callable
        Asked before each volume.

    Returns
    -------
    CalibrationReport or None
        None if it was canceled.

    Raises
    ------
    RecordingError
        If the recording cannot be read, or volumes from the whole of it are wanted and it is
        still being written.
    SettingsError
        If the settings do not fit the recording.
    """
    from napari_acll.preprocess import AlignmentCalibrator, Preprocessor

    source = _opened(recording, settings)
    try:
        opened(source)
        preprocessor = Preprocessor(source.spec, settings.preprocess)
        calibrator = AlignmentCalibrator(preprocessor.spec, settings.alignment)
        shown: Volume | None = None
        for volume in _volumes(source, settings, is_spread=is_spread):
            if is_canceled():
                return None
            shown = _added(volume, calibrator, preprocessor, shown)
            progress(calibrator.n_usable, calibrator.n_seen)
            if calibrator.is_done:
                break
        return CalibrationReport(
            calibrator=calibrator,
            volume=shown,
            spec=preprocessor.spec,
            settings=settings.alignment,
        )
    finally:
        source.close()


def _opened(recording: str | VolumeSource, settings: AcllSettings) -> VolumeSource:
    if not isinstance(recording, str):
        return recording
    from napari_acll.sources import open_source

    return open_source(recording, settings.source)


def _added(
    volume: Volume,
    calibrator: "AlignmentCalibrator",
    preprocessor: "Preprocessor",
    shown: Volume | None,
) -> Volume | None:
    """Add a volume, and return the one that is shown from now on."""
    n_before = calibrator.n_usable
    prepared = preprocessor.apply(volume)
    calibrator.add(prepared)
    is_usable = calibrator.n_usable > n_before
    return prepared if is_usable or calibrator.n_usable == 0 else shown


def _volumes(source: VolumeSource, settings: AcllSettings, *, is_spread: bool) -> Iterator[Volume]:
    if not is_spread:
        yield from source
        return
    if not isinstance(source, RandomAccessSource):
        raise RecordingError(
            "Volumes can be spread over a finished recording only, and this one is followed while"
            " it is written; calibrate on its first volumes."
        )
    wanted = settings.alignment
    for index in spread_out(source.indices, wanted.n_volumes, wanted.max_wait_volumes):
        yield source.read(index)


def spread_out(indices: Sequence[int], n_wanted: int, n_most: int) -> list[int]:
    """Return volumes that lie evenly over a recording, then others for those of no use.

    Parameters
    ----------
    indices : sequence of int
        The volumes that there are.
    n_wanted : int
        How many are needed; the first so many of the result are as far apart as can be.
    n_most : int
        How many may be tried.
    """
    tried = [*_evenly(indices, n_wanted), *_evenly(indices, max(n_wanted, n_most))]
    return list(dict.fromkeys(tried))[: max(n_wanted, n_most)]


def _evenly(indices: Sequence[int], n: int) -> list[int]:
    n = min(n, len(indices))
    return [indices[int(at)] for at in np.linspace(0, len(indices) - 1, n).round()]
