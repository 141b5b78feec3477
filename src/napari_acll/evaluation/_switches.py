"""Names that do not stay where they are over time."""

from dataclasses import dataclass

import numpy as np

from napari_acll.evaluation._nuclei import Bools, Ints
from napari_acll.evaluation._pairs import Pairs


@dataclass(frozen=True, slots=True, kw_only=True)
class Switches:
    """How often identities change from one volume to the next in which they are seen.

    Parameters
    ----------
    n_steps : int
        Pairs of a neuron's named sightings, one after the other.
    n_switches : int
        Those with another name than before.
    n_name_steps : int
        Pairs of a name's appearances on known nuclei, one after the other.
    n_jumps : int
        Those on another neuron than before.
    """

    n_steps: int
    n_switches: int
    n_name_steps: int
    n_jumps: int


def count_switches(pairs: Pairs, rows: Bools) -> Switches:
    """Return how often identities change.

    A nucleus is followed by its true name, so nuclei without one are not followed; a name that
    goes from a neuron to such a nucleus, or back, jumps all the same.

    Parameters
    ----------
    pairs : Pairs
        The recording.
    rows : ndarray of bool, shape (n,)
        The detections that count, such as the confident ones.
    """
    used = rows & pairs.is_named & pairs.is_match
    volume, given = pairs.volume[used], pairs.given[used]
    true = pairs.at_detection(pairs.true)[used]
    known = true > 0
    n_steps, n_switches = _changes(true[known], volume[known], given[known])
    n_name_steps, n_jumps = _changes(given, volume, true)
    return Switches(
        n_steps=n_steps, n_switches=n_switches, n_name_steps=n_name_steps, n_jumps=n_jumps
    )


def _changes(track: Ints, volume: Ints, value: Ints) -> tuple[int, int]:
    """Return the steps along all tracks, and those in which the value changes."""
    order = np.lexsort((volume, track))
    track, volume, value = track[order], volume[order], value[order]
    is_step = (track[1:] == track[:-1]) & (volume[1:] > volume[:-1])
    is_change = is_step & (value[1:] != value[:-1])
    return int(is_step.sum()), int(is_change.sum())
