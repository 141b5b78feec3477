"""A finished recording as lazily read `(T, Z, Y, X)` arrays that napari can show."""

import threading
import weakref
from collections import OrderedDict
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

from napari_acll.core import RandomAccessSource, Volume
from napari_acll.widgets._layers import contrast_of, image_placement

if TYPE_CHECKING:
    import dask.array

Channel = Literal["marker", "activity"]
LayerData = tuple[Any, dict[str, Any], str]
_N_CACHED = 4


class LazyVolumes:
    """Reads volumes when they are looked at, each once for both channels.

    The source is closed when the last array that reads from it is gone.

    Parameters
    ----------
    source : RandomAccessSource
        The recording.
    """

    def __init__(self, source: RandomAccessSource) -> None:
        self._source = source
        self._existing = frozenset(source.indices)
        self._lock = threading.Lock()  # dask reads from several threads
        self._cached: OrderedDict[int, Volume] = OrderedDict()
        weakref.finalize(self, source.close)

    @property
    def first_index(self) -> int:
        """Index of the first volume that exists."""
        return min(self._existing)

    def volume(self, index: int) -> Volume:
        """Return a volume, from memory if it was among the last ones."""
        with self._lock:
            if index not in self._cached:
                self._cached[index] = self._source.read(index)
                while len(self._cached) > _N_CACHED:
                    self._cached.popitem(last=False)
            self._cached.move_to_end(index)
            return self._cached[index]

    def channel(self, channel: Channel) -> "dask.array.Array":
        """Return one channel as a lazy array, `(T, Z, Y, X)`; lost volumes are zeros."""
        import dask.array

        first: NDArray[Any] = getattr(self.volume(self.first_index), channel)
        n_volumes = max(self._existing) + 1

        def load(block_id: tuple[int, ...]) -> NDArray[Any]:
            index = block_id[0]
            if index not in self._existing:
                return np.zeros((1, *first.shape), first.dtype)
            data: NDArray[Any] = getattr(self.volume(index), channel)
            return data[np.newaxis]

        map_blocks: Any = dask.array.map_blocks
        blocks: dask.array.Array = map_blocks(
            load,
            chunks=((1,) * n_volumes, *((n,) for n in first.shape)),
            dtype=first.dtype,
            meta=np.empty((0, 0, 0, 0), first.dtype),
        )
        return blocks


def recording_layers(source: RandomAccessSource, *, title: str) -> list[LayerData]:
    """Return both channels of a recording as napari layers, in um and s.

    Parameters
    ----------
    source : RandomAccessSource
        The recording; closed when the layers are gone.
    title : str
        What the layers are called, before the name of their channel.

    Raises
    ------
    RecordingError
        If the first volume cannot be read.
    """
    volumes = LazyVolumes(source)
    first = volumes.volume(volumes.first_index)
    channels: tuple[tuple[Channel, str, str], ...] = (
        ("marker", source.spec.marker_name, "magenta"),
        ("activity", source.spec.activity_name, "green"),
    )
    return [
        (
            volumes.channel(channel),
            {
                "name": f"{title} {channel}" + (f" ({name})" if name != channel else ""),
                "colormap": colormap,
                "blending": "additive",
                "contrast_limits": contrast_of(getattr(first, channel)),
                "metadata": dict(source.describe()),
                **_with_time(image_placement(source.spec.grid), source.spec.period_s),
            },
            "image",
        )
        for channel, name, colormap in channels
    ]


def _with_time(placement: dict[str, Any], period_s: float) -> dict[str, Any]:
    return {
        "scale": (period_s, *placement["scale"]),
        "translate": (0.0, *placement["translate"]),
        "units": ("s", *placement["units"]),
        "axis_labels": ("t", *placement["axis_labels"]),
    }
