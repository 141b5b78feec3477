"""Everything that makes a first volume slow, done before it comes."""

from collections.abc import Callable, Iterator

import numpy as np

from napari_acll.core import (
    AcllError,
    AcllSettings,
    ChannelAlignment,
    Detections,
    LabeledVolume,
    Labeler,
    TraceEstimator,
    Volume,
    VolumeArray,
    VolumeSource,
    VolumeSpec,
)
from napari_acll.session._geometry_memory import expected_spec
from napari_acll.session._stages import Preprocessing


def warm_up(
    labeler: Labeler,
    *,
    preprocessor: Preprocessing,
    trace_estimator: TraceEstimator,
    stored_spec: VolumeSpec,
    batch_size: int,
) -> None:
    """Send a blank volume through all stages.

    Parameters
    ----------
    labeler, preprocessor, trace_estimator : Labeler, Preprocessing, TraceEstimator
        The stages.
    stored_spec : VolumeSpec
        Volumes of the recording as stored.
    batch_size : int
        Most volumes that are labeled at once.

    Raises
    ------
    ModelError
        If the model cannot label volumes of this geometry.
    """
    labeler.warm_up(preprocessor.spec, batch_size)
    for channels in _blank_channels(stored_spec):
        blank = preprocessor.apply(_blank(stored_spec, *channels))
    nothing = LabeledVolume(
        index=blank.index,
        spec=blank.spec,
        instances=np.zeros(blank.spec.shape, np.uint16),
        detections=Detections.none(),
    )
    trace_estimator.estimate(blank, nothing, ChannelAlignment.identity())


def warm_up_while_armed(
    source: VolumeSource,
    labeler: Labeler,
    *,
    settings: AcllSettings,
    trace_estimator: TraceEstimator,
    tell: Callable[[str, str], None],
) -> str:
    """Warm up before a live recording begins, for volumes such as are expected.

    A wrong guess costs nothing but the time: the session warms up again once it knows better.

    Parameters
    ----------
    source : VolumeSource
        A live source that waits.
    labeler, trace_estimator : Labeler, TraceEstimator
        The stages.
    settings : AcllSettings
        All settings.
    tell : callable
        Called with kind and message of what is worth telling now.

    Returns
    -------
    str
        What was told; empty if nothing is known of the volumes to come.
    """
    from napari_acll.preprocess import Preprocessor

    spec = expected_spec(source, settings.source)
    if spec is None:
        return ""
    shape = " x ".join(str(n) for n in spec.shape)
    try:
        warm_up(
            labeler,
            preprocessor=Preprocessor(spec, settings.preprocess),
            trace_estimator=trace_estimator,
            stored_spec=spec,
            batch_size=settings.label.batch_size,
        )
    except AcllError as error:
        message = f"The model could not be warmed up for volumes of {shape} voxels: {error}"
    else:
        message = f"Ready: the model is warm for volumes of {shape} voxels; start the microscope."
    tell("armed", message)
    return message


def _blank_channels(spec: VolumeSpec) -> Iterator[tuple[VolumeArray, VolumeArray]]:
    """Yield two channels that share an array, as ND2 files have them, and two that do not."""
    frames = np.zeros((*spec.shape, 2), np.uint16)
    yield frames[..., 0], frames[..., 1]
    empty = np.zeros(spec.shape, np.uint16)
    yield empty, empty


def _blank(spec: VolumeSpec, marker: VolumeArray, activity: VolumeArray) -> Volume:
    return Volume(
        index=0,
        timestamp_s=0.0,
        marker=marker,
        activity=activity,
        spec=spec,
        slice_times_s=np.zeros(spec.shape[0]),
    )
