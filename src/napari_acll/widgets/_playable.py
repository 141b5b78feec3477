"""What can be played: a recording or a saved session, and its layers."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_acll.core import AcllSettings, RandomAccessSource, RecordingError, SourceSettings
from napari_acll.widgets._lazy_volumes import LayerData, LazyVolumes, recording_layers

PLAYABLE = "napari_acll"
"""Under this key the metadata of a layer hold the `Playable`, or the `SavedRun`, that it shows."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Playable:
    """Volumes that can be shown one after the other.

    Parameters
    ----------
    path : str
        What was opened.
    recording : str
        The recording that a session may be started on; empty if there is none.
    period_s : float
        Time from one volume to the next, in s: the step of the viewer's time axis.
    times_s : ndarray of float64, shape (n,)
        Time of each volume, in s.
    load : callable
        Brings what is drawn of a volume into memory; may be called in any thread.
    """

    path: str
    recording: str
    period_s: float
    times_s: NDArray[np.float64]
    load: Callable[[int], None]

    @property
    def n_volumes(self) -> int:
        """Number of volumes, those without values included."""
        return len(self.times_s)

    @property
    def is_recording(self) -> bool:
        """Whether it is a recording as it came from the microscope, and no session."""
        return self.path == self.recording


def playable_of(layer: Any) -> Playable | None:
    """Return what a layer shows, None if it is not one of ours."""
    found = layer.metadata.get(PLAYABLE)
    found = getattr(found, "playable", found)
    return found if isinstance(found, Playable) else None


def open_recording_file(path: str) -> tuple[Playable, list[LayerData]]:
    """Open a finished recording, to look at it without labels.

    Parameters
    ----------
    path : str
        An ND2 file, a folder, an array, or `simulated...`.

    Returns
    -------
    Playable, list of LayerData

    Raises
    ------
    RecordingError
        If it cannot be read volume by volume.
    """
    from napari_acll.sources import open_source

    source = open_source(path, SourceSettings())
    if source.is_live or not isinstance(source, RandomAccessSource):
        source.close()
        raise RecordingError(
            f"{path} cannot be played: it is not a finished recording; choose an ND2 file, a"
            " folder with one file per volume, or an array."
        )
    return look_at(source, path=path, title=Path(path).stem)


def look_at(
    source: RandomAccessSource, *, path: str, title: str
) -> tuple[Playable, list[LayerData]]:
    """Return an open recording as something to play, and its layers.

    Parameters
    ----------
    source : RandomAccessSource
        The recording; closed when the layers are gone, or at once if it cannot be read.
    path : str
        What was opened.
    title : str
        What the layers are called, before the name of their channel.

    Raises
    ------
    RecordingError
        If the first volume cannot be read.
    """
    volumes = LazyVolumes(source)
    period_s = source.spec.period_s
    playable = Playable(
        path=path,
        recording=path,
        period_s=period_s,
        times_s=np.arange(volumes.n_volumes, dtype=np.float64) * period_s,
        load=volumes.load,
    )
    metadata: Mapping[str, object] = {**source.describe(), PLAYABLE: playable}
    return playable, recording_layers(volumes, title=title, metadata=metadata)


def settings_from_volume(settings: AcllSettings, index: int) -> AcllSettings:
    """Return settings for a session on a finished recording that begins with a volume."""
    live = settings.source.live.model_copy(update={"is_live": False})
    return settings.model_copy(
        update={
            "source": settings.source.model_copy(update={"live": live}),
            "run": settings.run.model_copy(update={"first_volume": index}),
        }
    )
