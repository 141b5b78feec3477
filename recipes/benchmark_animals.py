"""Real heads for the benchmark: the rows of the table, completed to about 190 nuclei.

The rows are read and laid straight here, and not by `napari_acll.training`, so that what is wrong
there cannot be wrong here in the same way.
"""

import csv
import re
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment
from scipy.spatial import Delaunay, cKDTree

from napari_acll.simulate import Anatomy, held_out_animals

Floats = NDArray[np.float64]

LISTED, UNLISTED, UNKNOWN, NAMELESS = range(4)
"""Named in the table; filled in where the atlas has a neuron that the table lacks; a row of the
table without a name; filled in anywhere, none of the atlas's neurons."""
FLAVORS = ("unlisted", "nameless")
N_NUCLEI = 190
WHOLE_LAB = "HL"
MAIN_LAB = "SF"

_TABLE = Path("positions") / "neuron_positions_84_animals.csv"
_ATLAS = Path("positions") / "focolab+npex__atlas_mu.csv"
_LEAST_SPACING_UM = 2.2
_PLACE_SD_UM = 1.8
_N_TRIES = 30
_PULL = 25.0
"""Variance, in um2, that the points must have along an axis to outweigh the similarity."""
_VALIDATION_SF = (0, 3, 6, 9, 12)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Head:
    """Nuclei of one animal, lying straight: x nose to tail, y dorsal to ventral, z left to right.

    Parameters
    ----------
    lab, animal : str
        Where it comes from.
    names : tuple of str
        Name of each nucleus, empty where there is none.
    kind : ndarray of int8, shape (n,)
        `LISTED`, `UNLISTED`, `UNKNOWN` or `NAMELESS`.
    position_um : ndarray of float64, shape (n, 3)
        `(z, y, x)`.
    log_brightness : ndarray of float64, shape (n,)
        Marker brightness that goes with the name, log, 0 for the median.
    """

    lab: str
    animal: str
    names: tuple[str, ...]
    kind: NDArray[np.int8]
    position_um: Floats
    log_brightness: Floats

    @property
    def key(self) -> str:
        """`lab/animal`."""
        return f"{self.lab}/{self.animal}"

    def __len__(self) -> int:
        return len(self.names)

    def without(self, share: float, rng: np.random.Generator) -> "Head":
        """Return the animal without a share of its nuclei, whatever they are."""
        kept = np.sort(rng.permutation(len(self))[round(share * len(self)) :])
        return Head(
            lab=self.lab,
            animal=self.animal,
            names=tuple(self.names[row] for row in kept),
            kind=self.kind[kept],
            position_um=self.position_um[kept],
            log_brightness=self.log_brightness[kept],
        )


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Completer:
    """What fills up the animals of a table.

    Parameters
    ----------
    anatomy : Anatomy
        Its mean says which way an animal lies.
    atlas : dict
        Place of each neuron in another atlas, um, in a frame of its own.
    log_brightness : dict
        Mean of each neuron, from the pan-neuronal counts of lab EY.
    """

    anatomy: Anatomy
    atlas: dict[str, Floats]
    log_brightness: dict[str, float]

    @classmethod
    def from_data(cls, data: Path) -> "Completer":
        """Return it from the folder of the real data."""
        with (data / _ATLAS).open(newline="", encoding="utf-8") as file:
            atlas = {
                spelled(row["names"]): np.array([float(row[axis]) for axis in "XYZ"])
                for row in csv.DictReader(file)
            }
        return cls(
            anatomy=Anatomy.load(), atlas=atlas, log_brightness=brightness_by_name(data / _TABLE)
        )

    def complete(self, rows: list[dict[str, str]], flavor: str, rng: np.random.Generator) -> Head:
        """Return an animal of the table with about 190 nuclei.

        Parameters
        ----------
        rows : list of dict
            Of one animal.
        flavor : str
            One of `FLAVORS`: what the added nuclei are.
        rng : numpy.random.Generator
            Decides where they lie.
        """
        names, place = unique_rows(rows)
        place = straightened(names, place, self.anatomy)
        kind = np.array([LISTED if name else UNKNOWN for name in names], np.int8)
        fill = {"unlisted": self._absent, "nameless": _anywhere}[flavor]
        more_names, more = fill(names, place, rng)
        added = UNLISTED if flavor == "unlisted" else NAMELESS
        all_names = (*names, *more_names)
        typical = float(np.std(list(self.log_brightness.values())))
        light = [self.log_brightness.get(n, rng.normal(0, typical)) for n in all_names]
        return Head(
            lab=rows[0]["lab"],
            animal=rows[0]["animal"],
            names=all_names,
            kind=np.r_[kind, np.full(len(more), added, np.int8)],
            position_um=np.concatenate([place, more]),
            log_brightness=np.array(light),
        )

    def _absent(
        self, names: list[str], place: Floats, rng: np.random.Generator
    ) -> tuple[list[str], Floats]:
        """Return neurons that the table lacks, about where the atlas has them."""
        known = [row for row, name in enumerate(names) if name in self.atlas]
        to_animal = affine_map(np.array([self.atlas[names[r]] for r in known]), place[known])
        absent = [name for name in self.atlas if name not in names]
        home = to_animal(np.array([self.atlas[name] for name in absent]))
        nameless = place[[not name for name in names]]
        # a row without a name is most likely the absent neuron that belongs nearest to it
        _, taken = linear_sum_assignment(np.linalg.norm(nameless[:, None] - home[None], axis=2))
        free = np.setdiff1d(np.arange(len(absent)), taken)
        chosen = rng.permutation(free)[: max(N_NUCLEI - len(names), 0)]
        added: list[str] = []
        where = list(place)
        for row in chosen:
            spot = _free_spot(lambda row=row: home[row] + rng.normal(0, _PLACE_SD_UM, 3), where)
            if spot is not None:
                where.append(spot)
                added.append(absent[row])
        return added, np.array(where[len(place) :]).reshape(-1, 3)


