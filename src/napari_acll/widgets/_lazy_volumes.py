"""A finished recording as lazily read `(T, Z, Y, X)` arrays that napari can show."""

import weakref
from collections.abc import Callable, Mapping
from functools import partial
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

from napari_acll.core import RandomAccessSource, Volume, VolumeSpec, VoxelGrid
from napari_acll.widgets._last_read import LastRead
from napari_acll.widgets._layers import contrast_of, image_placement

if TYPE_CHECKING:
    import dask.array

Channel = Literal["marker", "activity"]
LayerData = tuple[Any, dict[str, Any], str]


class LazyVolumes:
    """Reads volumes when they are looked at, each once for both channels.

    The source is closed when the last array that reads from it is gone.

    Parameters
    ----------
    source : RandomAccessSource
        The recording.
    prepare : callable, optional
        What is done to each volume that was read, such as crop and binning.
    spec : VolumeSpec, optional
        Geometry of what `prepare` returns; None: that of the recording.
    """

    def __init__(
        self,
        source: RandomAccessSource,
        *,
        prepare: Callable[[Volume], Volume] | None = None,
        spec: VolumeSpec | None = None,
    ) -> None:
        self._existing = frozenset(source.indices)
        # not a method of this: a circle of references would keep the file open for a while
        self._recent = LastRead(partial(_read, source, prepare))
        self.spec: VolumeSpec = spec or source.spec
        weakref.finalize(self, source.close)

    @property
    def first_index(self) -> int:
        """Index of the first volume that exists."""
        return min(self._existing)

    @property
    def n_volumes(self) -> int:
        """Number of volumes, lost ones included."""
        return max(self._existing) + 1

    def volume(self, index: int) -> Volume:
        """Return a volume, from memory if it was among the last ones.

        Raises
        ------
        IndexError
            If the recording has no volume of this index.
        RecordingError
            If it cannot be read.
        """
        return self._recent.get(index)

    def load(self, index: int) -> None:
        """Bring a volume into memory, if there is one.

        Raises
        ------
        RecordingError
            If it cannot be read.
        """
        if index in self._existing:
            self.volume(index)

    def in_memory(self, index: int) -> Volume | None:
        """Return a volume if it is in memory; nothing is read."""
        return self._recent.peek(index)

    def channel(self, channel: Channel, n_volumes: int | None = None) -> "dask.array.Array":
        """Return one channel as a lazy array, `(T, Z, Y, X)`; lost volumes are zeros.

        Parameters
        ----------
        channel : str
            `marker` or `activity`.
        n_volumes : int, optional
            Length of the array; None: that of the recording.
        """
        first: NDArray[Any] = getattr(self.volume(self.first_index), channel)

        def load(index: int) -> NDArray[Any]:
            if index not in self._existing:
                return np.zeros(first.shape, first.dtype)
            data: NDArray[Any] = getattr(self.volume(index), channel)
            return data

        n_volumes = self.n_volumes if n_volumes is None else n_volumes
        return lazy_array(load, n_volumes=n_volumes, shape=first.shape, dtype=first.dtype)


def _read(
    source: RandomAccessSource, prepare: Callable[[Volume], Volume] | None, index: int
) -> Volume:
    volume = source.read(index)
    return volume if prepare is None else prepare(volume)


def lazy_array(
    load: Callable[[int], NDArray[Any]],
    *,
    n_volumes: int,
    shape: tuple[int, ...],
    dtype: "np.dtype[Any]",
) -> "dask.array.Array":
    """Return an array `(n_volumes, *shape)` of which each volume is loaded when it is needed."""
    import dask.array

    def block(block_id: tuple[int, ...]) -> NDArray[Any]:
        return load(block_id[0])[np.newaxis]

    map_blocks: Any = dask.array.map_blocks
    blocks: dask.array.Array = map_blocks(
        block,
        chunks=((1,) * n_volumes, *((n,) for n in shape)),
        dtype=dtype,
        meta=np.empty((0,) * (len(shape) + 1), dtype),
    )
    return blocks


def recording_layers(
    volumes: LazyVolumes,
    *,
    title: str,
    metadata: Mapping[str, object],
    n_volumes: int | None = None,
) -> list[LayerData]:
    """Return both channels of a recording as napari layers, in um and s.

    Parameters
    ----------
    volumes : LazyVolumes
        The recording.
    title : str
        What the layers are called, before the name of their channel.
    metadata : mapping
        What the layers carry with them.
    n_volumes : int, optional
        Length in volumes; None: that of the recording.

    Raises
    ------
    RecordingError
        If the first volume cannot be read.
    """
    first, spec = volumes.volume(volumes.first_index), volumes.spec
    channels: tuple[tuple[Channel, str, str], ...] = (
        ("marker", spec.marker_name, "magenta"),
        ("activity", spec.activity_name, "green"),
    )
    return [
        (
            volumes.channel(channel, n_volumes),
            {
                "name": f"{title} {channel}" + (f" ({name})" if name != channel else ""),
                "colormap": colormap,
                "blending": "additive",
                "contrast_limits": contrast_of(getattr(first, channel)),
                "metadata": dict(metadata),
                **placement_in_time(spec.grid, spec.period_s),
            },
            "image",
        )
        for channel, name, colormap in channels
    ]


def placement_in_time(grid: VoxelGrid, period_s: float) -> dict[str, Any]:
    """Return scale and place of a series of volumes as napari wants them, in s and um."""
    placement = image_placement(grid)
    return {
        "scale": (period_s, *placement["scale"]),
        "translate": (0.0, *placement["translate"]),
        "units": ("s", *placement["units"]),
        "axis_labels": ("t", *placement["axis_labels"]),
    }
