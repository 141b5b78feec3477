"""Settings of the recording and of how it is followed."""

from typing import Self

from pydantic import Field, model_validator

from napari_acll.core._settings_base import Settings


class LiveSettings(Settings):
    """How a recording is followed while the microscope writes it."""

    is_live: bool = Field(
        False,
        description="Follow the recording while it is being written, instead of replaying a"
        " finished one.",
    )
    takes_existing: bool = Field(
        False,
        description="Also take what was there before; else the source is armed: it ignores"
        " that and takes what appears next.",
    )
    poll_ms: float = Field(
        3.0, ge=0.5, le=1000, description="Time between two looks for something new, in ms."
    )
    start_timeout_s: float = Field(
        600.0,
        gt=0,
        description="How long the first volume is waited for, in s: an armed source starts"
        " before the microscope does.",
    )
    idle_timeout_s: float = Field(
        30.0,
        gt=0,
        description="Silence after which the recording is taken to be over, in s; above the"
        " longest pause between two volumes.",
    )
    settle_ms: float = Field(
        30.0,
        ge=0,
        description="How long a file must stand still to be taken as complete, in ms; an ND2"
        " file is complete when its end mark is there.",
    )
    reorder_ms: float = Field(
        500.0,
        ge=0,
        description="How long a missing volume is waited for once a later one is complete, in"
        " ms; then it is lost.",
    )
    retry_timeout_s: float = Field(
        5.0,
        gt=0,
        description="How long a volume that is there but unfinished or unreadable is tried"
        " again, in s; then it is lost.",
    )
    frame_size_px: tuple[int, int] | None = Field(
        None,
        description="(Y, X) rows and columns of a frame of a growing ND2 file, which tells them"
        " at its end only; None: as the camera was set, or had in recordings before, if the"
        " length of a frame agrees.",
    )
    expected_shape_px: tuple[int, int, int] | None = Field(
        None,
        description="(Z, Y, X) voxels of the volumes to come, so that the model is warm before"
        " the first one; None: as in the last live recording of this kind.",
    )
    next_file_timeout_s: float = Field(
        0.0,
        ge=0,
        description="How long after the end of an ND2 file the next one of a split recording is"
        " waited for (worm001.nd2, worm002.nd2), in s; 0: the recording is one file.",
    )


class SourceSettings(Settings):
    """How a recording is read."""

    marker_channel: int | None = Field(
        None,
        ge=0,
        description="Number of the marker channel, from 0; None: found by emission or"
        " name, else 1.",
    )
    activity_channel: int | None = Field(
        None,
        ge=0,
        description="Number of the activity channel, from 0; None: found by emission"
        " or name, else 0.",
    )
    n_z: int | None = Field(
        None, ge=1, description="Slices per volume of a recording that has only a time loop."
    )
    z_first: int = Field(
        0,
        ge=0,
        description="Frames before the first slice of the first volume, for a recording"
        " that has only a time loop.",
    )
    z_discard: int = Field(
        0,
        ge=0,
        description="Slices at the start of every volume that are left out (piezo"
        " flyback), for a recording that has only a time loop.",
    )
    axes: str | None = Field(
        None,
        pattern=r"^[TCZYX]{3,5}$",
        description="Order of the axes of an array, such as TCZYX; None: taken from the file.",
    )
    voxel_size_um: tuple[float, float, float] | None = Field(
        None, description="(Z, Y, X) voxel size as stored, in um; None: taken from the file."
    )
    period_s: float | None = Field(
        None, gt=0, description="Time between volumes, in s; None: taken from the file."
    )
    live: LiveSettings = Field(
        LiveSettings(), description="Following a recording while it is being written."
    )

    @model_validator(mode="after")
    def _channels_differ(self) -> Self:
        if self.marker_channel is not None and self.marker_channel == self.activity_channel:
            raise ValueError(
                f"Marker and activity are both channel {self.marker_channel}; they must differ."
            )
        return self