def animals_of(data: Path) -> dict[tuple[str, str], list[dict[str, str]]]:
    """Return the rows of each animal of the table, in its order."""
    animals: dict[tuple[str, str], list[dict[str, str]]] = defaultdict(list)
    with (data / _TABLE).open(newline="", encoding="utf-8") as file:
        for row in csv.DictReader(file):
            animals[row["lab"], row["animal"]].append(row)
    return dict(animals)


def held_out_keys(keys: list[tuple[str, str]]) -> list[tuple[str, str]]:
    """Return the animals that nothing was fitted to: those held out, and one whole lab."""
    held_out = held_out_animals()
    return [key for key in keys if key[0] == WHOLE_LAB or key[1] in held_out.get(key[0], ())]


def validation_keys(keys: list[tuple[str, str]]) -> list[tuple[str, str]]:
    """Return animals for research choices: none is held out, and none serves a final report."""
    out = set(held_out_keys(keys))
    rest = {lab: [k for k in keys if k[0] == lab and k not in out] for lab in ("SF", "EY", "SK1")}
    return [*(rest["SF"][n] for n in _VALIDATION_SF), rest["EY"][0], rest["SK1"][0]]


def spelled(name: str) -> str:
    """Return a neuron's name in the spelling of the anatomy, motor neurons with two digits."""
    match = re.fullmatch(r"(VA|VB|VD|DA|DB|DD|AS)(\d)", name)
    return f"{match[1]}0{match[2]}" if match else name


def unique_rows(rows: list[dict[str, str]]) -> tuple[list[str], Floats]:
    """Return names and places; names that are doubtful or stand twice become empty.

    A row that repeats the place of another is left out, the one with a name being kept.
    """
    at: dict[tuple[float, ...], str] = {}
    for row in rows:
        spot = tuple(float(row[f"{axis}_um"]) for axis in "zyx")
        name = "" if "?" in row["ID"] else spelled(row["ID"].strip())
        at[spot] = at.get(spot) or name
    names = list(at.values())
    sure = [name if name and names.count(name) == 1 else "" for name in names]
    return sure, np.array(list(at), np.float64)


