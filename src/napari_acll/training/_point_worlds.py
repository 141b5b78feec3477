"""Nuclei of ever new animals for the network that names them, real geometry among them.

A network that has only seen heads in which every nucleus stands where the anatomy has it falls
apart where something else fills the gaps. So what is drawn differs in everything that another
animal, microscope or annotator may do otherwise: which neurons are there, what lies between them,
whether brightness tells anything, and how much of the head is in the field.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from napari_acll.simulate import (
    RADIUS_RANGE_UM,
    Anatomy,
    AnimalShape,
    HeadSettings,
    PointSample,
    PoseSettings,
    pose_positions,
)
from napari_acll.training._point_batches import DetectorErrors, NamedNuclei, detect_points
from napari_acll.training._real_animals import RealHead, in_one_frame, mirror_image

Floats = NDArray[np.float64]
Rows = NDArray[np.int64]

NAMELESS = -1
"""Row of a nucleus that is none of the anatomy's neurons."""
UNKNOWN = -2
"""Row of a nucleus of which nobody knows what it is; it teaches nothing."""
_FILLER_ROOM_UM = 2.2


@dataclass(frozen=True, slots=True, kw_only=True)
class WorldMix:
    """How often what is drawn. Shares are 0 to 1.

    Parameters
    ----------
    real_share : float
        Animals that start from a real one's named nuclei, if there are any.
    main_lab_share : float
        Of these, from the main lab.
    hidden_share : float
        Animals in which part of the neurons that an annotator would not have listed is replaced
        by something nameless in the same place.
    plain_brightness_share : float
        Animals whose brightness has nothing to do with the name.
    plain_radius_share : float
        Animals whose nuclei have sizes that do not even follow the spacing.
    cut_share : float
        Animals of which a part lies outside the field.
    mode_sd : float
        Fresh deformation of a real animal, in SD of the anatomy's modes.
    jitter_um : float
        Most that a nucleus of a real animal strays anew, SD per axis.
    """

    real_share: float = 0.35
    main_lab_share: float = 0.6
    hidden_share: float = 0.4
    plain_brightness_share: float = 0.35
    plain_radius_share: float = 0.5
    cut_share: float = 0.15
    mode_sd: float = 0.35
    jitter_um: float = 0.6


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Nuclei:
    """Nuclei at rest and what they are."""

    position_um: Floats
    row: Rows
    is_listed: NDArray[np.bool_]
    brightness: Floats
    radius_um: Floats

    @classmethod
    def of(cls, shape: AnimalShape, row: Rows) -> "_Nuclei":
        return cls(
            position_um=shape.position_um,
            row=row,
            is_listed=shape.is_listed,
            brightness=shape.brightness,
            radius_um=shape.radius_um,
        )

    def kept(self, is_kept: NDArray[np.bool_]) -> "_Nuclei":
        return _Nuclei(
            position_um=self.position_um[is_kept],
            row=self.row[is_kept],
            is_listed=self.is_listed[is_kept],
            brightness=self.brightness[is_kept],
            radius_um=self.radius_um[is_kept],
        )


