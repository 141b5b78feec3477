"""Heads as real animals have them: fitted statistics, and animals drawn from them."""

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from importlib.resources import files
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from napari_acll.core import NeuronTable
from napari_acll.simulate._geometry import push_apart, rigid_fit
from napari_acll.simulate._head import N_NUCLEI, HeadSettings, choose_absent, place_fillers
from napari_acll.simulate._variation import exchange_some, sample_modes, sample_residual

ROOM_UM = 1.33
"""Half of the distance at which nuclei that are crowded together lie in real heads, typically."""
RADIUS_RANGE_UM = (1.0, 2.4)
MIN_NAMED_FOR_FIT = 5
_RADIUS_PER_SPACING = 0.34
_SPACING_RANGE_UM = (3.0, 6.2)
_LONE_RADIUS_UM = 1.6


@dataclass(frozen=True, slots=True, kw_only=True)
class AnimalShape:
    """The nuclei of one animal at rest, in the canonical frame.

    The canonical frame has x from nose to tail, z from the left to the right side, y from dorsal
    to ventral, and the handedness of the recordings of the lab that the original pipeline is from.

    Parameters
    ----------
    names : tuple of str
        Name of each nucleus, empty where the nucleus is none of the anatomy's neurons.
    position_um : ndarray of float64, shape (n, 3)
        `(z, y, x)`.
    radius_um : ndarray of float64, shape (n,)
        Nuclear radii.
    brightness : ndarray of float64, shape (n,)
        Marker brightness relative to the median neuron.
    is_listed : ndarray of bool, shape (n,)
        Whether an annotator of a real animal would have named the nucleus.
    modes_um : ndarray of float64, shape (n, 3, k)
        How each nucleus moves with the modes of deformation, for one SD of each.
    """

    names: tuple[str, ...]
    position_um: NDArray[np.float64]
    radius_um: NDArray[np.float64]
    brightness: NDArray[np.float64]
    is_listed: NDArray[np.bool_]
    modes_um: NDArray[np.float64]

    def __len__(self) -> int:
        return len(self.names)

    @classmethod
    def from_positions(
        cls,
        names: Sequence[str],
        position_um: NDArray[np.floating],
        *,
        anatomy: "Anatomy",
        rng: np.random.Generator,
        n_nuclei: int = N_NUCLEI,
        brightness: NDArray[np.floating] | None = None,
        head: HeadSettings | None = None,
    ) -> "AnimalShape":
        """Return a real animal, completed with what its list lacks.

        The given nuclei keep their mutual places exactly. Neurons that the list lacks are drawn
        from the anatomy given the listed ones; they have their names, but are not listed. What is
        then still missing is nameless.

        Parameters
        ----------
        names : sequence of str
            Name of each listed nucleus, empty where the list has none.
        position_um : ndarray of float, shape (n, 3)
            `(z, y, x)`, in any position and orientation, mirrored or not.
        anatomy : Anatomy
            Where the rest comes from.
        rng : numpy.random.Generator
            Decides what is drawn.
        n_nuclei : int
            Nuclei after completion, about; with `head`, what that says counts.
        brightness : ndarray of float, shape (n,), optional
            Marker brightness relative to the median; drawn from the anatomy if None.
        head : HeadSettings, optional
            How many of the neurons that the list lacks are absent, with nameless nuclei in their
            stead; none by default.

        Raises
        ------
        ValueError
            If fewer than five names are known to the anatomy, or the lengths differ.
        """
        given = np.asarray(position_um, np.float64)
        if given.shape != (len(names), 3):
            raise ValueError(
                f"Expected positions of shape ({len(names)}, 3), one per name, got {given.shape}."
            )
        chosen = head or HeadSettings(n_nuclei=n_nuclei)
        canonical = anatomy.align(names, given)
        extra_um, extra_row = anatomy.complete(
            names, canonical, n_extra=chosen.n_nuclei - len(names), rng=rng, head=chosen
        )
        shape = anatomy.furnish(
            np.r_[anatomy.numbers(names), extra_row],
            np.concatenate([canonical, extra_um]),
            is_listed=np.r_[[bool(name) for name in names], np.zeros(len(extra_um), bool)],
            n_fixed=len(names),
            rng=rng,
            head=chosen,
        )
        light = shape.brightness.copy()
        if brightness is not None:
            light[: len(names)] = brightness
        all_names = (*names, *shape.names[len(names) :])
        return replace(shape, names=all_names, brightness=light)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Anatomy:
    """Statistics of the heads of real animals, from which animals can be drawn.

    Rows follow `neurons`. Positions are `(z, y, x)` in um in the canonical frame, see
    `AnimalShape`.
    """

    neurons: NeuronTable
    mean_um: NDArray[np.float64]
    modes_um: NDArray[np.float64]
    residual_sd_um: NDArray[np.float64]
    tail_degrees: float
    p_present: NDArray[np.float64]
    p_listed: NDArray[np.float64]
    log_brightness: NDArray[np.float64]
    log_brightness_sd: NDArray[np.float64]

    @classmethod
    def load(cls, path: Path | None = None) -> "Anatomy":
        """Return the fitted anatomy of the package, or of another file of the recipe."""
        table = load_parameters(path)
        return cls(
            neurons=NeuronTable.from_names(str(name) for name in table["names"]),
            tail_degrees=float(table["tail_degrees"]),
            **{key: np.asarray(table[key], np.float64) for key in _ARRAYS},
        )

    @property
    def n_modes(self) -> int:
        """Number of modes of deformation."""
        return int(self.modes_um.shape[2])

    def numbers(self, names: Sequence[str]) -> NDArray[np.int64]:
        """Return the row of each name, -1 where the anatomy lacks it."""
        row = {name: index for index, name in enumerate(self.neurons.names)}
        return np.array([row.get(name, -1) for name in names], np.int64)

    def sample(
        self,
        rng: np.random.Generator,
        *,
        n_nuclei: int = N_NUCLEI,
        head: HeadSettings | None = None,
    ) -> AnimalShape:
        """Return a new animal.

        Parameters
        ----------
        rng : numpy.random.Generator
            Decides everything.
        n_nuclei : int
            Nuclei in the head, about; those beyond the anatomy's neurons are nameless. With
            `head`, what that says counts.
        head : HeadSettings, optional
            Which nuclei the head holds; nearly all neurons by default.
        """
        chosen = head or HeadSettings(n_nuclei=n_nuclei)
        place = self._whole(rng, chosen.variation)
        wanted = chosen.n_nuclei + int(rng.integers(-6, 7))
        rows = self._present(chosen, wanted, rng)
        extra = place_fillers(place[rows], place, wanted - len(rows), rng)
        care = rng.normal(0.0, 0.7)
        chance = 1 / (1 + np.exp(-(np.log(self.p_listed / (1 - self.p_listed)) + care)))
        return self.furnish(
            np.r_[rows, np.full(len(extra), -1)],
            np.concatenate([place[rows], extra]),
            is_listed=np.r_[rng.random(len(rows)) < chance[rows], np.zeros(len(extra), bool)],
            n_fixed=0,
            rng=rng,
            head=chosen,
        )

    def furnish(
        self,
        rows: NDArray[np.int64],
        position_um: NDArray[np.float64],
        *,
        is_listed: NDArray[np.bool_],
        n_fixed: int,
        rng: np.random.Generator,
        head: HeadSettings | None = None,
    ) -> AnimalShape:
        """Return an animal with these nuclei and some glia, with sizes, brightness and room."""
        chosen = head or HeadSettings()
        n_glia = chosen.n_glia
        glia = position_um[rng.integers(0, len(rows), n_glia)] + rng.normal(0, 4.0, (n_glia, 3))
        place = np.ascontiguousarray(np.concatenate([position_um, glia]), np.float64)
        rows = np.r_[rows, np.full(n_glia, -1)]
        nearest = rows.copy()
        nearest[rows < 0] = self._nearest(place[rows < 0])
        room = ROOM_UM * np.exp(rng.normal(0, 0.05) + rng.normal(0, 0.12, len(rows)))
        push_apart(place, room, 30, n_fixed)
        light = self._brightness(rows, nearest, chosen.brightness_trust, rng)
        light[len(rows) - n_glia :] *= 0.4
        names = self.neurons.names
        return AnimalShape(
            names=tuple(names[row] if row >= 0 else "" for row in rows),
            position_um=place,
            radius_um=_radii(place, rng),
            brightness=light,
            is_listed=np.r_[is_listed, np.zeros(n_glia, bool)],
            modes_um=self.modes_um[nearest],
        )

    def align(self, names: Sequence[str], position_um: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return an animal's nuclei turned and shifted, and mirrored if need be, to the frame.

        Raises
        ------
        ValueError
            If fewer than five of its names are known.
        """
        rows = self.numbers(names)
        known = rows >= 0
        if known.sum() < MIN_NAMED_FOR_FIT:
            raise ValueError(
                f"Aligning an animal needs {MIN_NAMED_FOR_FIT} neurons that the anatomy knows,"
                f" got {int(known.sum())}."
            )
        goal = self.mean_um[rows[known]]
        best, least = position_um, np.inf
        for allow_mirror in (False, True):
            matrix, center, target = rigid_fit(position_um[known], goal, allow_mirror=allow_mirror)
            moved = (position_um - center) @ matrix + target
            error = float(np.median(np.linalg.norm(moved[known] - goal, axis=1)))
            if error < 0.8 * least:
                best, least = moved, error
        return best

    def complete(
        self,
        names: Sequence[str],
        position_um: NDArray[np.float64],
        *,
        n_extra: int,
        rng: np.random.Generator,
        head: HeadSettings | None = None,
    ) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
        """Return positions and rows of nuclei that an animal's list lacks.

        Parameters
        ----------
        names : sequence of str
            Names of the listed nuclei, empty where there is none.
        position_um : ndarray of float64, shape (n, 3)
            Their places in the canonical frame.
        n_extra : int
            Nuclei that are wanted.
        rng : numpy.random.Generator
            Decides what is drawn.
        head : HeadSettings, optional
            How many neurons are absent; none but what real heads lack by default.
        """
        chosen = head or HeadSettings()
        rows = self.numbers(names)
        mode = self.infer_modes(rows[rows >= 0], position_um[rows >= 0], rng)
        guess = self.mean_um + self.modes_um @ mode + chosen.variation * self._residual(rng)
        missing = np.setdiff1d(np.arange(len(self.neurons)), rows)
        n_absent = round(chosen.filler_share * len(self.neurons))
        absent = choose_absent(self.p_listed[missing], chosen, n_absent, rng)
        missing = missing[~absent & (rng.random(len(missing)) < self.p_present[missing])]
        distance = np.linalg.norm(guess[missing, None] - position_um[None], axis=2).min(1)
        # nearer ones are most likely listed nuclei without a name
        missing = missing[distance > 2.0][: max(n_extra, 0)]
        whole = np.concatenate([position_um, guess[missing]])
        more = place_fillers(whole, np.concatenate([whole, guess]), n_extra - len(missing), rng)
        return np.concatenate([guess[missing], more]), np.r_[missing, np.full(len(more), -1)]

    def infer_modes(
        self,
        rows: NDArray[np.int64],
        position_um: NDArray[np.float64],
        rng: np.random.Generator,
    ) -> NDArray[np.float64]:
        """Return modes of deformation drawn given where some neurons lie, shape `(k,)`."""
        loading = self.modes_um[rows].reshape(-1, self.n_modes)
        precision = 1 / self.residual_sd_um[rows].reshape(-1) ** 2
        off = (position_um - self.mean_um[rows]).reshape(-1)
        scaled = loading * precision[:, None]
        covariance = np.linalg.inv(np.eye(self.n_modes) + scaled.T @ loading)
        drawn: NDArray[np.float64] = covariance @ (scaled.T @ off)
        root = np.linalg.cholesky(covariance)
        return drawn + root @ rng.standard_normal(self.n_modes)

    def _present(
        self, head: HeadSettings, wanted: int, rng: np.random.Generator
    ) -> NDArray[np.int64]:
        """Return the rows of the neurons that a head holds, in order."""
        n_absent = round(head.filler_share * len(self.neurons))
        absent = choose_absent(self.p_listed, head, n_absent, rng)
        rows = np.flatnonzero(~absent & (rng.random(len(self.neurons)) < self.p_present))
        if len(rows) > wanted:
            rows = np.sort(rng.choice(rows, wanted, replace=False))
        return rows

    def _whole(self, rng: np.random.Generator, variation: float) -> NDArray[np.float64]:
        """Return a place for every neuron of a new animal, `(n, 3)`."""
        mode = variation * sample_modes(self.n_modes, rng)
        place: NDArray[np.float64] = self.mean_um + self.modes_um @ mode
        return exchange_some(place + variation * self._residual(rng), rng)

    def _residual(self, rng: np.random.Generator) -> NDArray[np.float64]:
        return sample_residual(self.mean_um, self.residual_sd_um, self.tail_degrees, rng)

    def _brightness(
        self,
        rows: NDArray[np.int64],
        nearest: NDArray[np.int64],
        trust: float,
        rng: np.random.Generator,
    ) -> NDArray[np.float64]:
        """Return brightness relative to the median, that of the name as far as it is trusted."""
        typical = float(self.log_brightness.std())
        named = np.where(rows >= 0, trust, 0.0)
        spread = np.sqrt(self.log_brightness_sd[nearest] ** 2 + (1 - named**2) * typical**2)
        log_light = named * self.log_brightness[nearest] + spread * rng.standard_normal(len(rows))
        light: NDArray[np.float64] = np.exp(log_light)
        return light

    def _nearest(self, position_um: NDArray[np.float64]) -> NDArray[np.int64]:
        # |a - b|^2 without |a|^2, which is the same for all b
        square = (self.mean_um**2).sum(1) - 2 * position_um @ self.mean_um.T
        nearest: NDArray[np.int64] = square.argmin(1)
        return nearest


_ARRAYS = (
    "mean_um",
    "modes_um",
    "residual_sd_um",
    "p_present",
    "p_listed",
    "log_brightness",
    "log_brightness_sd",
)


def _radii(position_um: NDArray[np.float64], rng: np.random.Generator) -> NDArray[np.float64]:
    """Return nuclear radii: a bit over a third of the spacing around each, give or take a fifth.

    The name has no say in it: nobody has measured that it does, and a network that finds a cue
    in it relies on what no microscope shows.
    """
    n_near = min(3, len(position_um) - 1)
    if n_near < 1:
        return np.full(len(position_um), _LONE_RADIUS_UM)
    distance, _ = cKDTree(position_um).query(position_um, k=n_near + 1)
    spacing = np.clip(distance[:, 1:].mean(1), *_SPACING_RANGE_UM)
    radius = _RADIUS_PER_SPACING * spacing * np.exp(rng.normal(0, 0.2, len(spacing)))
    clipped: NDArray[np.float64] = np.clip(radius, *RADIUS_RANGE_UM)
    return clipped


@lru_cache(maxsize=4)
def load_parameters(path: Path | None = None) -> dict[str, NDArray[np.generic]]:
    """Return all fitted parameters of the package's file, or of another file of the recipe."""
    if path is not None:
        with np.load(path) as table:
            return {key: table[key] for key in table.files}
    with (files("napari_acll.simulate") / "anatomy.npz").open("rb") as file, np.load(file) as own:
        return {key: own[key] for key in own.files}


def held_out_animals() -> dict[str, tuple[str, ...]]:
    """Return the real animals, by lab, that the shipped anatomy was fitted without."""
    text = (files("napari_acll.simulate") / "held_out.json").read_text(encoding="utf-8")
    return {lab: tuple(names) for lab, names in json.loads(text)["animals"].items()}
