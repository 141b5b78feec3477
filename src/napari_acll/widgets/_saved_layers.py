"""A session folder as something to play, and its layers."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from napari_acll.core import AcllError, SessionError
from napari_acll.export import SavedSession
from napari_acll.widgets._colors import label_colormap
from napari_acll.widgets._layers import activity_affine
from napari_acll.widgets._lazy_volumes import (
    LayerData,
    LazyVolumes,
    lazy_array,
    placement_in_time,
    recording_layers,
)
from napari_acll.widgets._playable import PLAYABLE, Playable
from napari_acll.widgets._saved_run import SavedRun, SavedTraces
from napari_acll.widgets._session_paths import SESSION_SUFFIX

_SESSION_FILE = "session.json"
_FORMAT = b"napari-acll session"
_HEAD_BYTES = 4096


def is_session_folder(path: str | Path) -> bool:
    """Return whether a folder looks like a session of ours, a damaged one included.

    No more than a few kB are read.
    """
    if Path(path).suffix == SESSION_SUFFIX and Path(path).is_dir():
        return True
    try:
        with (Path(path) / _SESSION_FILE).open("rb") as file:
            return _FORMAT in file.read(_HEAD_BYTES)
    except OSError:
        return False


def open_session(folder: str | Path) -> tuple[SavedRun, list[LayerData]]:
    """Open a session folder, and its recording if it is still there.

    Parameters
    ----------
    folder : str or Path
        The session.

    Returns
    -------
    SavedRun, list of LayerData
        Label maps and both channels, lazily; none that are not there.

    Raises
    ------
    SessionError
        If it is no session, is damaged, or has no volumes yet.
    """
    saved = SavedSession.open(folder)
    if not saved.n_timepoints:
        raise SessionError(
            f"The session {saved.path.name} holds no volumes yet; open it when it does."
        )
    volumes, why_not = _volumes_of(saved)
    traces = SavedTraces(saved, volumes)
    playable = _playable(traces)
    run = SavedRun(
        traces,
        playable,
        alignment=saved.alignment,
        notes=tuple(filter(None, (_standing(saved), why_not))),
    )
    return run, _layers(run)


def _volumes_of(saved: SavedSession) -> tuple[LazyVolumes | None, str]:
    """Return the volumes as they were labeled; None and why if they cannot be had."""
    from napari_acll.preprocess import Preprocessor
    from napari_acll.session import open_recording, spec_of

    try:
        source = open_recording(saved)
    except AcllError as error:
        return None, f"Only labels and traces are shown. {error}"
    try:
        preprocessor = Preprocessor(source.spec, saved.settings.preprocess)
        if preprocessor.spec.shape != spec_of(saved).shape:
            raise SessionError(
                f"The crop and binning of {saved.path.name} do not fit its recording any more."
            )
        volumes = LazyVolumes(source, prepare=preprocessor.apply, spec=preprocessor.spec)
        volumes.volume(volumes.first_index)
    except AcllError as error:
        source.close()
        return None, f"Only labels and traces are shown. {error}"
    return volumes, ""


def _playable(traces: SavedTraces) -> Playable:
    path = str(traces.saved.path)
    has_recording = traces.volumes is not None
    return Playable(
        path=path,
        recording=str(traces.saved.header.get("recording", "")) if has_recording else "",
        period_s=traces.spec.period_s,
        times_s=traces.times_s(),
        load=traces.load,
    )


def _standing(saved: SavedSession) -> str:
    """Return what is to be said about a session that did not end as it should, or goes on."""
    name, n_volumes = saved.path.name, saved.n_timepoints
    if saved.state == "running":
        return (
            f"{name} is still being written: these are its first {n_volumes} volumes. Open it"
            " again for the rest."
        )
    if saved.state in ("interrupted", "failed"):
        return (
            f"{name} was {saved.state}: these are the {n_volumes} volumes that were kept."
            " `acll resume` goes on with it."
        )
    return ""


def _layers(run: SavedRun) -> list[LayerData]:
    traces, title = run.session, Path(run.playable.path).stem
    metadata: dict[str, Any] = {PLAYABLE: run}
    layers: list[LayerData] = []
    if traces.volumes is not None:
        n_volumes = run.playable.n_volumes
        layers += recording_layers(
            traces.volumes, title=title, metadata=metadata, n_volumes=n_volumes
        )
        if run.alignment is not None:
            affine = np.eye(5)
            affine[1:, 1:] = activity_affine(run.alignment, traces.spec.grid)
            layers[1][1]["affine"] = affine
    if traces.labels is not None:
        layers.append(_label_layer(traces, title, metadata))
    return layers


def _label_layer(traces: SavedTraces, title: str, metadata: dict[str, Any]) -> LayerData:
    labels, sample = traces.saved.labels(0), traces.sample(0)
    array = lazy_array(
        _reader_of(traces),
        n_volumes=traces.saved.n_timepoints,
        shape=labels.shape,
        dtype=labels.dtype,
    )
    attributes = {
        "name": f"{title} labels",
        "opacity": 0.6,
        "colormap": label_colormap(sample.confidence),
        "metadata": metadata,
        **placement_in_time(traces.spec.grid, traces.spec.period_s),
    }
    return array, attributes, "labels"


def _reader_of(traces: SavedTraces) -> Callable[[int], Any]:
    if traces.labels is None:
        raise SessionError(f"{traces.saved.path.name} holds no label maps.")
    return traces.labels.get
