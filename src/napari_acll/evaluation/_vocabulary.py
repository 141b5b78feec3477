"""Names as numbers that models and truths share."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from napari_acll.core import NeuronTable
from napari_acll.evaluation._nuclei import Ints

UNKNOWN_SIDE = "?"
SIDES = "LR"


@dataclass(frozen=True, slots=True)
class Vocabulary:
    """All names of an evaluation; number 0 is no name.

    Parameters
    ----------
    names : tuple of str
        Names, the first being number 1.
    """

    names: tuple[str, ...]

    @classmethod
    def of(cls, names: Iterable[str]) -> "Vocabulary":
        """Return the vocabulary of names; what ends in `?` adds the name without it."""
        plain = {name.removesuffix(UNKNOWN_SIDE) if _is_open(name) else name for name in names}
        return cls(tuple(sorted(plain - {""})))

    def numbers(self, names: NDArray[np.str_]) -> tuple[Ints, Ints]:
        """Return the number of each name, and another number that is as right.

        The two differ for names of which the side is not known: `AVK?` is AVKL and AVKR.
        """
        unique, inverse = np.unique(names, return_inverse=True)
        number = self._number()
        both = np.array([self._both(str(name), number) for name in unique], np.int64)
        both = both.reshape(-1, 2)
        return both[inverse, 0], both[inverse, 1]

    def other_side(self) -> Ints:
        """Return for each number, from 0 on, that of the same neuron on the other side, or 0."""
        return np.array([0, *NeuronTable(self.names).homologues()], np.int64)

    @staticmethod
    def _both(name: str, number: Mapping[str, int]) -> tuple[int, int]:
        if not _is_open(name):
            return number.get(name, 0), number.get(name, 0)
        stem = name.removesuffix(UNKNOWN_SIDE)
        sides = [number[stem + side] for side in SIDES if stem + side in number]
        sides = sides or [number.get(stem, 0)]
        return sides[0], sides[-1]

    def _number(self) -> dict[str, int]:
        return {name: index + 1 for index, name in enumerate(self.names)}


def _is_open(name: str) -> bool:
    return len(name) > 1 and name.endswith(UNKNOWN_SIDE)
