"""The trace engine: what a careful pipeline would do, in the time that a volume has."""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from napari_acll.core import (
    ChannelAlignment,
    LabeledVolume,
    NeuronTable,
    TraceFlag,
    TraceSample,
    TraceSettings,
    Volume,
)
from napari_acll.trace._camera_noise import CameraNoise
from napari_acll.trace._centers import mask_centers
from napari_acll.trace._footprints import (
    FOOTPRINT_SIGMA_UM,
    FootprintLight,
    fit_footprints,
)
from napari_acll.trace._impulses import Impulses
from napari_acll.trace._light_correction import LightCorrection
from napari_acll.trace._marker_memory import MarkerMemory
from napari_acll.trace._ratio_noise import RatioNoise
from napari_acll.trace._sampling import InstanceSums, affine_to_activity, labeled_voxels
from napari_acll.trace._values import empty_sample, fill_raw, named_rows, sums_of

Floats = NDArray[np.float64]

_LEAST_SEEN = 0.25
"""Of a footprint; of a neuron of which less was recorded, the mask tells more."""
_WHOLE = 0.95
_FAR_APART = 0.12
"""SD of the footprint between the centers of light of both channels, from which on light of other
nuclei is taken to be there; on virtual animals, 3 to 5 % of the samples, with half of the
outliers."""
_NOISE_APART = 1.5
"""Square of that distance that noise alone makes, over the relative variance of both heights: half
of it along each axis."""
_NOISE_TIMES = 3.0


@dataclass(frozen=True, slots=True, kw_only=True)
class EngineParts:
    """Which parts of the engine are at work; all but for measuring what each one buys.

    Parameters
    ----------
    fits_footprints : bool
        Whether light is measured with footprints; else means over the masks are taken.
    remembers_marker : bool
        Whether the denominator also rests on the past.
    """

    fits_footprints: bool = True
    remembers_marker: bool = True


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Seen:
    """What a labeled volume shows of its detections, before anything that is remembered.

    Parameters
    ----------
    to_activity : ndarray of float64, shape (2, 3)
        What `affine_to_activity` says of the alignment.
    sums : InstanceSums
        Of the masks of all detections.
    rows : ndarray of int, shape (k,)
        Detections that have a name.
    into : ndarray of int, shape (k,)
        The neurons that these are, as rows of a sample.
    center_px : ndarray of float64, shape (n, 3)
        Centers of all detections, in voxels.
    light : FootprintLight
        Of all detections.
    """

    to_activity: Floats
    sums: InstanceSums
    rows: NDArray[np.intp]
    into: NDArray[np.integer]
    center_px: Floats
    light: FootprintLight