def straightened(names: list[str], place: Floats, anatomy: Anatomy) -> Floats:
    """Return the places turned and shifted onto the anatomy's mean, mirrored where they must be.

    Raises
    ------
    ValueError
        If fewer than five names are known.
    """
    home = dict(zip(anatomy.neurons.names, anatomy.mean_um, strict=True))
    known = [row for row, name in enumerate(names) if name in home]
    if len(known) < 5:
        raise ValueError(f"Expected five neurons that the anatomy knows, got {len(known)}.")
    goal = np.array([home[names[row]] for row in known])
    middle = place[known].mean(0)
    u, _, v = np.linalg.svd((place[known] - middle).T @ (goal - goal.mean(0)))
    results = []
    for sign in (1.0, -1.0):
        turn = u @ np.diag([1, 1, sign * np.linalg.det(u @ v)]) @ v
        moved = (place - middle) @ turn + goal.mean(0)
        results.append((float(np.median(np.linalg.norm(moved[known] - goal, axis=1))), moved))
    upright, mirrored = results
    return mirrored[1] if mirrored[0] < 0.8 * upright[0] else upright[1]


def affine_map(source: Floats, target: Floats) -> Callable[[Floats], Floats]:
    """Return the affine map that carries one set of points onto another.

    Least squares with a pull toward the best similarity, for the map is asked for places far
    behind the last of the points.
    """
    middle, goal = source.mean(0), target.mean(0)
    centered, aimed = source - middle, target - goal
    u, size, v = np.linalg.svd(centered.T @ aimed)
    similarity = size.sum() / (centered**2).sum() * (u @ v)
    gram = centered.T @ centered
    pull = _PULL * len(source) * np.eye(3)
    matrix = np.linalg.solve(gram + pull, centered.T @ aimed + pull @ similarity)
    return lambda points: (points - middle) @ matrix + goal


def brightness_by_name(table: Path) -> dict[str, float]:
    """Return the mean log marker brightness of each neuron in lab EY, 0 for the median nucleus."""
    logs: dict[str, list[float]] = defaultdict(list)
    held_out = held_out_animals().get("EY", ())
    for (lab, animal), rows in animals_of(table.parents[1]).items():
        if lab != "EY" or animal in held_out:
            continue
        light = np.log(np.maximum([float(row["c3"]) for row in rows], 1.0))
        for row, value in zip(rows, light - np.median(light), strict=True):
            if row["ID"]:
                logs[spelled(row["ID"])].append(float(value))
    return {name: float(np.mean(values)) for name, values in logs.items() if len(values) >= 3}


def _anywhere(
    names: list[str],  # noqa: ARG001
    place: Floats,
    rng: np.random.Generator,
) -> tuple[list[str], Floats]:
    """Return nameless nuclei anywhere within the hull of the others."""
    hull = Delaunay(place)
    low, high = place.min(0), place.max(0)

    def draw() -> Floats:
        while True:
            spot = rng.uniform(low, high)
            if hull.find_simplex(spot) >= 0:
                return spot

    where = list(place)
    for _ in range(max(N_NUCLEI - len(place), 0)):
        spot = _free_spot(draw, where)
        if spot is not None:
            where.append(spot)
    added = np.array(where[len(place) :]).reshape(-1, 3)
    return [""] * len(added), added


def _free_spot(draw: Callable[[], Floats], where: list[Floats]) -> Floats | None:
    """Return a drawn place that is not too near to the others, None if there seems to be none."""
    tree = cKDTree(np.array(where))
    for _ in range(_N_TRIES):
        spot = draw()
        if tree.query(spot)[0] >= _LEAST_SPACING_UM:
            return spot
    return None
