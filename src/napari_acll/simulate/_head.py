"""Which nuclei a head holds: neurons, and nuclei that are none of them."""

from dataclasses import dataclass

import numba
import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

N_NUCLEI = 190
"""Nuclei of a head that a pan-neuronal marker shows, about."""
FILLER_ROOM_UM = 2.3
"""Nearest place to another nucleus at which a filler is put, before all are pushed apart."""
_WINDOW = 40
"""Fillers lie between nuclei that are at most so many apart in the order from nose to tail."""


@dataclass(frozen=True, slots=True, kw_only=True)
class HeadSettings:
    """Which nuclei a head holds, and what their brightness tells.

    Real recordings differ in this: a marker that leaves neurons dark, a list that names a third
    of what shines, cells of which the anatomy knows nothing. A model that is to hold on them must
    have seen heads of all these kinds.

    Parameters
    ----------
    n_nuclei : int
        Nuclei in the head, about, without glia.
    filler_share : float
        Part of the anatomy's neurons, from 0 to 1, that is absent; nameless nuclei that lie
        anywhere among the others fill up the number.
    keeps_listed : bool
        Whether neurons that annotators seldom list are the first to be absent, as where a real
        list says what is there; else all are so alike.
    n_glia : int
        Further nameless nuclei, most of them dim.
    brightness_trust : float
        From 1, where the brightness of a neuron is as usual for its name, to 0, where the name
        tells nothing of it, as with another marker or strain.
    variation : float
        How much animals differ, relative to the real ones.
    """

    n_nuclei: int = N_NUCLEI
    filler_share: float = 0.0
    keeps_listed: bool = True
    n_glia: int = 0
    brightness_trust: float = 1.0
    variation: float = 1.0

    @classmethod
    def sample(cls, rng: np.random.Generator) -> "HeadSettings":
        """Return one of the many kinds of heads that a model should have seen.

        Two in five hold nearly all neurons; the others as few as 70 among up to 120 fillers. In
        one of four the brightness tells little or nothing of the name.
        """
        is_full = rng.random() < 0.4
        share = rng.uniform(0.0, 0.08) if is_full else rng.uniform(0.08, 0.65)
        trust = float(rng.choice([1.0, rng.uniform(0.0, 1.0), 0.0], p=[0.75, 0.15, 0.10]))
        return cls(
            n_nuclei=int(rng.integers(165, 196)),
            filler_share=float(share),
            keeps_listed=bool(rng.random() < 0.7),
            n_glia=int(rng.poisson(4.0)),
            brightness_trust=trust,
            variation=float(np.exp(rng.normal(0.0, 0.1))),
        )


def choose_absent(
    p_listed: Floats, head: HeadSettings, n_absent: int, rng: np.random.Generator
) -> NDArray[np.bool_]:
    """Return which of some neurons are absent, shape `(n,)`; see `HeadSettings.keeps_listed`."""
    care = 2.0 if head.keeps_listed else 0.0
    chance = care * np.log(np.clip(1.0 - p_listed, 0.02, 1.0)) + rng.gumbel(size=len(p_listed))
    absent = np.zeros(len(p_listed), bool)
    absent[np.argsort(-chance)[: max(n_absent, 0)]] = True
    return absent


def place_fillers(
    position_um: Floats, hull_um: Floats, n: int, rng: np.random.Generator
) -> Floats:
    """Return places for nameless nuclei among others.

    Parameters
    ----------
    position_um : ndarray of float64, shape (m, 3)
        Nuclei to keep away from.
    hull_um : ndarray of float64, shape (k, 3)
        Points whose hull shall hold the fillers.
    n : int
        How many.
    rng : numpy.random.Generator
        Decides where.

    Returns
    -------
    ndarray of float64, shape (n, 3)
    """
    if n <= 0:
        return np.zeros((0, 3))
    candidate = _between_nuclei(hull_um, 3 * n, rng)
    chosen = _roomy(candidate, position_um, n, FILLER_ROOM_UM)
    more = _between_nuclei(hull_um, n - int(chosen.sum()), rng)
    return np.concatenate([candidate[chosen], more])


@numba.njit(cache=True)
def _roomy(
    candidate: Floats, position: Floats, n: int, room_um: float
) -> NDArray[np.bool_]:  # pragma: no cover - compiled
    """Return which candidates have room, beside the positions and each other; `n` at most."""
    chosen = np.zeros(len(candidate), np.bool_)
    taken = np.empty((n, 3))
    count = 0
    for index in range(len(candidate)):
        if count == n:
            break
        if _has_room(candidate[index], position, room_um) and _has_room(
            candidate[index], taken[:count], room_um
        ):
            taken[count] = candidate[index]
            chosen[index] = True
            count += 1
    return chosen


@numba.njit(cache=True)
def _has_room(place: Floats, others: Floats, room_um: float) -> bool:  # pragma: no cover
    for other in range(len(others)):
        square = 0.0
        for axis in range(3):
            square += (place[axis] - others[other, axis]) ** 2
        if square < room_um * room_um:
            return False
    return True


def _between_nuclei(hull_um: Floats, n: int, rng: np.random.Generator) -> Floats:
    """Return places on the lines between nuclei that are not far apart along the body."""
    ordered = hull_um[np.argsort(hull_um[:, 2])]
    first = rng.integers(0, len(ordered), n)
    second = np.clip(first + rng.integers(-_WINDOW, _WINDOW + 1, n), 0, len(ordered) - 1)
    share = rng.random((n, 1))
    place: Floats = (1 - share) * ordered[first] + share * ordered[second]
    return place + rng.normal(0.0, 1.2, (n, 3))
