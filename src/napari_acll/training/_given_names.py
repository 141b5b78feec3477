"""The names that a model gave in a session, or gives when its recording is labeled again."""

import logging
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from napari_acll.core import (
    AcllSettings,
    Detections,
    LabelSettings,
    ModelError,
    RandomAccessSource,
    RecordingError,
    VolumeSource,
)
from napari_acll.evaluation import GivenNames, names_by_model
from napari_acll.export import SavedSession
from napari_acll.label import PointLabeler, PointModel, find_model_file

logger = logging.getLogger(__name__)

_SIMULATED = "simulated"


def is_session(path: str | Path) -> bool:
    """Return whether a path is a session folder."""
    return (Path(path) / "session.json").is_file()


def rig_of(session: str | Path) -> str:
    """Return what a session calls its rig, empty for a recording."""
    return str(SavedSession.open(session).header.get("rig", "")) if is_session(session) else ""


def model_file_of(session: str | Path, model: str | None) -> Path:
    """Return the file of a model, by default of the one that a session ran with.

    Raises
    ------
    ModelError
        If there is no such file.
    SessionError
        If the session is damaged.
    """
    if model is not None:
        return find_model_file(model)
    if not is_session(session):
        return find_model_file("default")
    told = SavedSession.open(session).header.get("model")
    path = Path(str(told.get("path", ""))) if isinstance(told, Mapping) else Path()
    if not path.is_file():
        raise ModelError(
            f"The model of {session} is not where it was ({path}); give it with --model."
        )
    return path


def _tell_nobody(n_done: int) -> None:
    """Tell nobody how far it is."""


def given_by_model(
    session: str | Path,
    file: Path,
    model: PointModel,
    volumes: NDArray[np.integer],
    *,
    on_volume: Callable[[int], None] = _tell_nobody,
) -> GivenNames:
    """Return the names that a model gives in some volumes.

    Parameters
    ----------
    session : str or Path
        A session folder, or a recording.
    file : Path
        File of the model.
    model : PointModel
        The model itself.
    volumes : ndarray of int
        Numbers of the volumes.
    on_volume : callable
        Called with the number of volumes that are labeled again, before each of them.

    Raises
    ------
    RecordingError
        If the recording must be labeled again and cannot be read.
    SessionError
        If the session is damaged.
    """
    if not is_session(session):
        return _labeled_again(str(session), AcllSettings(), file, model, volumes, on_volume)
    saved = SavedSession.open(session)
    told = saved.header.get("model")
    if isinstance(told, Mapping) and told.get("sha256") == model.sha256:
        return names_by_model(saved)
    logger.info("the session ran with another model, its recording is labeled again")
    recording = _recording_of(saved)
    return _labeled_again(recording, saved.settings, file, model, volumes, on_volume)


def _recording_of(saved: SavedSession) -> str:
    source = saved.header.get("source")
    if not isinstance(source, Mapping) or not source.get("path"):
        raise RecordingError(
            f"{saved.path} does not say which recording it is of; give the recording itself."
        )
    if source.get("kind") != _SIMULATED:
        return str(source["path"])
    options = dict(source.get("options", {}))
    return f"{_SIMULATED}:" + ",".join(f"{name}={value}" for name, value in options.items())


def _labeled_again(
    recording: str,
    settings: AcllSettings,
    file: Path,
    model: PointModel,
    volumes: NDArray[np.integer],
    on_volume: Callable[[int], None],
) -> GivenNames:
    from napari_acll.preprocess import Preprocessor
    from napari_acll.sources import open_source

    source = open_source(recording, settings.source)
    try:
        preprocessor = Preprocessor(source.spec, settings.preprocess)
        label_settings = LabelSettings(device=settings.label.device)
        labeler = PointLabeler(model, settings=label_settings, path=file)
        random_access = _random_access(source)
        wanted = sorted({int(index) for index in volumes} & set(random_access.indices))
        if not wanted:
            raise RecordingError(f"{recording} has none of the volumes that the names are from.")
        found: list[tuple[int, Detections]] = []
        for number, index in enumerate(wanted):
            on_volume(number)
            volume = preprocessor.apply(random_access.read(index))
            found.append((index, labeler.label([volume])[0].detections))
        return GivenNames.from_detections(found, model.neurons, preprocessor.spec)
    finally:
        source.close()


def _random_access(source: VolumeSource) -> RandomAccessSource:
    if isinstance(source, RandomAccessSource):
        return source
    raise RecordingError("This recording is still being written; calibrate when it is complete.")