class PointWorlds:
    """Draws animals.

    Parameters
    ----------
    anatomy : Anatomy
        Where virtual animals, and the gaps of real ones, come from.
    heads : sequence of RealHead
        Real animals to learn from, each as it is and mirrored; may be empty.
    mix : WorldMix
        How often what is drawn.
    main_lab : str
        Lab whose animals are drawn more often than their number asks for.
    """

    def __init__(
        self,
        anatomy: Anatomy,
        heads: Sequence[RealHead] = (),
        *,
        mix: WorldMix | None = None,
        main_lab: str = "SF",
    ) -> None:
        self._anatomy = anatomy
        self._mix = mix or WorldMix()
        placed = in_one_frame(heads, anatomy)
        placed += [mirror_image(head, anatomy) for head in placed]
        self._main = [head for head in placed if head.lab == main_lab]
        self._others = [head for head in placed if head.lab != main_lab]

    def draw(self, rng: np.random.Generator) -> PointSample:
        """Return the nuclei of a new animal in a random posture.

        `true_neuron` is -1 for nuclei that are none of the anatomy's neurons, and `UNKNOWN` where
        a real animal's nucleus has no name.
        """
        mix = self._mix
        if self._main + self._others and rng.random() < mix.real_share:
            nuclei = self._real(rng)
        else:
            nuclei = self._virtual(rng)
        if rng.random() < mix.hidden_share:
            nuclei = _hidden(nuclei, rng)
        nuclei = _refilled(nuclei, rng)
        nuclei = replace(
            nuclei,
            brightness=self._brightness(nuclei, rng),
            radius_um=self._radii(nuclei, rng),
        )
        sample = _posed(nuclei, rng)
        return _in_field(sample, rng) if rng.random() < mix.cut_share else sample

    def detections(self, rng: np.random.Generator) -> NamedNuclei:
        """Return what some detector would find of a new animal."""
        return detect_points(self.draw(rng), DetectorErrors.sample(rng), rng)

    def _virtual(self, rng: np.random.Generator) -> _Nuclei:
        shape = self._anatomy.sample(rng, head=HeadSettings.sample(rng))
        return _Nuclei.of(shape, self._anatomy.numbers(shape.names))

    def _real(self, rng: np.random.Generator) -> _Nuclei:
        """Return a real animal, what its list lacks drawn anew, and all a little deformed."""
        head = self._choose(rng)
        names = (*head.names, *("" for _ in head.nameless_um))
        places = np.concatenate([head.position_um, head.nameless_um])
        shape = AnimalShape.from_positions(
            names, places, anatomy=self._anatomy, rng=rng, head=HeadSettings.sample(rng)
        )
        row = self._anatomy.numbers(shape.names)
        row[: len(names)][row[: len(names)] < 0] = UNKNOWN
        nuclei = _Nuclei.of(self._deformed(shape, rng), row)
        if len(head.names) > _MOST_LISTED:
            is_listed = nuclei.is_listed & (rng.random(len(row)) < self._p_listed(row, rng))
            nuclei = replace(nuclei, is_listed=is_listed)
        return nuclei

    def _choose(self, rng: np.random.Generator) -> RealHead:
        is_main = bool(self._main) and rng.random() < self._mix.main_lab_share
        heads = self._main if is_main or not self._others else self._others
        return heads[int(rng.integers(len(heads)))]

    def _p_listed(self, row: Rows, rng: np.random.Generator) -> Floats:
        """Return how surely an annotator of the main lab would list each neuron."""
        chance = self._anatomy.p_listed
        odds = np.log(chance / (1 - chance)) + rng.normal(0.0, 0.7)
        listed: Floats = (1 / (1 + np.exp(-odds)))[np.maximum(row, 0)]
        return listed

    def _deformed(self, shape: AnimalShape, rng: np.random.Generator) -> AnimalShape:
        """Move all nuclei a little, so that no real animal comes twice."""
        place = shape.position_um
        mode = rng.normal(0, self._mix.mode_sd, self._anatomy.n_modes)
        stray = rng.uniform(0, self._mix.jitter_um) * rng.standard_normal(place.shape)
        return replace(shape, position_um=place + self._carried(place) @ mode + stray)

    def _carried(self, position_um: Floats) -> Floats:
        """Return how places move with the modes: as the neurons around them do, `(n, 3, k)`."""
        distance, near = cKDTree(self._anatomy.mean_um).query(position_um, k=6)
        weight = 1 / (distance + 2.0) ** 2
        weight /= weight.sum(1, keepdims=True)
        moved: Floats = np.einsum("nj,njak->nak", weight, self._anatomy.modes_um[near])
        return moved

    def _brightness(self, nuclei: _Nuclei, rng: np.random.Generator) -> Floats:
        """Return brightness as another marker, screen or depth would have it."""
        n = len(nuclei.row)
        if rng.random() < self._mix.plain_brightness_share:
            return np.exp(rng.normal(0, rng.uniform(0.1, 0.7), n))
        depth = (nuclei.position_um[:, 0] - nuclei.position_um[:, 0].mean()) / 20.0
        contrast = rng.uniform(0.5, 1.3)
        seen: Floats = np.exp(contrast * np.log(nuclei.brightness) + rng.normal(0, 0.3) * depth)
        return seen

    def _radii(self, nuclei: _Nuclei, rng: np.random.Generator) -> Floats:
        """Return sizes by the anatomy's rule, or by none."""
        if rng.random() >= self._mix.plain_radius_share:
            return nuclei.radius_um
        spread = rng.normal(0, rng.uniform(0.05, 0.3), len(nuclei.row))
        return np.clip(rng.uniform(1.2, 1.8) * np.exp(spread), *RADIUS_RANGE_UM)


