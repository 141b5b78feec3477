"""What napari opens with this plugin: ND2 recordings and the simulated worm."""

from collections.abc import Callable
from pathlib import Path

from napari_acll.core import SourceSettings
from napari_acll.widgets._lazy_volumes import LayerData, recording_layers

_SAMPLE = "simulated:volumes=10"


def get_nd2_reader(path: str | list[str]) -> Callable[[str], list[LayerData]] | None:
    """Return the function that reads a path, None if it is not one ND2 file.

    Parameters
    ----------
    path : str or list of str
        What the user opens.
    """
    if isinstance(path, list) or not str(path).lower().endswith(".nd2"):
        return None
    return read_nd2


def read_nd2(path: str) -> list[LayerData]:
    """Return marker and activity of an ND2 recording as lazy layers.

    Raises
    ------
    RecordingError
        If it is not a two-channel series of volumes; the message says what it is instead.
    """
    from napari_acll.sources import Nd2Source

    source = Nd2Source.from_recording(str(path), SourceSettings())
    return recording_layers(source, title=Path(path).stem)


def open_simulated_worm() -> list[LayerData]:
    """Return ten volumes of the simulated worm as lazy layers, for File > Open Sample."""
    from napari_acll.simulate import SimulatedSource

    source = SimulatedSource.from_recording(_SAMPLE, SourceSettings())
    return recording_layers(source, title="simulated")
