"""Names for the nuclei of one volume: postures, network, one-to-one assignment."""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from napari_acll.label._point_features import nucleus_features
from napari_acll.label._point_frame import Atlas, Pose, affine_fit, likeliest_poses
from napari_acll.label._point_identifier import IdentifierNetwork
from napari_acll.label._point_model import Calibration
from napari_acll.naming import assign_names, name_probabilities

Floats = NDArray[np.float64]

N_POSES = 12
"""Postures that the network gets to judge: all of them. Which one fits the atlas best tells little
where half of the nuclei are none of the atlas's neurons."""
_KEPT_POSES = (3, 1)
"""How many of them go on to each further pass, which lays the animal on the atlas by the names of
the one before."""
_N_AT_ONCE = 3
_CLEAR_AGREEMENT = 0.63
_CLEAR_RATIO = 1.2
"""A posture is the right one, and no other need be looked at, if its surest 60 names are so sure
on average, and so much surer than in every other one looked at. In 46 volumes of 20 virtual
animals no wrong posture reached 0.58, and the right one was below 0.63 in seven, for which all
are looked at as ever."""
_N_AGREEING = 60
_MIN_TRUST = 0.3
_ACROSS = np.array([-1.0, 1.0, 1.0])
"""Turns places of the atlas's frame, `(z, y, x)`, over to the other side."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class NucleusTable:
    """What is known about the nuclei of one volume before they have names.

    Parameters
    ----------
    position_um : ndarray of float64, shape (n, 3)
        `(z, y, x)`, as they lie in the volume.
    brightness : ndarray of float, shape (n,)
        Marker counts above background, in any unit.
    radius_um : ndarray of float, shape (n,)
        Radius of a ball of the nucleus's size.
    height : ndarray of float, shape (n,)
        How sure the detector is, 0 to 1.
    """

    position_um: Floats
    brightness: NDArray[np.floating]
    radius_um: NDArray[np.floating]
    height: NDArray[np.floating]

    def __len__(self) -> int:
        return len(self.position_um)

    def features(self, *, is_fine: bool) -> NDArray[np.float32]:
        """Return what the network is told beside the places."""
        return nucleus_features(
            self.position_um,
            brightness=self.brightness,
            radius_um=self.radius_um,
            height=self.height,
            is_fine=is_fine,
        )


@dataclass(frozen=True, slots=True, eq=False)
class Look:
    """What the network says of a volume in its likeliest posture.

    Parameters
    ----------
    logits : ndarray of float64, shape (n, k + 1)
        Of names, column 0 for "none of these".
    place_um : ndarray of float64, shape (n, 3)
        Where the nuclei lie in the atlas's frame, `(z, y, x)`.
    """

    logits: Floats
    place_um: Floats


class NucleusNamer:
    """Names nuclei.

    Parameters
    ----------
    network : IdentifierNetwork
        Trained identifier, in eval mode.
    atlas : Atlas
        Where its neurons lie in the average animal.
    calibration : Calibration
        From logits to probabilities.
    device : torch.device
        Where the network runs.
    """

    def __init__(
        self,
        network: IdentifierNetwork,
        *,
        atlas: Atlas,
        calibration: Calibration,
        device: torch.device,
    ) -> None:
        self._network = network.to(device).eval()
        self._atlas = atlas
        self._calibration = calibration
        self._device = device

    def probabilities(self, nuclei: NucleusTable) -> Floats:
        """Return probabilities of names, `(n, k + 1)`, column 0 for "none of these"."""
        return self.calibrated(self.logits(nuclei))

    def calibrated(self, logits: NDArray[np.floating]) -> Floats:
        """Return the probabilities of logits."""
        return name_probabilities(
            logits,
            temperature=self._calibration.temperature,
            none_bias=self._calibration.none_bias,
        )

    def logits(self, nuclei: NucleusTable) -> NDArray[np.float64]:
        """Return the logits of the likeliest posture, `(n, k + 1)`."""
        return self.look(nuclei).logits

    def look(self, nuclei: NucleusTable) -> "Look":
        """Return what the network says of the likeliest posture.

        A first pass looks at the volume in one posture after the other until one is clearly the
        right one. In the few whose names agree best, the neurons that it is sure of give an
        affine map to the atlas, in which the next pass looks again; the last one looks in the
        best of these.
        """
        starts, logits, is_clear = self._judged(nuclei)
        features = nuclei.features(is_fine=True)
        for n_kept in (1, 1) if is_clear else _KEPT_POSES:
            order = self._by_agreement(logits)[:n_kept]
            starts = [starts[number] for number in order]
            places = np.stack(
                [
                    self._affine(nuclei.position_um, self.calibrated(logits[number]), start).apply(
                        nuclei.position_um
                    )
                    for number, start in zip(order, starts, strict=True)
                ]
            )
            logits = self._run(places, np.repeat(features[None], len(places), 0))
        return Look(logits[0], places[0])

    def handedness(self, nuclei: NucleusTable, look: "Look") -> float:
        """Return how many more of the surest names agree than in the mirror image.

        It costs one more pass of the network.

        Parameters
        ----------
        nuclei : NucleusTable
            The nuclei.
        look : Look
            What was said of them.
        """
        mirrored = self._run(look.place_um[None] * _ACROSS, nuclei.features(is_fine=True)[None])
        there = _agreement(self.calibrated(mirrored[0]))
        return _agreement(self.calibrated(look.logits)) - there

    def _judged(self, nuclei: NucleusTable) -> tuple[list[Pose], NDArray[np.float64], bool]:
        """Return postures, the logits of names in each, and whether the surest is clearly right.

        A clear one makes an end of it, for the others would only be dropped.
        """
        poses = likeliest_poses(nuclei.position_um, self._atlas, n_best=N_POSES)
        features = nuclei.features(is_fine=False)
        logits: list[NDArray[np.float64]] = []
        for start in range(0, len(poses), _N_AT_ONCE):
            some = poses[start : start + _N_AT_ONCE]
            placed = np.stack([pose.apply(nuclei.position_um) for pose in some])
            logits += list(self._run(placed, np.repeat(features[None], len(some), 0)))
            if _is_clear(self._agreements(logits)):
                return poses[: len(logits)], np.stack(logits), True
        return poses, np.stack(logits), False

    def _by_agreement(self, logits: NDArray[np.float64]) -> list[int]:
        """Return the numbers of postures, the one whose names are surest first."""
        if len(logits) == 1:
            return [0]
        return [int(number) for number in np.argsort(self._agreements(logits))[::-1]]

    def _agreements(self, logits: Iterable[NDArray[np.float64]]) -> Floats:
        """Return how sure the names are in each posture."""
        return np.array([_agreement(self.calibrated(part)) for part in logits])

    def _affine(self, position_um: Floats, chance: Floats, start: Pose) -> Pose:
        neuron, trust = assign_names(chance)
        is_sure = (neuron > 0) & (trust > _MIN_TRUST)
        if is_sure.sum() < 8:
            return start
        target = self._atlas.mean_um[neuron[is_sure] - 1]
        # neurons that stray far tell little about the posture
        spread = (self._atlas.sd_um[neuron[is_sure] - 1] ** 2).mean(1)
        weight = trust[is_sure] / (spread + 2.0)
        weight = weight / weight.mean()
        pose = start
        for _ in range(3):
            pose = affine_fit(position_um[is_sure], target, weight, start=start)
            error = np.linalg.norm(pose.apply(position_um[is_sure]) - target, axis=1)
            weight = trust[is_sure] / (spread + 2.0) / (1 + (error / 5.0) ** 2)
            weight = weight / weight.mean()
        return pose

    def _run(self, position_um: Floats, features: NDArray[np.float32]) -> NDArray[np.float64]:
        with torch.inference_mode():
            place = torch.from_numpy(position_um.astype(np.float32)).to(self._device)
            looks = torch.from_numpy(np.ascontiguousarray(features)).to(self._device)
            is_nucleus = torch.ones(place.shape[:2], dtype=torch.bool, device=self._device)
            logits, _ = self._network(place, looks, is_nucleus)
            result: NDArray[np.float64] = logits.double().numpy(force=True)
        return result


def _is_clear(agreements: Floats) -> bool:
    """Return whether one of several postures is the right one beyond doubt."""
    if len(agreements) < 2:
        return False
    second, best = np.sort(agreements)[-2:]
    return bool(best >= _CLEAR_AGREEMENT * _N_AGREEING and best >= _CLEAR_RATIO * second)


def _agreement(chance: Floats) -> float:
    """Return how sure the names are in one posture."""
    return float(np.sort(chance[:, 1:].max(0))[-_N_AGREEING:].sum())
