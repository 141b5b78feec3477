"""A session made from settings."""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

from napari_acll.core import (
    AcllSettings,
    ChannelAlignment,
    DropPolicy,
    IdentityFilter,
    Labeler,
    LabelSettings,
    MarkChannel,
    NeuronTable,
    PluginError,
    SessionWriter,
    SettingsError,
    TraceEstimator,
    VolumeSource,
    VolumeSpec,
    load_stage,
)
from napari_acll.session._build_publishers import make_publishers
from napari_acll.session._geometry_memory import remember_spec
from napari_acll.session._handover import LentSource
from napari_acll.session._resumption import Resumption
from napari_acll.session._session import Session
from napari_acll.session._sink import Fallback
from napari_acll.session._stages import AlignmentRule, Calibrator, Preprocessing
from napari_acll.session._warm_up import warm_up_while_armed

if TYPE_CHECKING:
    from napari_acll.export import SessionHeader, ZarrSessionWriter

Writers: TypeAlias = tuple[list[SessionWriter], Fallback | None]
"""The writers of a session, and what makes the one of another folder."""


def _tell_nobody(kind: str, message: str) -> None:
    """Tell nobody."""


def build_session(
    recording: str | VolumeSource,
    *,
    settings: AcllSettings,
    out: str | Path | None,
    tell: Callable[[str, str], None] = _tell_nobody,
    load_model: Callable[[LabelSettings], Labeler] | None = None,
    opened: Callable[[VolumeSource], None] | None = None,
    lend: Callable[[VolumeSource], VolumeSource] | None = None,
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
    tell : callable, optional
        Called with kind and message of what is worth telling while a recording is waited for.
    load_model : callable, optional
        Returns the model of a setting, such as that of a `KeptModel`; None: it is loaded.
    opened : callable, optional
        Called with the source once it is open: whoever closes that from another thread ends the
        wait for a live recording.
    lend : callable, optional
        Returns what the session reads in place of the source, such as `Handover.lend`.

    Raises
    ------
    RecordingError
        If the recording cannot be read.
    SettingsError
        If the settings do not fit the recording, samples cannot be published at the address, or
        marks cannot come from where they should.
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
        if opened is not None:
            opened(source)
        _check_first_volume(settings, source)
        settings = _effective(settings, source)
        text = _opened_with(recording)

        def writers(spec: VolumeSpec, labeler: Labeler, rig: str) -> Writers:
            if out is None:
                return [], None
            from napari_acll.export import ZarrSessionWriter

            header = header_of(source, spec, labeler, settings, rig=rig, recording=text)
            writer = ZarrSessionWriter.create(out, header)
            return [writer], fallback_of(writer, header, settings, is_live=source.is_live)

        labeler = None if load_model is None else load_model(settings.label)
        return assemble(source, settings, writers, tell=tell, labeler=labeler, lend=lend)
    except BaseException:
        source.close()
        raise


def _open(recording: str | VolumeSource, settings: AcllSettings) -> VolumeSource:
    if not isinstance(recording, str | Path):
        return recording
    from napari_acll.sources import open_source

    return open_source(str(recording), settings.source)


def _opened_with(recording: str | VolumeSource) -> str:
    """Return what opens the recording once more, empty if nothing does."""
    if isinstance(recording, LentSource):
        return recording.recording
    return recording if isinstance(recording, str) else ""


def _check_first_volume(settings: AcllSettings, source: VolumeSource) -> None:
    first = settings.run.first_volume
    if first and source.is_live:
        raise SettingsError(
            f"A session on a live recording begins with what comes next, not with volume {first};"
            " set run.first_volume to 0."
        )
    n_volumes = source.spec.n_volumes if first else None
    if n_volumes is not None and first >= n_volumes:
        raise SettingsError(
            f"The session is to begin with volume {first}, but the last volume of the recording is"
            f" {n_volumes - 1}; choose an earlier one (run.first_volume)."
        )


def _effective(settings: AcllSettings, source: VolumeSource) -> AcllSettings:
    update: dict[str, object] = {}
    if "drop_policy" not in settings.run.model_fields_set:
        update["drop_policy"] = DropPolicy.DROP_OLDEST if source.is_live else DropPolicy.BLOCK
    if isinstance(source, LentSource):  # the volumes before belong to the session before
        update["first_volume"] = source.first_index
    return settings.model_copy(update={"run": settings.run.model_copy(update=update)})


def assemble(
    source: VolumeSource,
    settings: AcllSettings,
    make_writers: Callable[[VolumeSpec, Labeler, str], Writers],
    *,
    tell: Callable[[str, str], None] = _tell_nobody,
    labeler: Labeler | None = None,
    resumption: Resumption | None = None,
    lend: Callable[[VolumeSource], VolumeSource] | None = None,
) -> Session:
    """Return a session of an open recording.

    Parameters
    ----------
    source : VolumeSource
        The recording.
    settings : AcllSettings
        All settings.
    make_writers : callable
        Gets the geometry that is labeled, the labeler and the name of the rig.
    tell : callable
        As `build_session`.
    labeler : Labeler, optional
        The model; None: it is loaded.
    resumption : Resumption, optional
        What an interrupted session left.
    lend : callable, optional
        As `build_session`.

    Raises
    ------
    AcllError
        As `build_session`.
    """
    from napari_acll.label import load_labeler, sparing_memory
    from napari_acll.preprocess import Preprocessor, rig_name

    # First: the spec of a live source has to be waited for.
    labeler = sparing_memory(labeler or load_labeler(settings.label), settings.label)
    estimator = trace_estimator_of(labeler.neurons, settings)
    identity_filter = _identity_filter(labeler, settings)
    told = ""
    is_running = resumption is not None or isinstance(source, LentSource)
    if source.is_live and not is_running:
        told = _ready_before(source, labeler, estimator, settings, tell)
    preprocessor = Preprocessor(source.spec, settings.preprocess)
    rig = rig_name(source.spec)
    alignment = None if resumption is None else resumption.alignment
    if alignment is None:
        alignment = _given_alignment(settings, rig)
    publishers, mark_channels = make_publishers(settings.publish), _mark_channels(settings)
    writers, fallback = make_writers(preprocessor.spec, labeler, rig)
    session = Session(
        source=source if lend is None else lend(source),
        preprocessor=preprocessor,
        labeler=labeler,
        calibrator=_calibrator(preprocessor, settings) if alignment is None else None,
        trace_estimator=estimator,
        writers=writers,
        settings=settings,
        identity_filter=identity_filter,
        alignment=alignment,
        alignment_rule=_rule(rig),
        publishers=publishers,
        mark_channels=mark_channels,
        fallback=fallback,
        resumption=resumption,
    )
    if told:
        session.remark("armed", told)
    return session


def _ready_before(
    source: VolumeSource,
    labeler: Labeler,
    estimator: TraceEstimator,
    settings: AcllSettings,
    tell: Callable[[str, str], None],
) -> str:
    """Warm up while a live recording is waited for, and remember what it turns out to be."""
    told = warm_up_while_armed(
        source, labeler, settings=settings, trace_estimator=estimator, tell=tell
    )
    remember_spec(source)
    return told


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


def trace_estimator_of(neurons: NeuronTable, settings: AcllSettings) -> TraceEstimator:
    """Return the installed trace estimator.

    Parameters
    ----------
    neurons : NeuronTable
        The neurons of the model.
    settings : AcllSettings
        All settings.

    Raises
    ------
    PluginError
        If it is none.
    """
    factory = load_stage("trace_estimators", settings.trace.estimator)
    if not callable(factory):
        raise PluginError(f"The trace estimator must be a class, got {factory!r}.")
    estimator = factory(neurons, settings.trace)
    if not isinstance(estimator, TraceEstimator):
        raise PluginError(f"{factory!r} does not make trace estimators; it lacks `estimate`.")
    return estimator


def _identity_filter(labeler: Labeler, settings: AcllSettings) -> IdentityFilter | None:
    if not settings.identity.is_used:
        return None
    name = settings.identity.filter
    factory = load_stage("identity_filters", name)
    make = getattr(factory, "from_settings", factory)
    if not callable(make):
        raise PluginError(f"The identity filter {name!r} must be a class, got {factory!r}.")
    made = make(settings.identity, labeler.neurons)
    if not isinstance(made, IdentityFilter):
        raise PluginError(f"{factory!r} does not make identity filters; it lacks `update`.")
    return made


def _mark_channels(settings: AcllSettings) -> list[MarkChannel]:
    if not settings.marks.channels:
        return []
    from napari_acll.marks import open_channel

    return [open_channel(address) for address in settings.marks.channels]


def header_of(
    source: VolumeSource,
    spec: VolumeSpec,
    labeler: Labeler,
    settings: AcllSettings,
    *,
    rig: str,
    recording: str,
) -> "SessionHeader":
    """Return what is known of a session before its first volume."""
    from napari_acll.export import SessionHeader

    return SessionHeader(
        neurons=labeler.neurons,
        stored_spec=source.spec,
        spec=spec,
        settings=settings,
        source=source.describe(),
        source_notes=source.notes,
        model=labeler.describe(),
        rig=rig,
        recording=recording,
    )


def fallback_of(
    writer: "ZarrSessionWriter",
    header: "SessionHeader",
    settings: AcllSettings,
    *,
    is_live: bool,
) -> Fallback | None:
    """Return what makes the writer of another folder; None if there is none to be made."""
    from napari_acll.export import other_folder

    place = settings.run.fallback_folder
    if place is None and not is_live:
        return None
    return lambda: other_folder(writer, header, place)
