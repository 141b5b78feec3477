"""Real heads from the table of positions of named nuclei, to learn from and to evaluate on."""

import csv
import re
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from napari_acll.core import NeuronTable, RecordingError
from napari_acll.label import fit_pose
from napari_acll.simulate import Anatomy, AnimalShape, HeadSettings, Truth

UNKNOWN_NAME = "?"
"""Stands for the name of a nucleus of which nobody knows what it is."""
_MIN_KNOWN = 20
_ACROSS = np.array([-1.0, 1.0, 1.0])
"""Turns places `(z, y, x)` of the anatomy's frame over to the other side."""


def _no_places() -> NDArray[np.float64]:
    return np.zeros((0, 3))


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
    nameless_um : ndarray of float64, shape (m, 3)
        Rows without a name, or with one that is not certain.
    """

    lab: str
    animal: str
    names: tuple[str, ...]
    position_um: NDArray[np.float64]
    nameless_um: NDArray[np.float64] = field(default_factory=_no_places)

    def shape(
        self, anatomy: Anatomy, rng: np.random.Generator, *, head: HeadSettings | None = None
    ) -> AnimalShape:
        """Return the animal, completed with the nuclei that its list lacks.

        Its nuclei without a name are called `UNKNOWN_NAME`.

        Parameters
        ----------
        anatomy : Anatomy
            Where the rest comes from.
        rng : numpy.random.Generator
            Decides what is drawn.
        head : HeadSettings, optional
            Which of the rest are neurons; all of them if None.
        """
        names = (*self.names, *(UNKNOWN_NAME for _ in self.nameless_um))
        places = np.concatenate([self.position_um, self.nameless_um])
        return AnimalShape.from_positions(names, places, anatomy=anatomy, rng=rng, head=head)


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
                head = places.setdefault((row["lab"], row["animal"]), {})
                place = [float(row[f"{axis}_um"]) for axis in "zyx"]
                head.setdefault(_certain_name(row["ID"]), []).append(place)
    except (OSError, KeyError, ValueError) as error:
        raise RecordingError(
            f"Expected a table of named positions with columns lab, animal, x_um, y_um, z_um and"
            f" ID, {path} is none ({error!r}); give the file that the documentation names."
        ) from error
    return [_head(key, named) for key, named in places.items()]


def _head(key: tuple[str, str], named: dict[str, list[list[float]]]) -> RealHead:
    once = {name: rows[0] for name, rows in named.items() if name and len(rows) == 1}
    rest = [place for name, rows in named.items() if name not in once for place in rows]
    return RealHead(
        lab=key[0],
        animal=key[1],
        names=tuple(once),
        position_um=np.array(list(once.values()), np.float64).reshape(-1, 3),
        nameless_um=np.array(rest, np.float64).reshape(-1, 3),
    )


def true_classes(truth: Truth, neurons: NeuronTable, unknown: int) -> NDArray[np.int64]:
    """Return the class number of each nucleus of a volume, 0 for none of the neurons.

    Parameters
    ----------
    truth : Truth
        Of the volume.
    neurons : NeuronTable
        Of the model.
    unknown : int
        Number of nuclei of which nobody knows what they are.
    """
    classes = truth.class_numbers(neurons).astype(np.int64)
    classes[[name == UNKNOWN_NAME for name in truth.names]] = unknown
    return classes


def in_one_frame(heads: Sequence[RealHead], anatomy: Anatomy) -> list[RealHead]:
    """Return animals in the anatomy's frame, what the mounts of a lab stretch taken out.

    Parameters
    ----------
    heads : sequence of RealHead
        Animals as they were published; those with fewer than 20 neurons that the anatomy knows
        are left out.
    anatomy : Anatomy
        Whose frame it is.
    """
    aligned = [_aligned(head, anatomy) for head in heads if _n_known(head, anatomy) >= _MIN_KNOWN]
    stretch = {lab: _lab_stretch(lab, aligned, anatomy) for lab in {head.lab for head in aligned}}
    return [
        _aligned(
            replace(
                head,
                position_um=head.position_um @ stretch[head.lab],
                nameless_um=head.nameless_um @ stretch[head.lab],
            ),
            anatomy,
        )
        for head in aligned
    ]


def mirror_image(head: RealHead, anatomy: Anatomy) -> RealHead:
    """Return a head with its sides exchanged, left for right also in the names.

    What is mirrored is how far each nucleus lies from its neuron's mean place, so that each side
    keeps what sets it apart on average. Real heads are as different on one side as on the other:
    each of them shows how two animals may look.

    Parameters
    ----------
    head : RealHead
        In the anatomy's frame, see `in_one_frame`.
    anatomy : Anatomy
        Whose frame it is.
    """
    partner = _partners(anatomy)
    across = anatomy.mean_um[partner] - anatomy.mean_um * _ACROSS
    row = anatomy.numbers(head.names)
    known = row >= 0
    _, nearest = cKDTree(anatomy.mean_um).query(head.position_um)
    moved = head.position_um * _ACROSS + across[np.where(known, row, nearest)]
    _, beside = cKDTree(anatomy.mean_um).query(head.nameless_um)
    return replace(
        head,
        names=tuple(
            anatomy.neurons.names[partner[number]] if number >= 0 else name
            for name, number in zip(head.names, row, strict=True)
        ),
        position_um=moved,
        nameless_um=head.nameless_um * _ACROSS + across[beside],
    )


def _partners(anatomy: Anatomy) -> NDArray[np.int64]:
    """Return the row of each neuron's partner on the other side; its own if there is none."""
    partner = np.array(anatomy.neurons.homologues(), np.int64) - 1
    return np.where(partner >= 0, partner, np.arange(len(partner)))


def _n_known(head: RealHead, anatomy: Anatomy) -> int:
    return int((anatomy.numbers(head.names) >= 0).sum())


def _aligned(head: RealHead, anatomy: Anatomy) -> RealHead:
    names = (*head.names, *("" for _ in head.nameless_um))
    place = anatomy.align(names, np.concatenate([head.position_um, head.nameless_um]))
    n = len(head.names)
    return replace(head, position_um=place[:n], nameless_um=place[n:])


def _lab_stretch(lab: str, heads: Sequence[RealHead], anatomy: Anatomy) -> NDArray[np.float64]:
    """Return the stretch `S` of places `place @ S` that the lab's median animal needs."""
    logs = []
    for head in heads:
        if head.lab == lab:
            row = anatomy.numbers(head.names)
            known = row >= 0
            fit = fit_pose(head.position_um[known], anatomy.mean_um[row[known]], is_affine=True)
            u, scale, _ = np.linalg.svd(fit.matrix)
            logs.append(u @ np.diag(np.log(scale)) @ u.T)
    value, vector = np.linalg.eigh(np.median(logs, axis=0))
    stretch: NDArray[np.float64] = vector @ np.diag(np.exp(value)) @ vector.T
    return stretch


def _certain_name(name: str) -> str:
    """Return the name in the atlas's spelling, empty where it is not certain."""
    if "?" in name:
        return ""
    match = re.fullmatch(r"(VA|VB|VD|DA|DB|DD|AS)(\d)", name)
    return f"{match[1]}0{match[2]}" if match else name
