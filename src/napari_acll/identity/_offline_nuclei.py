"""The nuclei of a whole recording, and which of them each detection is."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from napari_acll.core import Detections
from napari_acll.identity._offline_matching import Placed
from napari_acll.identity._offline_template import Template

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]

_N_ROUNDS = 2
"""Rounds over the whole recording after the first: a third one names as many right on six
virtual animals."""
_TIDIED_EVERY = 30
"""Volumes between two looks at which nuclei of the growing template were worth adding."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class FoundNuclei:
    """What was detected in one volume.

    Parameters
    ----------
    place_um : ndarray of float64, shape (n, 3)
        `(z, y, x)` centers.
    detections : Detections
        The same nuclei, with the names that the volume alone or the live session gave.
    """

    place_um: Floats
    detections: Detections

    def __len__(self) -> int:
        return len(self.place_um)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class LinkedNuclei:
    """The nuclei of a recording, all in the posture of one of its volumes.

    Parameters
    ----------
    place_um : ndarray of float64, shape (n, 3)
        Their mean places in that posture.
    rows : list of ndarray of int64
        For each volume, which of them each detection is, -1 where none.
    is_placed : ndarray of bool, shape (n_volumes,)
        Whether the motion of that volume could be told.
    """

    place_um: Floats
    rows: list[Integers]
    is_placed: NDArray[np.bool_]

    def __len__(self) -> int:
        return len(self.place_um)

    def n_found(self) -> Integers:
        """Return in how many volumes each nucleus was found, shape `(n,)`."""
        rows = np.concatenate([np.zeros(0, np.int64), *self.rows])
        return np.bincount(rows[rows >= 0], minlength=len(self))


def _nothing_to_tell(_n_done: int) -> None:
    """Tell nobody."""


def link_nuclei(
    volumes: Sequence[FoundNuclei],
    n_neurons: int,
    *,
    tell: Callable[[int], None] = _nothing_to_tell,
) -> LinkedNuclei:
    """Return the nuclei of a recording, from all of its volumes.

    Every volume is laid on the same template, however far in time: there is no chain of volumes in
    which a nucleus that is not found for a while would be lost. The template begins as the volume
    with the surest names, grows by nuclei that the volumes after and before it show besides, and
    becomes the mean of all volumes, round by round.

    Parameters
    ----------
    volumes : sequence of FoundNuclei
        In order of time.
    n_neurons : int
        Names of the model.
    tell : callable
        Called with the number of steps done, of `n_steps(volumes)` in all.

    References
    ----------
    Joshi et al., NeuroImage 23, S151 (2004): a template as the mean of all images that are laid
    on it.
    """
    template = Template(n_neurons)
    placed: list[Placed | None] = [None] * len(volumes)
    n_done = 0
    if not volumes:
        return _linked(template, volumes, placed)
    for index, before in _outward(volumes):
        near = None if before is None else placed[before]
        placed[index] = template.grow(volumes[index].place_um, volumes[index].detections, near)
        n_done += 1
        if n_done % _TIDIED_EVERY == 0:
            placed = template.without_strays(placed)
        tell(n_done)
    for _ in range(_N_ROUNDS):
        placed = template.averaged([volume.place_um for volume in volumes], placed)
        for index, volume in enumerate(volumes):
            placed[index] = template.lay(volume.place_um, volume.detections, placed[index])
            n_done += 1
            tell(n_done)
    return _linked(template, volumes, placed)


def n_steps(volumes: Sequence[FoundNuclei]) -> int:
    """Return of how many steps `link_nuclei` tells."""
    return (1 + _N_ROUNDS) * len(volumes)


def _outward(volumes: Sequence[FoundNuclei]) -> Iterator[tuple[int, int | None]]:
    """Yield the volume with the surest names, those after it, then those before, with neighbors.

    A volume is begun from how its neighbor lay.
    """
    sure = [float(volume.detections.probability.sum()) for volume in volumes]
    first = int(np.argmax(sure))
    yield first, None
    yield from ((index, index - 1) for index in range(first + 1, len(volumes)))
    yield from ((index, index + 1) for index in range(first - 1, -1, -1))


def _linked(
    template: Template, volumes: Sequence[FoundNuclei], placed: Sequence[Placed | None]
) -> LinkedNuclei:
    rows = [
        np.full(len(volume), -1, np.int64) if item is None else item.rows
        for volume, item in zip(volumes, placed, strict=True)
    ]
    is_placed = np.array([item is not None for item in placed], np.bool_)
    return LinkedNuclei(place_um=template.place_um, rows=rows, is_placed=is_placed)
