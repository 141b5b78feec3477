"""What a session needs, looked at before it starts: one line per requirement."""

import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from napari_acll.core import (
    AcllError,
    AcllSettings,
    Check,
    Light,
    SessionError,
    SettingsError,
    VolumeSource,
    VolumeSpec,
)
from napari_acll.session._build_publishers import check_publishing
from napari_acll.session._geometry_memory import expected_spec
from napari_acll.session._label_speed import check_speed
from napari_acll.session._room import check_disk, check_memory

_USUAL_NEURONS = 200
"""Where the model does not say, for the room that a session takes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Recording:
    """What is known of a recording: as stored, and as it is going to be labeled."""

    check: Check
    stored: VolumeSpec | None = None
    is_live: bool = False


def preflight(recording: str, *, settings: AcllSettings, out: Path | None) -> list[Check]:
    """Look at everything that a session needs; nothing is started, and nothing is left behind.

    Takes a moment, and some seconds where torch has to be imported to ask for a GPU. A recording
    that is yet to come is not waited for.

    Parameters
    ----------
    recording : str
        As for `build_session`.
    settings : AcllSettings
        All settings.
    out : Path, optional
        The session folder; None: nothing is to be saved, and its lines are left out.

    Returns
    -------
    list of Check
        One per requirement; never an error for what is not met.
    """
    return list(_checks(recording, settings, out))


def _checks(recording: str, settings: AcllSettings, out: Path | None) -> Iterator[Check]:
    from napari_acll.label import check_device

    found = _look_at_recording(recording, settings)
    yield found.check
    labeled = None
    if found.stored is not None:
        labeled, crop = _look_at_crop(found.stored, settings)
        yield crop
    if out is not None:
        yield _told("Folder", lambda: _folder_sentence(out))
    n_neurons, model = _look_at_model(settings)
    yield model
    device = check_device(settings.label.device)
    yield device
    speed = None if device.light is Light.RED else check_speed(settings.label, labeled)
    if speed is not None:
        yield speed
    if out is not None:
        yield check_disk(out, labeled, settings, n_neurons=n_neurons, is_live=found.is_live)
    yield check_memory(labeled, settings, is_live=found.is_live)
    yield from _optional_checks(settings, is_saved=out is not None)


def _optional_checks(settings: AcllSettings, *, is_saved: bool) -> Iterator[Check]:
    """Yield what is only looked at where it was asked for."""
    if settings.alignment.file is not None:
        file = settings.alignment.file
        yield _told("Alignment", lambda: _alignment_sentence(file))
    publishing = check_publishing(settings.publish) if is_saved else None
    if publishing is not None:
        yield publishing
    for address in settings.marks.channels if is_saved else ():
        yield _look_at_marks(address)


def _told(name: str, look: Callable[[], str]) -> Check:
    """Return a green line with what `look` returns, or a red one with the error that it raises."""
    try:
        return Check(name=name, light=Light.GREEN, sentence=look())
    except (AcllError, OSError) as error:
        return _red(name, error)


def _red(name: str, error: AcllError | OSError) -> Check:
    code = error.exit_code if isinstance(error, AcllError) else SessionError.exit_code
    return Check(name=name, light=Light.RED, sentence=str(error), exit_code=code)


def _look_at_recording(recording: str, settings: AcllSettings) -> _Recording:
    from napari_acll.sources import open_source

    name = "Recording"
    try:
        source = open_source(recording, settings.source)
        try:
            return _described(name, source, settings)
        finally:
            source.close()
    except (AcllError, OSError) as error:
        return _Recording(check=_red(name, error), is_live=settings.source.live.is_live)


def _described(name: str, source: VolumeSource, settings: AcllSettings) -> _Recording:
    if not source.is_live:
        check = Check(name=name, light=Light.GREEN, sentence=geometry_sentence(source.spec))
        return _Recording(check=check, stored=source.spec)
    expected = expected_spec(source, settings.source)
    shape = "" if expected is None else f" Volumes such as {_voxels(expected)} are expected."
    wait_s = settings.source.live.start_timeout_s
    sentence = f"Armed: the first volume is waited for up to {wait_s:g} s.{shape}"
    check = Check(name=name, light=Light.GREEN, sentence=sentence)
    return _Recording(check=check, stored=expected, is_live=True)


def geometry_sentence(spec: VolumeSpec) -> str:
    """Return the geometry of a recording in words.

    Parameters
    ----------
    spec : VolumeSpec
        The recording as stored.
    """
    number = "Volumes" if spec.n_volumes is None else f"{spec.n_volumes} volumes"
    return (
        f"{number} of {_voxels(spec)}, every {spec.period_s:.3g} s; marker:"
        f" {spec.marker_name}, activity: {spec.activity_name}."
    )


def _voxels(spec: VolumeSpec) -> str:
    shape = " x ".join(str(n) for n in spec.shape)
    sizes = [f"{size:.3g}" for size in spec.voxel_size_um]
    size = sizes[0] if len(set(sizes)) == 1 else " x ".join(sizes)
    return f"{shape} voxels of {size} um"


def _look_at_crop(stored: VolumeSpec, settings: AcllSettings) -> tuple[VolumeSpec | None, Check]:
    from napari_acll.preprocess import Preprocessor

    name = "Crop"
    try:
        preprocessor = Preprocessor(stored, settings.preprocess)
    except SettingsError as error:
        return None, _red(name, error)
    sentence = f"{_voxels(preprocessor.spec)} are labeled (binning {preprocessor.bin_px})."
    return preprocessor.spec, Check(name=name, light=Light.GREEN, sentence=sentence)


def _folder_sentence(out: Path) -> str:
    """Return that a session folder can be made.

    Raises
    ------
    SessionError
        If it exists.
    OSError
        If nothing can be written where it would lie.
    """
    from napari_acll.export import check_new_session

    check_new_session(out)
    parent = next(parent for parent in out.absolute().parents if parent.is_dir())
    try:
        with tempfile.TemporaryFile(dir=parent):
            return f"{out} can be made."
    except OSError as error:
        raise OSError(
            f"Nothing can be written to {parent} ({error.strerror or error}); choose another place"
            " for the session folder."
        ) from error


def _look_at_model(settings: AcllSettings) -> tuple[int, Check]:
    from napari_acll.label import model_facts

    name = "Model"
    try:
        facts = model_facts(settings.label)
    except (AcllError, OSError) as error:
        return _USUAL_NEURONS, _red(name, error)
    calibration = (
        f"calibrated on {facts.calibrated_on}" if facts.calibrated_on else "never calibrated"
    )
    sentence = f"{settings.label.model} names {facts.n_neurons} neurons, {calibration}."
    light = Light.GREEN if facts.calibrated_on.startswith("rig") else Light.AMBER
    return facts.n_neurons, Check(name=name, light=light, sentence=sentence)


def _alignment_sentence(file: str) -> str:
    from napari_acll.preprocess import load_alignment

    alignment = load_alignment(Path(file))
    return f"{file}: shift y {alignment.dy_um:+.2f} um, x {alignment.dx_um:+.2f} um."


def _look_at_marks(address: str) -> Check:
    from napari_acll.marks import open_channel, why_unreachable

    name = "Marks"
    try:
        why = why_unreachable(open_channel(address))
    except AcllError as error:
        return _red(name, error)
    if why:
        sentence = f"{address}: {why}; it is tried again every second while a session runs."
        return Check(name=name, light=Light.AMBER, sentence=sentence)
    return Check(name=name, light=Light.GREEN, sentence=f"{address} can be reached.")
