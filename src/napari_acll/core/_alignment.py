"""How the activity channel lies against the marker channel."""

import math
from dataclasses import dataclass
from enum import StrEnum
from typing import Self

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field

from napari_acll.core._volume import VoxelGrid


class AlignmentOrigin(StrEnum):
    """Where an alignment comes from."""

    CALIBRATED = "calibrated"
    """Estimated on this recording."""
    LOADED = "loaded"
    """Given by the user as a file."""
    LAST_OF_RIG = "last_of_rig"
    """The last trusted one of this rig, because this recording gave none."""
    MANUAL = "manual"
    """Another one that was moved by hand, on sight."""
    IDENTITY = "identity"
    """No alignment at all, because there was nothing better."""


class ChannelAlignment(BaseModel):
    """In-plane rotation and shift of the activity channel against the marker channel.

    With `p` the `(y, x)` position of a point in the marker channel, in um from the center of the
    full camera frame, the same point lies in the activity channel at::

        q = R(theta) p + (dy_um, dx_um)
        R(theta) = [[cos, sin], [-sin, cos]]    acting on (y, x)

    Being in um about the center of the full frame, an alignment holds for any crop and binning.
    A positive `theta_deg` turns the +x axis toward +y.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    dy_um: float = Field(0.0, description="Shift of the activity channel along y, in um.")
    dx_um: float = Field(0.0, description="Shift of the activity channel along x, in um.")
    theta_deg: float = Field(0.0, description="Rotation about the center of the frame, degrees.")
    score: float | None = Field(
        None, description="Agreement of the aligned channels, 0 (none) to 1; None if not measured."
    )
    spread_um: float | None = Field(
        None,
        description="Robust spread of the shift over the calibration volumes, in um, at the edge"
        " of the frame; None if not measured.",
    )
    n_volumes: int = Field(0, ge=0, description="Calibration volumes that the estimate rests on.")
    origin: AlignmentOrigin = Field(AlignmentOrigin.IDENTITY, description="Where it comes from.")
    is_trusted: bool = Field(False, description="Whether the estimate passed its own checks.")
    note: str = Field("", description="Why it is not trusted, or where it was loaded from.")

    @classmethod
    def identity(cls, note: str = "") -> Self:
        """Return the alignment that moves nothing; it is not a trusted one."""
        return cls(note=note)

    def to_activity_px(
        self, y_px: NDArray[np.floating], x_px: NDArray[np.floating], *, grid: VoxelGrid
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return where points of the marker channel lie in the activity channel.

        Parameters
        ----------
        y_px, x_px : ndarray of float
            Positions in the marker channel, in voxels of `grid`.
        grid : VoxelGrid
            The grid of both channels.

        Returns
        -------
        tuple of ndarray of float64
            `y` and `x` in voxels of `grid`; they may lie outside of it.
        """
        center_y, center_x = grid.frame_center_px()
        _, size_y, size_x = grid.voxel_size_um
        y_um = (np.asarray(y_px, np.float64) - center_y) * size_y
        x_um = (np.asarray(x_px, np.float64) - center_x) * size_x
        cos, sin = np.cos(np.deg2rad(self.theta_deg)), np.sin(np.deg2rad(self.theta_deg))
        moved_y = (cos * y_um + sin * x_um + self.dy_um) / size_y + center_y
        moved_x = (-sin * y_um + cos * x_um + self.dx_um) / size_x + center_x
        return moved_y, moved_x

    def middle_shift_um(self, grid: VoxelGrid) -> tuple[float, float]:
        """Return by how much the middle of a grid is shifted, `(y, x)` in um.

        Unlike `dy_um` and `dx_um` it hardly depends on the angle where the grid is a crop that
        lies beside the center of the frame.
        """
        middle = _middle_um(grid)
        moved = _rotation(self.theta_deg) @ middle + np.array([self.dy_um, self.dx_um]) - middle
        return float(moved[0]), float(moved[1])

    def nudged(self, *, y_um: float, x_um: float, turn_deg: float, grid: VoxelGrid) -> Self:
        """Return the alignment under which the activity, laid over the marker, appears moved.

        The picture of the activity channel turns about the middle of `grid` and then moves::

            p' = m + s + R(turn) (p - m)

        so that a place `p` at which something was seen before becomes `p'`. The order of several
        nudges does not matter if their sums are given.

        Parameters
        ----------
        y_um, x_um : float
            How far the picture moves, in um.
        turn_deg : float
            How far it turns, in degrees; positive turns +x toward +y.
        grid : VoxelGrid
            What is looked at; it turns about the middle of this.

        Returns
        -------
        ChannelAlignment
            Its origin is `manual`, its note says from what it was moved and how far. It is not
            trusted, and has neither score nor spread: no check vouches for it.
        """
        middle = _middle_um(grid)
        before, after = _rotation(self.theta_deg), _rotation(self.theta_deg - turn_deg)
        shift = np.array([self.dy_um, self.dx_um])
        shift = shift + before @ middle - after @ (middle + np.array([y_um, x_um]))
        note = (
            f"Moved by hand from the {self.origin.value.replace('_', ' ')} alignment: y"
            f" {y_um:+.2f} um, x {x_um:+.2f} um, turned by {turn_deg:+.2f} degrees."
        )
        return type(self)(
            dy_um=float(shift[0]),
            dx_um=float(shift[1]),
            theta_deg=self.theta_deg - turn_deg,
            n_volumes=self.n_volumes,
            origin=AlignmentOrigin.MANUAL,
            note=f"{note} {self.note}".strip(),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class ChannelDrift:
    """How far the channels of a volume lie from where an alignment puts them.

    Parameters
    ----------
    index : int
        Number of the volume in the recording.
    dy_um, dx_um : float
        Where the activity channel lies beyond the alignment, in um.
    agreement : float
        Correlation of both channels around the nuclei at that place, -1 to 1.
    n_nuclei : int
        Nuclei on which it was measured.
    """

    index: int
    dy_um: float
    dx_um: float
    agreement: float
    n_nuclei: int

    @property
    def distance_um(self) -> float:
        """Length of the shift, in um."""
        return math.hypot(self.dy_um, self.dx_um)


def _rotation(theta_deg: float) -> NDArray[np.float64]:
    """Return `R(theta)`, which acts on (y, x)."""
    cos, sin = np.cos(np.deg2rad(theta_deg)), np.sin(np.deg2rad(theta_deg))
    return np.array([[cos, sin], [-sin, cos]])


def _middle_um(grid: VoxelGrid) -> NDArray[np.float64]:
    """Return the middle of a grid as (y, x) in um from the center of the full frame."""
    _, height, width = grid.shape
    middle_px = (np.array([height, width]) - 1) / 2 - np.array(grid.frame_center_px())
    middle_um: NDArray[np.float64] = middle_px * np.array(grid.voxel_size_um[1:])
    return middle_um
