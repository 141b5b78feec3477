"""Real heads from the table of positions of named nuclei, for evaluation."""

import csv
import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from napari_acll.core import RecordingError
from napari_acll.simulate import Anatomy, AnimalShape


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class RealHead:
    """Named nuclei of one real animal.

    Parameters
    ----------
    lab, animal : str
        Where it comes from.
    names : tuple of str
        Names, each once.
    position_um : ndarray of float64, shape (n, 3)
        `(z, y, x)`.
    """

    lab: str
    animal: str
    names: tuple[str, ...]
    position_um: NDArray[np.float64]

    def shape(self, anatomy: Anatomy, rng: np.random.Generator) -> AnimalShape:
        """Return the animal, completed with the nuclei that its list lacks."""
        return AnimalShape.from_positions(self.names, self.position_um, anatomy=anatomy, rng=rng)


def read_heads(path: Path) -> list[RealHead]:
    """Return the animals of a table `lab, animal, x_um, y_um, z_um, ID`.

    Names that are not certain, or stand twice in one animal, are left out.

    Raises
    ------
    RecordingError
        If the file is missing or lacks a column.
    """
    places: dict[tuple[str, str], dict[str, list[list[float]]]] = {}
    try:
        with path.open(newline="", encoding="utf-8") as file:
            for row in csv.DictReader(file):
                name = _certain_name(row["ID"])
                if name:
                    head = places.setdefault((row["lab"], row["animal"]), {})
                    place = [float(row[f"{axis}_um"]) for axis in "zyx"]
                    head.setdefault(name, []).append(place)
    except (OSError, KeyError, ValueError) as error:
        raise RecordingError(
            f"Expected a table of named positions with columns lab, animal, x_um, y_um, z_um and"
            f" ID, {path} is none ({error!r}); give the file that the documentation names."
        ) from error
    return [_head(key, named) for key, named in places.items()]


def _head(key: tuple[str, str], named: dict[str, list[list[float]]]) -> RealHead:
    once = {name: rows[0] for name, rows in named.items() if len(rows) == 1}
    return RealHead(
        lab=key[0],
        animal=key[1],
        names=tuple(once),
        position_um=np.array(list(once.values()), np.float64).reshape(-1, 3),
    )


def _certain_name(name: str) -> str:
    """Return the name in the atlas's spelling, empty where it is not certain."""
    if "?" in name:
        return ""
    match = re.fullmatch(r"(VA|VB|VD|DA|DB|DD|AS)(\d)", name)
    return f"{match[1]}0{match[2]}" if match else name