class EngineTraceEstimator:
    """Takes ratios with footprints and a denominator that rests on the past, too.

    See the explanation of traces for each step. It is causal. What it has learned (usual markers,
    noise, light) is not saved: after `acll resume` it begins as in a new recording, with plain
    ratios, and is as good as before within half a minute. A volume that is not newer than the
    newest, as one that is labeled later, is measured with what is known, and teaches nothing; nor
    does one without names.

    Parameters
    ----------
    neurons : NeuronTable
        The neurons of the model, which decide the rows.
    settings : TraceSettings
        Least marker, and whether changes of the light are corrected.
    parts : EngineParts
        All by default.
    """

    def __init__(
        self, neurons: NeuronTable, settings: TraceSettings, *, parts: EngineParts | None = None
    ) -> None:
        n = len(neurons)
        self._n_neurons = n
        self._settings = settings
        self._parts = parts or EngineParts()
        self._newest = -1
        self._memory = MarkerMemory(n)
        self._light = LightCorrection(n)
        self._impulses = Impulses(n)
        self._noise = RatioNoise(n)
        self._marker_noise, self._activity_noise = CameraNoise(), CameraNoise()

    def estimate(
        self, volume: Volume, labeled: LabeledVolume, alignment: ChannelAlignment
    ) -> TraceSample:
        """Return one value of each kind for every neuron of the model.

        Parameters
        ----------
        volume : Volume
            Raw counts, with the background of both channels measured.
        labeled : LabeledVolume
            The instances and names of the same volume.
        alignment : ChannelAlignment
            Where the activity channel lies.

        Returns
        -------
        TraceSample
            NaN where a neuron is absent; all NaN, and `UNLABELABLE`, where the volume was unfit.
            `activity` and `marker` are the heights of the footprints, in counts above background,
            or means over the mask where the footprint has no marker light of its own; the sums
            are raw ones over the masks.

        Raises
        ------
        ValueError
            If the labels are of another shape than the volume.
        """
        sample = empty_sample(volume, labeled, self._n_neurons)
        if not labeled.is_labelable:
            return sample
        seen = _seen(volume, labeled, alignment)
        fill_raw(sample, volume, labeled, seen.sums, seen.rows)
        is_newer = volume.index > self._newest and len(seen.rows) > 0
        self._learn_noise(volume, seen, is_kept=is_newer)  # first: flags and SDs rest on it
        variance_gain = self._fill_fitted(sample, seen)
        return self._with_ratios(sample, variance_gain, is_newer=is_newer)

    def _fill_fitted(self, sample: TraceSample, seen: _Seen) -> Floats:
        """Write heights of footprints over means of masks, and flags; return variance gains."""
        rows, into, light = seen.rows, seen.into, seen.light
        is_fitted = self._is_fitted(light)[rows]
        fitted = into[is_fitted]
        sample.marker[fitted] = light.marker[rows][is_fitted]
        sample.activity[fitted] = light.activity[rows][is_fitted]
        sample.flags[into] |= self._spatial_flags(light)[rows]
        of_means = 1.0 / seen.sums.n_voxels[rows]
        variance_gain = np.full(self._n_neurons, np.nan)
        variance_gain[into] = np.where(is_fitted, light.variance_gain[rows], of_means)
        return variance_gain

    def _is_fitted(self, light: FootprintLight) -> NDArray[np.bool_]:
        """Return where footprints tell more than the means over the masks."""
        is_there = (light.marker >= self._settings.min_marker_counts) & (light.seen >= _LEAST_SEEN)
        return np.asarray(is_there & self._parts.fits_footprints, np.bool_)

    def _spatial_flags(self, light: FootprintLight) -> NDArray[np.uint8]:
        """Return where other nuclei's light is, and where a part of the own was not recorded."""
        of_marker = self._marker_noise.relative(light.marker)
        of_activity = self._activity_noise.relative(light.activity)
        by_noise = _NOISE_APART * light.variance_gain * (of_marker + of_activity)
        is_mixed = light.apart**2 > _FAR_APART**2 + _NOISE_TIMES * by_noise
        overlapped = np.where(is_mixed, TraceFlag.OVERLAPPED, 0)
        cut_off = np.where(light.seen < _WHOLE, TraceFlag.CUT_OFF, 0)
        return np.asarray(overlapped + cut_off, np.uint8)

    def _learn_noise(self, volume: Volume, seen: _Seen, *, is_kept: bool) -> None:
        center_px, to_activity, missing_z = seen.center_px, seen.to_activity, volume.missing_z
        # what is not kept is done all the same: a blank volume then warms everything up
        of_marker = self._marker_noise if is_kept else CameraNoise()
        of_activity = self._activity_noise if is_kept else CameraNoise()
        of_marker.learn(
            volume.marker, center_px, background=volume.marker_background, missing_z=missing_z
        )
        moved_px = center_px.copy()
        moved_px[:, 1:] = center_px[:, 1:] @ to_activity[:, :2].T + to_activity[:, 2]
        of_activity.learn(
            volume.activity, moved_px, background=volume.activity_background, missing_z=missing_z
        )

    def _with_ratios(
        self, sample: TraceSample, variance_gain: Floats, *, is_newer: bool
    ) -> TraceSample:
        follows = sample.index == self._newest + 1
        marker, activity = sample.marker.astype(np.float64), sample.activity.astype(np.float64)
        has_marker = marker >= self._settings.min_marker_counts
        sample.flags[(sample.n_voxels > 0) & ~has_marker] |= np.uint8(TraceFlag.WEAK_MARKER)
        marker[~has_marker] = activity[~has_marker] = np.nan
        activity = np.maximum(activity, 0.0)
        below = self._memory.denominator(marker)
        own_weight = below.own_weight if self._parts.remembers_marker else np.ones(len(marker))
        plain = activity / (below.marker if self._parts.remembers_marker else marker)
        photon = self._photon_variance(marker, activity, variance_gain, own_weight)
        is_step = False
        if is_newer:
            self._newest = sample.index
            self._memory.learn(marker, activity, follows=follows)
            self._noise.learn(plain, photon, follows=follows)
            is_step = self._light.learn(plain, follows=follows)
        factor = self._light.factor if self._settings.corrects_light else 1.0
        ratio, sd = plain * factor, np.sqrt(self._noise.variance(plain, photon)) * factor
        is_impulse = self._impulses.judge(ratio, sd)
        if is_newer:
            self._impulses.learn(ratio)
        sample.ratio[:], sample.ratio_sd[:] = ratio, sd
        _set(sample, is_impulse, TraceFlag.IMPULSE)
        _set(sample, below.is_jump, TraceFlag.MARKER_JUMP)
        _set(sample, has_marker & is_step, TraceFlag.LIGHT_STEP)
        return replace(sample, light_factor=factor)

    def _photon_variance(
        self, marker: Floats, activity: Floats, variance_gain: Floats, own_weight: Floats
    ) -> Floats:
        """Return the variance of the plain ratio by the noise of the cameras."""
        of_activity = self._activity_noise.of_height(activity) * variance_gain
        of_marker = self._marker_noise.of_height(marker) * variance_gain
        ratio = activity / marker
        both: Floats = (of_activity + (own_weight * ratio) ** 2 * of_marker) / marker**2
        return both


def _seen(volume: Volume, labeled: LabeledVolume, alignment: ChannelAlignment) -> _Seen:
    to_activity = affine_to_activity(alignment, volume.spec.grid)
    voxels = labeled_voxels(labeled.instances)
    sums = sums_of(volume, labeled, voxels, to_activity)
    rows = named_rows(labeled, sums)
    center_px = mask_centers(volume, labeled, voxels)
    return _Seen(
        to_activity=to_activity,
        sums=sums,
        rows=rows,
        into=labeled.detections.neuron[rows] - 1,
        center_px=center_px,
        light=_light_of(volume, center_px, to_activity),
    )


def _light_of(volume: Volume, center_px: Floats, to_activity: Floats) -> FootprintLight:
    return fit_footprints(
        volume.marker,
        volume.activity,
        center_px,
        sigma_px=np.array(FOOTPRINT_SIGMA_UM) / volume.spec.voxel_size_um,
        background=(volume.marker_background, volume.activity_background),
        to_activity=to_activity,
        missing_z=volume.missing_z,
    )


def _set(sample: TraceSample, where: NDArray[np.bool_], flag: TraceFlag) -> None:
    sample.flags[where] |= np.uint8(flag)
