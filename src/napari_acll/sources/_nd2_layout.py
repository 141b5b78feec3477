"""Which frames of an ND2 file make up which volume."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from napari_acll.core import RecordingError, SourceSettings
from napari_acll.sources._nd2_info import Nd2Loop

_LEAST_SLICES = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class FrameLayout:
    """Frame numbers of every slice of every volume.

    Frame of slice `z` of volume `v`: `first + v * volume_stride + z * slice_stride`.

    Parameters
    ----------
    n_volumes, n_z : int
        Planned volumes, and slices that are used of each.
    first, volume_stride, slice_stride : int
        See above.
    n_z_stored : int
        Slices of each volume with those that are left out at its start.
    frames_per_turn : int
        Frames from one turn of the time loop to the next.
    """

    n_volumes: int
    n_z: int
    first: int
    volume_stride: int
    slice_stride: int
    n_z_stored: int
    frames_per_turn: int

    def frames(self, index: int) -> NDArray[np.int64]:
        """Return the frame numbers of a volume, shape `(n_z,)`."""
        return self.first + index * self.volume_stride + self.slice_stride * np.arange(self.n_z)

    def presence(self, offsets: NDArray[np.int64]) -> NDArray[np.bool_]:
        """Return which slices the file holds, shape `(n_volumes, n_z)`."""
        frames = self.frames(0) + self.volume_stride * np.arange(self.n_volumes)[:, None]
        is_within = frames < len(offsets)
        is_present = np.zeros(frames.shape, np.bool_)
        is_present[is_within] = offsets[frames[is_within]] >= 0
        return is_present


def plan_layout(
    loops: Sequence[Nd2Loop],
    n_frames: int,
    settings: SourceSettings,
    notes: list[str],
    *,
    recording: str,
) -> FrameLayout:
    """Return how frames make up volumes.

    Parameters
    ----------
    loops : sequence of Nd2Loop
        Outermost first; their counts are a plan.
    n_frames : int
        Number of the last frame in the file, plus one.
    settings : SourceSettings
        Slices of a recording that has only a time loop.
    notes : list of str
        Gets what the user should know.
    recording : str
        Stands in errors.

    Raises
    ------
    RecordingError
        If no volumes can be made of the frames.
    """
    turning = [loop for loop in loops if loop.count > 1]
    _check_loops(turning, n_frames, recording)
    if any(loop.axis == "Z" for loop in turning):
        return _looped_layout(turning, n_frames, settings, notes, recording=recording)
    return _timestream_layout(n_frames, settings, notes, recording=recording)


def _check_loops(turning: Sequence[Nd2Loop], n_frames: int, recording: str) -> None:
    if n_frames == 0:
        raise RecordingError(f"{recording} holds no frames; choose another recording.")
    for loop in turning:
        if loop.axis == "P":
            raise RecordingError(
                f"{recording} holds {loop.count} stage positions; one animal is expected:"
                " split the file by position in NIS-Elements."
            )
        if loop.axis == "?":
            raise RecordingError(
                f"{recording} has a loop over something else than time and z; save it again"
                " with these two only."
            )
    axes = [loop.axis for loop in turning]
    if len(set(axes)) != len(axes):
        raise RecordingError(
            f"{recording} has the loops {' x '.join(axes)}; at most one over time and one over"
            " z are expected: save it again with these two only."
        )


def _looped_layout(
    turning: Sequence[Nd2Loop],
    n_frames: int,
    settings: SourceSettings,
    notes: list[str],
    *,
    recording: str,
) -> FrameLayout:
    counts = {loop.axis: loop.count for loop in turning}
    n_z, n_volumes = counts["Z"], counts.get("T", 1)
    if settings.n_z not in (None, n_z):
        raise RecordingError(
            f"{recording} records {n_z} slices per volume itself, but {settings.n_z} were given;"
            " leave the number of slices out."
        )
    if settings.z_first or settings.z_discard:
        notes.append(
            "The recording has a z loop of its own: the settings for first and discarded slices"
            " are not used; crop along z instead."
        )
    is_z_inner = turning[-1].axis == "Z"
    if is_z_inner and n_frames > n_z * n_volumes:
        n_volumes = n_frames // n_z
        notes.append(f"The recording holds more frames than planned: {n_volumes} volumes.")
    return FrameLayout(
        n_volumes=n_volumes,
        n_z=n_z,
        first=0,
        volume_stride=n_z if is_z_inner else 1,
        slice_stride=1 if is_z_inner else n_volumes,
        n_z_stored=n_z,
        frames_per_turn=n_z if is_z_inner else 1,
    )


def _timestream_layout(
    n_frames: int, settings: SourceSettings, notes: list[str], *, recording: str
) -> FrameLayout:
    if n_frames == 1:
        raise RecordingError(
            f"{recording} holds a single slice; volumes of at least {_LEAST_SLICES} slices are"
            " needed: choose another recording."
        )
    n_z = settings.n_z
    if n_z is None:
        raise RecordingError(
            f"{recording} has no z loop, only {n_frames} frames one after the other; give the"
            " number of slices per volume (n_z)."
        )
    n_volumes, n_left = divmod(n_frames - settings.z_first, n_z)
    if n_volumes < 1:
        raise RecordingError(
            f"{recording} holds {n_frames} frames, of which the first {settings.z_first} are"
            f" left out, but one volume needs {n_z}; give the right number of slices (n_z)."
        )
    if n_z - settings.z_discard < _LEAST_SLICES:
        raise RecordingError(
            f"Of the {n_z} slices per volume of {recording} {settings.z_discard} are discarded,"
            f" which leaves fewer than {_LEAST_SLICES}; give a larger n_z or a smaller"
            " z_discard."
        )
    if n_left:
        notes.append(f"The last {n_left} frames do not fill a volume of {n_z} and are left out.")
    return FrameLayout(
        n_volumes=n_volumes,
        n_z=n_z - settings.z_discard,
        first=settings.z_first + settings.z_discard,
        volume_stride=n_z,
        slice_stride=1,
        n_z_stored=n_z,
        frames_per_turn=1,
    )
