"""A session made from settings."""

from collections.abc import Callable
from pathlib import Path

from napari_acll.core import (
    AcllSettings,
    ChannelAlignment,
    DropPolicy,
    Labeler,
    PluginError,
    SessionWriter,
    TraceEstimator,
    VolumeSource,
    VolumeSpec,
    load_stage,
)
from napari_acll.session._resumption import Resumption
from napari_acll.session._session import Session
from napari_acll.session._stages import AlignmentRule, Calibrator, Preprocessing


def build_session(
    recording: str | VolumeSource, *, settings: AcllSettings, out: str | Path | None
) -> Session:
    """Return a session that is ready to start.

    Parameters
    ----------
    recording : str or VolumeSource
        What to read: a path, `simulated`, or a source object. The session closes it.
    settings : AcllSettings
        All settings. A drop policy that was not chosen is `BLOCK` for a finished recording and
        `DROP_OLDEST` for a live one.
    out : str or Path, optional
        The session folder to create; None: nothing is saved.

    Raises
    ------
    RecordingError
        If the recording cannot be read.
    SettingsError
        If the settings do not fit the recording.
    ModelError
        If the model cannot be loaded.
    AlignmentError
        If the alignment file cannot be used.
    PluginError
        If a stage is not installed.
    SessionError
        If the session folder exists or cannot be created.
    """
    from napari_acll.export import check_new_session

    if out is not None:
        check_new_session(Path(out))
    source = _open(recording, settings)
    try:
        settings = _effective(settings, source)
        text = recording if isinstance(recording, str) else ""

        def writers(spec: VolumeSpec, labeler: Labeler, rig: str) -> list[SessionWriter]:
            if out is None:
                return []
            return [_new_writer(source, spec, labeler, settings, rig=rig, out=out, text=text)]

        return assemble(source, settings, writers)
    except BaseException:
        source.close()
        raise


def _open(recording: str | VolumeSource, settings: AcllSettings) -> VolumeSource:
    if not isinstance(recording, str | Path):
        return recording
    from napari_acll.sources import open_source

    return open_source(str(recording), settings.source)


def _effective(settings: AcllSettings, source: VolumeSource) -> AcllSettings:
    if "drop_policy" in settings.run.model_fields_set:
        return settings
    policy = DropPolicy.DROP_OLDEST if source.is_live else DropPolicy.BLOCK
    run = settings.run.model_copy(update={"drop_policy": policy})
    return settings.model_copy(update={"run": run})


def assemble(
    source: VolumeSource,
    settings: AcllSettings,
    writers: Callable[[VolumeSpec, Labeler, str], list[SessionWriter]],
    *,
    labeler: Labeler | None = None,
    resumption: Resumption | None = None,
) -> Session:
    """Return a session of an open recording.

    Parameters
    ----------
    source : VolumeSource
        The recording.
    settings : AcllSettings
        All settings.
    writers : callable
        Gets the geometry that is labeled, the labeler and the name of the rig.
    labeler : Labeler, optional
        The model; None: it is loaded.
    resumption : Resumption, optional
        What an interrupted session left.

    Raises
    ------
    AcllError
        As `build_session`.
    """
    from napari_acll.label import load_labeler
    from napari_acll.preprocess import Preprocessor, rig_name

    # before the source is asked: the spec of a live one has to be waited for
    labeler = labeler or load_labeler(settings.label)
    preprocessor = Preprocessor(source.spec, settings.preprocess)
    rig = rig_name(source.spec)
    alignment = None if resumption is None else resumption.alignment
    if alignment is None:
        alignment = _given_alignment(settings, rig)
    estimator = _trace_estimator(labeler, settings)
    return Session(
        source=source,
        preprocessor=preprocessor,
        labeler=labeler,
        calibrator=_calibrator(preprocessor, settings) if alignment is None else None,
        trace_estimator=estimator,
        writers=writers(preprocessor.spec, labeler, rig),
        settings=settings,
        alignment=alignment,
        alignment_rule=_rule(rig),
        resumption=resumption,
    )


def _given_alignment(settings: AcllSettings, rig: str) -> ChannelAlignment | None:
    """Return the alignment to apply without calibrating, None if there is to be a calibration."""
    from napari_acll.preprocess import load_alignment, settle_alignment

    if settings.alignment.file is not None:
        return load_alignment(Path(settings.alignment.file))
    if settings.alignment.n_volumes > 0:
        return None
    return settle_alignment(ChannelAlignment.identity("No calibration was asked for."), rig=rig)


def _calibrator(preprocessor: Preprocessing, settings: AcllSettings) -> Calibrator:
    from napari_acll.preprocess import AlignmentCalibrator

    return AlignmentCalibrator(preprocessor.spec, settings.alignment)


def _rule(rig: str) -> AlignmentRule:
    from napari_acll.preprocess import remember_alignment, settle_alignment

    def settle(calibrated: ChannelAlignment) -> ChannelAlignment:
        remember_alignment(calibrated, rig)  # only if it is trusted; never raises
        return settle_alignment(calibrated, rig=rig)

    return settle


def _trace_estimator(labeler: Labeler, settings: AcllSettings) -> TraceEstimator:
    factory = load_stage("trace_estimators", "ratio")
    if not callable(factory):
        raise PluginError(f"The trace estimator must be a class, got {factory!r}.")
    estimator = factory(labeler.neurons, settings.trace)
    if not isinstance(estimator, TraceEstimator):
        raise PluginError(f"{factory!r} does not make trace estimators; it lacks `estimate`.")
    return estimator


def _new_writer(
    source: VolumeSource,
    spec: VolumeSpec,
    labeler: Labeler,
    settings: AcllSettings,
    *,
    rig: str,
    out: str | Path,
    text: str,
) -> SessionWriter:
    from napari_acll.export import SessionHeader, ZarrSessionWriter

    header = SessionHeader(
        neurons=labeler.neurons,
        stored_spec=source.spec,
        spec=spec,
        settings=settings,
        source=source.describe(),
        source_notes=source.notes,
        model=labeler.describe(),
        rig=rig,
        recording=text,
    )
    return ZarrSessionWriter.create(out, header)
