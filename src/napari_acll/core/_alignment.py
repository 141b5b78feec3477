"""How the activity channel lies against the marker channel."""

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
