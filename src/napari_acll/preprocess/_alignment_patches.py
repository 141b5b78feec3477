"""Refinement of the channel alignment on small patches around nuclei.

Two channels differ in how bright each nucleus is. A correlation of whole images is then pulled
toward neighbors that are bright in one channel and dark in the other. Here each nucleus has its
own brightness ratio and offset, both fitted away, and the rotation and shift are fitted to the
displacements of all nuclei such that those which disagree carry no weight.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from napari_acll.core import ChannelAlignment, VoxelGrid
from napari_acll.preprocess._alignment_images import FloatArray, SlabImages

Float64Array = NDArray[np.float64]

PATCH_RADIUS_UM = 2.16
WINDOW_UM = 0.97
MIN_NUCLEI = 8
MIN_EXPLAINED = 0.3
DERIVATIVE_STEP_PX = 0.5
MAX_ITERATIONS = 12
MAX_SCORE_LOSS = 0.03
OUTLIER_DEVIATIONS = 3.0
PAD_PX = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class PatchPairs:
    """Nuclei of the marker channel, and the activity channel around them, of one volume.

    Parameters
    ----------
    slab : ndarray of int, shape (n,)
        Slab of each nucleus.
    center_px : ndarray of float64, shape (n, 2)
        `(y, x)` of each nucleus in pixels of `grid`.
    offset_px : ndarray of float64, shape (m, 2)
        `(y, x)` of the pixels of a patch, from its middle.
    window : ndarray of float64, shape (m,)
        Weight of the pixels of a patch.
    marker : ndarray of float64, shape (n, m)
        Band-passed marker counts.
    sheet : ndarray of float32, shape (slabs * height, width)
        Spline coefficients of the band-passed activity slabs, one below the other.
    sheet_start_px : tuple of int
        `(y, x)` of the first pixel of each slab in the sheet, in pixels of `grid`.
    sheet_height_px : int
        Rows per slab, an empty margin included.
    noise : float
        Standard deviation of the activity where there is nothing, in counts.
    grid : VoxelGrid
        Where the pixels of the slabs lie in the recording.
    """

    slab: NDArray[np.intp]
    center_px: Float64Array
    offset_px: Float64Array
    window: Float64Array
    marker: Float64Array
    sheet: FloatArray
    sheet_start_px: tuple[int, int]
    sheet_height_px: int
    noise: float
    grid: VoxelGrid

    def activity(self, y_px: Float64Array, x_px: Float64Array) -> Float64Array:
        """Return band-passed activity, `(n, m)`, at positions of `grid`; 0 outside of it."""
        top, left = self.sheet_start_px
        inside = np.clip(y_px - top, -PAD_PX / 2, self.sheet_height_px - 1.5 * PAD_PX)
        row = inside + PAD_PX / 2 + (self.slab * self.sheet_height_px)[:, None]
        sampled: Float64Array = ndimage.map_coordinates(
            self.sheet, [row, x_px - left], order=3, prefilter=False, output=np.float64
        )
        return sampled


@dataclass(frozen=True, slots=True, kw_only=True)
class Displacements:
    """How far each nucleus still lies from where an alignment puts it.

    Parameters
    ----------
    lever_um : ndarray of float64, shape (n, 2)
        Place of the nucleus in the activity channel before the shift, from the frame's center.
    moved_um : ndarray of float64, shape (n, 2)
        What is missing to the right place, `(y, x)`.
    precision : ndarray of float64, shape (n, 2, 2)
        Inverse covariance of `moved_um`.
    """

    lever_um: Float64Array
    moved_um: Float64Array
    precision: Float64Array


@dataclass(frozen=True, slots=True, kw_only=True)
class RefinedAlignment:
    """Result of a refinement.

    Parameters
    ----------
    alignment : ChannelAlignment
        Rotation and shift; nothing else is set.
    score : float
        Correlation of the two channels over all patches, -1 to 1.
    n_nuclei : int
        Nuclei that are visible in both channels.
    """

    alignment: ChannelAlignment
    score: float
    n_nuclei: int


def patch_pairs(marker: SlabImages, activity: SlabImages, *, margin_um: float) -> PatchPairs:
    """Return the nuclei of the marker and the part of the activity channel that they may lie in.

    Parameters
    ----------
    marker, activity : SlabImages
        Both channels of one volume.
    margin_um : float
        How far beyond the nuclei the activity channel is kept, in um.
    """
    grid = marker.grid
    offset = _patch_offsets(grid)
    reach = offset.max(axis=0)
    peaks = marker.peaks
    last = np.array(grid.shape[1:]) - 1 - reach
    peaks = peaks[((peaks[:, 1:] >= reach) & (peaks[:, 1:] <= last)).all(axis=1)]
    at = peaks[:, 1:, None] + offset.T[None]
    sheet, start, height = _sheet(activity, peaks, margin_um)
    return PatchPairs(
        slab=peaks[:, 0],
        center_px=peaks[:, 1:].astype(np.float64),
        offset_px=offset.astype(np.float64),
        window=_window(offset, grid),
        marker=marker.images[peaks[:, :1], at[:, 0], at[:, 1]].astype(np.float64),
        sheet=sheet,
        sheet_start_px=start,
        sheet_height_px=height,
        noise=activity.noise,
        grid=grid,
    )


def _patch_offsets(grid: VoxelGrid) -> NDArray[np.intp]:
    _, size_y, size_x = grid.voxel_size_um
    reach_y, reach_x = (max(1, round(PATCH_RADIUS_UM / size)) for size in (size_y, size_x))
    y, x = np.mgrid[-reach_y : reach_y + 1, -reach_x : reach_x + 1]
    return np.stack([y.ravel(), x.ravel()], axis=1)


def _window(offset: NDArray[np.intp], grid: VoxelGrid) -> Float64Array:
    size = np.array(grid.voxel_size_um[1:])
    window: Float64Array = np.exp(-0.5 * ((offset * size / WINDOW_UM) ** 2).sum(axis=1))
    return window


def _sheet(
    activity: SlabImages, peaks: NDArray[np.intp], margin_um: float
) -> tuple[FloatArray, tuple[int, int], int]:
    """Return spline coefficients of the slabs around the nuclei, one below the other."""
    _, height, width = activity.images.shape
    margin = np.ceil(margin_um / np.array(activity.grid.voxel_size_um[1:])).astype(int)
    first, last = np.zeros(2, int), np.array([height, width]) - 1
    if len(peaks):
        first = np.maximum(first, peaks[:, 1:].min(axis=0) - margin)
        last = np.minimum(last, peaks[:, 1:].max(axis=0) + margin)
    part = activity.images[:, first[0] : last[0] + 1, first[1] : last[1] + 1]
    padded = np.pad(part, ((0, 0), (PAD_PX // 2, PAD_PX // 2), (0, 0)))
    sheet = padded.reshape(-1, padded.shape[2])
    coefficients: FloatArray = ndimage.spline_filter(sheet, order=3, output=np.float32)
    return coefficients, (int(first[0]), int(first[1])), padded.shape[1]


def refine(pairs: list[PatchPairs], start: ChannelAlignment) -> RefinedAlignment | None:
    """Return the alignment that fits the nuclei of one or several volumes best.

    Parameters
    ----------
    pairs : list of PatchPairs
        The volumes.
    start : ChannelAlignment
        An alignment within about two pixels of the right one.

    Returns
    -------
    RefinedAlignment or None
        None if fewer than 8 nuclei are visible in both channels, or if the fit runs away from
        where the channels agree.
    """
    alignment, n_nuclei = start, 0
    for _ in range(MAX_ITERATIONS):
        found = _joined([displacements(pair, alignment) for pair in pairs])
        n_nuclei = len(found.moved_um)
        if n_nuclei < MIN_NUCLEI:
            return None
        step = robust_step(found)
        alignment = _stepped(alignment, step)
        if np.abs(step[:2]).max() < 1e-3 and abs(step[2]) < 1e-5:
            break
    reached = score(pairs, alignment)
    if reached < score(pairs, start) - MAX_SCORE_LOSS:
        return None
    return RefinedAlignment(alignment=alignment, score=reached, n_nuclei=n_nuclei)


def _stepped(alignment: ChannelAlignment, step: Float64Array) -> ChannelAlignment:
    return ChannelAlignment(
        dy_um=alignment.dy_um + float(step[0]),
        dx_um=alignment.dx_um + float(step[1]),
        theta_deg=alignment.theta_deg + float(np.rad2deg(step[2])),
    )


def displacements(pair: PatchPairs, alignment: ChannelAlignment) -> Displacements:
    """Return the remaining displacement of each nucleus that is visible in both channels.

    Around a nucleus the activity is `gain * marker + offset`, moved by a small displacement: a
    linear problem in four unknowns. The gain and the offset are the nucleus's own.
    """
    y, x = _places(pair, alignment)
    h = DERIVATIVE_STEP_PX
    activity = pair.activity(y, x)
    slope_y = (pair.activity(y + h, x) - pair.activity(y - h, x)) / (2 * h)
    slope_x = (pair.activity(y, x + h) - pair.activity(y, x - h)) / (2 * h)
    columns = np.stack([pair.marker, np.ones_like(activity), -slope_y, -slope_x], axis=2)
    normal = np.einsum("pmi,m,pmj->pij", columns, pair.window, columns)
    normal += 1e-9 * np.trace(normal, axis1=1, axis2=2)[:, None, None] * np.eye(
        4
    ) + 1e-12 * np.eye(4)
    inverse = np.linalg.inv(normal)
    right = np.einsum("pmi,m,pm->pi", columns, pair.window, activity)
    solution = np.einsum("pij,pj->pi", inverse, right)
    residual = activity - np.einsum("pmi,pi->pm", columns, solution)
    unexplained = (residual**2) @ pair.window
    total = (activity - (activity @ pair.window)[:, None] / pair.window.sum()) ** 2 @ pair.window
    is_seen = (solution[:, 0] > 0) & (unexplained < (1 - MIN_EXPLAINED) * total)
    # What all patches of a camera share at least; without it the faintest specks, which a few
    # counts explain, would count as much as bright nuclei.
    own = unexplained / pair.window.sum()
    shared = float(np.median(own[is_seen])) if is_seen.any() else 0.0
    variance = own + max(0.3 * shared, 0.1 * pair.noise**2)
    covariance = inverse[:, 2:, 2:] * variance[:, None, None]
    size = np.array(pair.grid.voxel_size_um[1:])
    precision = np.linalg.inv(covariance[is_seen] * np.outer(size, size))
    return Displacements(
        lever_um=_levers_um(pair, alignment)[is_seen],
        moved_um=solution[is_seen, 2:] * size,
        precision=precision,
    )


def _places(pair: PatchPairs, alignment: ChannelAlignment) -> tuple[Float64Array, Float64Array]:
    at = pair.center_px[:, None, :] + pair.offset_px
    return alignment.to_activity_px(at[..., 0], at[..., 1], grid=pair.grid)


def _levers_um(pair: PatchPairs, alignment: ChannelAlignment) -> Float64Array:
    turn = ChannelAlignment(theta_deg=alignment.theta_deg)
    y, x = turn.to_activity_px(pair.center_px[:, 0], pair.center_px[:, 1], grid=pair.grid)
    center_y, center_x = pair.grid.frame_center_px()
    _, size_y, size_x = pair.grid.voxel_size_um
    return np.stack([(y - center_y) * size_y, (x - center_x) * size_x], axis=1)


def _joined(found: list[Displacements]) -> Displacements:
    return Displacements(
        lever_um=np.concatenate([one.lever_um for one in found]),
        moved_um=np.concatenate([one.moved_um for one in found]),
        precision=np.concatenate([one.precision for one in found]),
    )


def robust_step(found: Displacements) -> Float64Array:
    """Return the change of `(dy, dx, theta)` in um and radians that fits most displacements.

    Iteratively reweighted least squares with Tukey's biweight: a nucleus whose displacement is
    off by more than three robust deviations, such as one beside a bright neighbor, counts
    nothing. No nucleus counts more than the sharpest third does.
    """
    weight = np.sqrt(np.linalg.det(found.precision))
    capped = np.minimum(1.0, np.percentile(weight, 70) / np.maximum(weight, 1e-12))
    precision = found.precision * capped[:, None, None]
    slope = np.zeros((len(weight), 2, 3))
    slope[:, 0, 0] = slope[:, 1, 1] = 1.0
    slope[:, 0, 2], slope[:, 1, 2] = found.lever_um[:, 1], -found.lever_um[:, 0]
    step = np.zeros(3)
    for _ in range(6):
        distance = np.hypot(*(found.moved_um - slope @ step).T)
        limit = OUTLIER_DEVIATIONS * 1.2 * float(np.median(distance)) + 0.01
        biweight = (1 - np.minimum(distance / limit, 1.0) ** 2) ** 2
        weighted = precision * biweight[:, None, None]
        normal = np.einsum("pia,pij,pjb->ab", slope, weighted, slope)
        right = np.einsum("pia,pij,pj->a", slope, weighted, found.moved_um)
        step = np.linalg.lstsq(normal, right, rcond=None)[0]
    return step


def score(pairs: list[PatchPairs], alignment: ChannelAlignment) -> float:
    """Return the mean over volumes of the correlation of both channels around the nuclei.

    Square roots are correlated, so that no nucleus decides it alone.
    """
    return float(np.mean([_correlation(pair, alignment) for pair in pairs]))


def _correlation(pair: PatchPairs, alignment: ChannelAlignment) -> float:
    activity = pair.activity(*_places(pair, alignment))
    a, b = (np.sign(image) * np.sqrt(np.abs(image)) for image in (pair.marker, activity))
    window = np.broadcast_to(pair.window, a.shape)
    a = a - np.average(a, weights=window)
    b = b - np.average(b, weights=window)
    power = np.average(a**2, weights=window) * np.average(b**2, weights=window)
    return float(np.average(a * b, weights=window) / np.sqrt(power)) if power > 0 else 0.0
