"""Volumes and the geometry that they share."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

VolumeArray: TypeAlias = NDArray[np.uint8] | NDArray[np.uint16] | NDArray[np.uint32]


@dataclass(frozen=True, slots=True, kw_only=True)
class VoxelGrid:
    """Where the voxels of a volume lie in the recording as stored.

    A grid is the result of a crop followed by binning; without either it is the stored frame
    itself. Positions are voxel centers, which lie at integers, in `(Z, Y, X)`.

    Parameters
    ----------
    shape : tuple of int
        `(Z, Y, X)` voxels of this grid.
    voxel_size_um : tuple of float
        `(Z, Y, X)` extent of one voxel of this grid, in um.
    stored_shape : tuple of int
        `(Z, Y, X)` voxels of the recording as stored.
    start_px : tuple of int
        First stored voxel of the crop along `(Z, Y, X)`.
    bin_px : tuple of int
        Stored voxels that one voxel of this grid sums along `(Z, Y, X)`.
    """

    shape: tuple[int, int, int]
    voxel_size_um: tuple[float, float, float]
    stored_shape: tuple[int, int, int]
    start_px: tuple[int, int, int] = (0, 0, 0)
    bin_px: tuple[int, int, int] = (1, 1, 1)

    @classmethod
    def as_stored(
        cls, shape: tuple[int, int, int], voxel_size_um: tuple[float, float, float]
    ) -> "VoxelGrid":
        """Return the grid of a recording that was neither cropped nor binned."""
        return cls(shape=shape, voxel_size_um=voxel_size_um, stored_shape=shape)

    def to_stored_px(self, position_px: NDArray[np.floating]) -> NDArray[np.float64]:
        """Return positions of this grid, `(..., 3)` in voxels, as stored voxels."""
        bin_px = np.asarray(self.bin_px, dtype=np.float64)
        start_px = np.asarray(self.start_px, dtype=np.float64)
        stored: NDArray[np.float64] = start_px + bin_px * position_px + (bin_px - 1) / 2
        return stored

    def from_stored_px(self, stored_px: NDArray[np.floating]) -> NDArray[np.float64]:
        """Return stored positions, `(..., 3)` in voxels, as positions of this grid."""
        bin_px = np.asarray(self.bin_px, dtype=np.float64)
        start_px = np.asarray(self.start_px, dtype=np.float64)
        position: NDArray[np.float64] = (stored_px - start_px - (bin_px - 1) / 2) / bin_px
        return position

    def stored_voxel_size_um(self) -> tuple[float, float, float]:
        """Return the `(Z, Y, X)` extent of one stored voxel, in um."""
        z, y, x = (size / n for size, n in zip(self.voxel_size_um, self.bin_px, strict=True))
        return z, y, x

    def frame_center_px(self) -> tuple[float, float]:
        """Return the `(y, x)` center of the full stored frame in voxels of this grid.

        The center of a frame of `n` pixels lies at `(n - 1) / 2`.
        """
        center = [(n - 1) / 2 for n in self.stored_shape]
        _, y, x = self.from_stored_px(np.asarray(center))
        return float(y), float(x)


@dataclass(frozen=True, slots=True, kw_only=True)
class VolumeSpec:
    """What all volumes of one recording share.

    Parameters
    ----------
    grid : VoxelGrid
        Shape, voxel size and place in the recording as stored.
    period_s : float
        Time from one volume to the next, in s.
    marker_name, activity_name : str
        Names of the two channels, as the recording gives them.
    n_volumes : int, optional
        Number of volumes that the recording says it holds; None while unknown.
    """

    grid: VoxelGrid
    period_s: float
    marker_name: str = "marker"
    activity_name: str = "activity"
    n_volumes: int | None = None

    @classmethod
    def from_json(cls, content: Mapping[str, Any]) -> "VolumeSpec":
        """Return the geometry that stands in the header of a session.

        Raises
        ------
        KeyError, TypeError, AttributeError
            If that is no geometry.
        """
        grid = {name: tuple(values) for name, values in content["grid"].items()}
        return cls(**{**content, "grid": VoxelGrid(**grid)})

    @property
    def shape(self) -> tuple[int, int, int]:
        """`(Z, Y, X)` voxels."""
        return self.grid.shape

    @property
    def voxel_size_um(self) -> tuple[float, float, float]:
        """`(Z, Y, X)` extent of one voxel, in um."""
        return self.grid.voxel_size_um

    def with_grid(self, grid: VoxelGrid) -> "VolumeSpec":
        """Return the same recording on another grid."""
        return replace(self, grid=grid)


@dataclass(frozen=True, slots=True, kw_only=True)
class Volume:
    """Both channels of one timepoint.

    Parameters
    ----------
    index : int
        Number of the volume in the recording, from 0, as the microscope counted it. Never
        renumbered: a gap is a lost volume.
    timestamp_s : float
        Time at which the first slice was taken, in s from the start of the recording.
    marker, activity : ndarray of unsigned int, shape (Z, Y, X)
        Raw counts of the reference and the signal channel. They may be views of one array in which
        the channels of a pixel lie side by side.
    spec : VolumeSpec
        Geometry shared by all volumes of the recording.
    slice_times_s : ndarray of float64, shape (Z,)
        Time at which each slice was taken, in s from the start of the recording.
    missing_z : tuple of int
        Slices that the recording lacks; they are filled with zeros.
    marker_background, activity_background : float
        Background counts per voxel that have *not* been subtracted yet; 0 until measured.
    seen_s : float
        `time.perf_counter` when its last slice was there, in s; NaN if nobody noticed, as in a
        replay.
    """

    index: int
    timestamp_s: float
    marker: VolumeArray
    activity: VolumeArray
    spec: VolumeSpec
    slice_times_s: NDArray[np.float64]
    missing_z: tuple[int, ...] = field(default=())
    marker_background: float = 0.0
    activity_background: float = 0.0
    seen_s: float = float("nan")