_MOST_LISTED = 110
"""Names of the longest list of the main lab; other labs name everything."""


def random_pose(rng: np.random.Generator) -> PoseSettings:
    """Return how variable the posture of the next animal is."""
    default = PoseSettings()
    return PoseSettings(
        roll_deg=default.roll_deg * float(rng.uniform(0.3, 1.8)),
        curvature_per_um=default.curvature_per_um * float(rng.uniform(0.2, 1.4)),
        shear=default.shear * float(rng.uniform(0.2, 1.5)),
        scale=default.scale * float(rng.uniform(0.5, 2.0)),
        stretch=default.stretch * float(rng.uniform(0.5, 2.5)),
    )


def _hidden(nuclei: _Nuclei, rng: np.random.Generator) -> _Nuclei:
    """Take the name of some neurons that are not listed; some more are absent."""
    is_hidden = (nuclei.row >= 0) & ~nuclei.is_listed & (rng.random(len(nuclei.row)) < 0.9)
    is_absent = is_hidden & (rng.random(len(nuclei.row)) < rng.uniform(0.0, 0.6))
    row = np.where(is_hidden, NAMELESS, nuclei.row)
    return replace(nuclei, row=row).kept(~is_absent)


def _refilled(nuclei: _Nuclei, rng: np.random.Generator) -> _Nuclei:
    """Replace part of the nameless nuclei by others that lie beside a nucleus, or anywhere."""
    place = nuclei.position_um
    is_out = (nuclei.row == NAMELESS) & (rng.random(len(place)) < rng.choice([0.0, 0.5, 1.0]))
    n = int(rng.integers(0, is_out.sum() + 15))
    if n == 0:
        return nuclei.kept(~is_out)
    beside = place[rng.integers(0, len(place), n)] + _directions(n, rng) * rng.uniform(
        2, 6, (n, 1)
    )
    corners = place[rng.integers(0, len(place), (n, 3))]
    share = rng.dirichlet(np.ones(3), n)[..., None]
    anywhere = (corners * share).sum(1) + rng.normal(0, 4.0, (n, 3))
    extra = np.where(rng.random((n, 1)) < rng.random(), beside, anywhere)
    nuclei = nuclei.kept(~is_out)
    extra = extra[cKDTree(nuclei.position_um).query(extra)[0] > _FILLER_ROOM_UM]
    light = np.exp(rng.normal(rng.normal(-0.2, 0.2), 0.5, len(extra)))
    return _Nuclei(
        position_um=np.concatenate([nuclei.position_um, extra]),
        row=np.r_[nuclei.row, np.full(len(extra), NAMELESS)],
        is_listed=np.r_[nuclei.is_listed, np.zeros(len(extra), bool)],
        brightness=np.r_[nuclei.brightness, light],
        radius_um=np.r_[nuclei.radius_um, rng.uniform(1.0, 2.2, len(extra))],
    )


def _directions(n: int, rng: np.random.Generator) -> Floats:
    direction = rng.standard_normal((n, 3))
    unit: Floats = direction / np.linalg.norm(direction, axis=1, keepdims=True)
    return unit


def _posed(nuclei: _Nuclei, rng: np.random.Generator) -> PointSample:
    return PointSample(
        position_um=pose_positions(nuclei.position_um, rng, pose=random_pose(rng)),
        neuron=np.where(nuclei.is_listed, nuclei.row, NAMELESS),
        true_neuron=nuclei.row,
        brightness=nuclei.brightness,
        radius_um=nuclei.radius_um,
    )


def _in_field(sample: PointSample, rng: np.random.Generator) -> PointSample:
    """Return what remains when a plane cuts off up to a third of the head."""
    axis = int(rng.choice(3, p=(0.25, 0.15, 0.6)))
    along = sample.position_um[:, axis] * rng.choice([-1.0, 1.0])
    inside = along < np.quantile(along, 1 - rng.uniform(0.03, 0.33))
    return PointSample(
        position_um=sample.position_um[inside],
        neuron=sample.neuron[inside],
        true_neuron=sample.true_neuron[inside],
        brightness=sample.brightness[inside],
        radius_um=sample.radius_um[inside],
    )
