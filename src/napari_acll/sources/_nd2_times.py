"""When each slice of an ND2 recording was taken."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from napari_acll.core import SourceSettings
from napari_acll.sources._geometry import are_times, even_slice_times, resolve_period
from napari_acll.sources._nd2_chunks import Nd2Chunks
from napari_acll.sources._nd2_info import Nd2Info
from napari_acll.sources._nd2_layout import FrameLayout

_S_PER_MS = 1e-3
_N_PROBED_VOLUMES = 2


class Nd2Times:
    """Times of slices: the file's own where they can be true, else spread evenly.

    Parameters
    ----------
    chunks : Nd2Chunks
        The open file.
    info : Nd2Info
        What it says about itself.
    layout : FrameLayout
        Which frames make up which volume.
    indices : sequence of int
        Volumes that exist.
    settings : SourceSettings
        A period given there replaces all times of the file.
    notes : list of str
        Gets a sentence where the file's times are not used.

    Attributes
    ----------
    period_s : float
        Median time from one volume to the next.
    """

    def __init__(
        self,
        chunks: Nd2Chunks,
        info: Nd2Info,
        layout: FrameLayout,
        indices: Sequence[int],
        settings: SourceSettings,
        notes: list[str],
    ) -> None:
        self._chunks = chunks
        self._layout = layout
        self._listed_s: NDArray[np.float64] | None = None
        self._is_in_frames = False
        self._is_swept_evenly = False
        if settings.period_s is None:
            self._find_times(indices, notes)
        found_s = self._found_period(indices)
        if found_s is None and info.loop_period_s is not None:
            turns = layout.volume_stride / layout.frames_per_turn
            found_s = info.loop_period_s * turns
        self.period_s = resolve_period(found_s, settings, notes, n_volumes=len(indices))

    @property
    def has_times(self) -> bool:
        """Whether times are those of the file."""
        return self._listed_s is not None or self._is_in_frames

    def slice_times_s(self, index: int) -> NDArray[np.float64]:
        """Return the times of the slices of a volume, shape `(n_z,)`, in s."""
        if not self.has_times:
            return even_slice_times(index * self.period_s, self._layout.n_z, self.period_s)
        times_s = self._frame_times_s(self._layout.frames(index))
        if self._is_swept_evenly:
            return even_slice_times(float(np.nanmin(times_s)), self._layout.n_z, self.period_s)
        return _filled(times_s)

    def _find_times(self, indices: Sequence[int], notes: list[str]) -> None:
        listed_ms = self._chunks.frame_times_ms()
        is_present = self._chunks.frame_offsets >= 0
        if listed_ms is not None and len(listed_ms) >= len(is_present):
            times_s = listed_ms[: len(is_present)] * _S_PER_MS
            if are_times(times_s[is_present]):
                self._listed_s = times_s
        if self._listed_s is None:
            probed = [self._layout.frames(index) for index in indices[:_N_PROBED_VOLUMES]]
            frames = np.sort(np.concatenate(probed))
            times_s = self._times_in_frames_s(frames)
            self._is_in_frames = are_times(times_s[~np.isnan(times_s)])
        if not self.has_times:
            notes.append(
                "The frame times in the file are missing or cannot be true (constant or jumping"
                " back); slices are spread evenly over the period."
            )
            return
        first_s = self._frame_times_s(self._layout.frames(indices[0]))
        is_constant = bool(np.nanmax(first_s) <= np.nanmin(first_s))
        self._is_swept_evenly = is_constant and len(indices) > 1
        if self._is_swept_evenly:
            notes.append(
                "All slices of a volume carry the same time; they are spread evenly over the"
                " period."
            )

    def _found_period(self, indices: Sequence[int]) -> float | None:
        if not self.has_times:
            return None
        if len(indices) == 1:
            times_s = _filled(self._frame_times_s(self._layout.frames(indices[0])))
            n_z = len(times_s)
            return float((times_s[-1] - times_s[0]) * n_z / (n_z - 1))
        few = indices if self._listed_s is not None else indices[:_N_PROBED_VOLUMES]
        starts_s = [np.nanmin(self._frame_times_s(self._layout.frames(index))) for index in few]
        return float(np.median(np.diff(starts_s) / np.diff(few)))

    def _frame_times_s(self, frames: NDArray[np.int64]) -> NDArray[np.float64]:
        """Return times of frames; NaN where the file lacks the frame."""
        if self._listed_s is None:
            return self._times_in_frames_s(frames)
        times_s = np.full(len(frames), np.nan)
        is_present = self._is_present(frames)
        times_s[is_present] = self._listed_s[frames[is_present]]
        return times_s

    def _times_in_frames_s(self, frames: NDArray[np.int64]) -> NDArray[np.float64]:
        times_s = np.full(len(frames), np.nan)
        for position in np.flatnonzero(self._is_present(frames)):
            times_s[position] = self._chunks.frame_time_ms(int(frames[position])) * _S_PER_MS
        return times_s

    def _is_present(self, frames: NDArray[np.int64]) -> NDArray[np.bool_]:
        offsets = self._chunks.frame_offsets
        is_present = frames < len(offsets)
        is_present[is_present] = offsets[frames[is_present]] >= 0
        return is_present


def _filled(times_s: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the times with those of missing slices put in line with their neighbors."""
    is_known = ~np.isnan(times_s)
    if is_known.all():
        return times_s
    slices = np.arange(len(times_s))
    return np.interp(slices, slices[is_known], times_s[is_known])
