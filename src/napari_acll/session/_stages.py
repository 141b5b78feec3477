"""What a session needs of the stages that have no protocol in core."""

from typing import Protocol

from napari_acll.core import ChannelAlignment, Volume, VolumeSpec


class Preprocessing(Protocol):
    """Crops, bins and measures the background."""

    @property
    def spec(self) -> VolumeSpec:
        """Geometry of the result."""
        ...

    def apply(self, volume: Volume) -> Volume:
        """Return the volume as it is labeled."""
        ...


class Calibrator(Protocol):
    """Estimates the channel alignment from the first volumes."""

    @property
    def is_done(self) -> bool:
        """Whether it has seen enough."""
        ...

    def add(self, volume: Volume) -> None:
        """Look at one more volume; unusable ones do not count."""
        ...

    def result(self) -> ChannelAlignment:
        """Return the estimate from what was added."""
        ...


class AlignmentRule(Protocol):
    """Decides which alignment is applied, given the calibrated one."""

    def __call__(self, calibrated: ChannelAlignment) -> ChannelAlignment:
        """Return the calibrated alignment if it can be trusted, else a better one."""
        ...
