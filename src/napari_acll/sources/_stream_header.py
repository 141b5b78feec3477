"""What a sender says about its volumes, the same for every kind of stream."""

from collections.abc import Mapping
from typing import Annotated, Literal, Self

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from napari_acll.core import RecordingError, SourceSettings, VolumeSpec, VoxelGrid
from napari_acll.sources._channels import ChannelChoice, ChannelInfo, choose_channels
from napari_acll.sources._geometry import even_slice_times, resolve_period, resolve_voxel_size

_Size = Annotated[int, Field(ge=1, le=1 << 16)]
_Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]


class StreamHeader(BaseModel):
    """Geometry and channels of a stream, as its sender gives them; unknown keys are ignored."""

    model_config = ConfigDict(frozen=True, extra="ignore", protected_namespaces=())

    shape: tuple[_Size, _Size, _Size]
    """`(Z, Y, X)` voxels as sent."""
    dtype: Literal["uint8", "uint16", "uint32"]
    channel_names: tuple[str, ...]
    voxel_size_um: tuple[_Positive, _Positive, _Positive] | None = None
    """`(Z, Y, X)` of a voxel as sent."""
    period_s: _Positive | None = None
    n_volumes: Annotated[int, Field(ge=1)] | None = None
    stored_shape: tuple[_Size, _Size, _Size] | None = None
    """`(Z, Y, X)` pixels of the camera's frames, if the sender crops or bins."""
    start_px: tuple[int, int, int] = (0, 0, 0)
    bin_px: tuple[_Size, _Size, _Size] = (1, 1, 1)

    @classmethod
    def parse(cls, text: bytes | Mapping[str, object], *, recording: str) -> Self:
        """Return the header that a sender wrote as JSON.

        Raises
        ------
        RecordingError
            If something is missing or impossible; `recording` stands in it.
        """
        try:
            if isinstance(text, bytes):
                return cls.model_validate_json(text)
            return cls.model_validate(text)
        except ValidationError as error:
            first = error.errors()[0]
            where = ".".join(str(part) for part in first["loc"]) or "the header"
            raise RecordingError(
                f"What the sender at {recording} says about its volumes is not valid"
                f" ({where}: {first['msg']}); use a sender of this version of napari-acll."
            ) from error

    @property
    def n_channel_bytes(self) -> int:
        """Bytes of one channel of one volume."""
        return int(np.prod(self.shape, dtype=np.int64)) * np.dtype(self.dtype).itemsize

    def choose(self, settings: SourceSettings, *, recording: str) -> ChannelChoice:
        """Return which channel is which.

        Raises
        ------
        RecordingError
            As `choose_channels`.
        """
        infos = [ChannelInfo(name) for name in self.channel_names]
        return choose_channels(infos, settings, recording=recording)

    def spec(
        self, settings: SourceSettings, choice: ChannelChoice, notes: list[str]
    ) -> VolumeSpec:
        """Return what all volumes share; `notes` gets a sentence for all that is assumed."""
        size_um = self.voxel_size_um or (None, None, None)
        return VolumeSpec(
            grid=VoxelGrid(
                shape=self.shape,
                voxel_size_um=resolve_voxel_size(size_um, settings, notes),
                stored_shape=self.stored_shape or self.shape,
                start_px=self.start_px,
                bin_px=self.bin_px,
            ),
            period_s=resolve_period(self.period_s, settings, notes, n_volumes=2),
            marker_name=self.channel_names[choice.marker],
            activity_name=self.channel_names[choice.activity],
            n_volumes=self.n_volumes,
        )


def complete_slice_times(
    times_s: NDArray[np.float64], start_s: float, period_s: float
) -> NDArray[np.float64]:
    """Return the times of the slices as sent, or spread evenly where a sender does not know them.

    Parameters
    ----------
    times_s : ndarray of float64, shape (Z,)
        As sent; one that is not finite makes all unknown.
    start_s : float
        Time of the first slice, in s.
    period_s : float
        Time between volumes, in s.
    """
    if np.isfinite(times_s).all() and (np.diff(times_s) >= 0).all():
        return times_s
    return even_slice_times(start_s, len(times_s), period_s)
