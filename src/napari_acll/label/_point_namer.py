"""Names for the nuclei of one volume: postures, network, one-to-one assignment."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from napari_acll.label._one_thread import one_thread
from napari_acll.label._point_features import as_fine, nucleus_features
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
_CLEAR_LEAD = 0.15
"""A posture that fits the atlas so much better than every other one, in log density of a nucleus,
is looked at alone first. It had the surest names in all 65 of 88 volumes (46 virtual animals, 42
volumes of validation animals) in which it was so clear and its names were."""
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
    chance : ndarray of float64, shape (n, k + 1)
        Their probabilities.
    place_um : ndarray of float64, shape (n, 3)
        Where the nuclei lie in the atlas's frame, `(z, y, x)`.
    """

    logits: Floats
    chance: Floats
    place_um: Floats


@dataclass(frozen=True, slots=True, eq=False)
class _View:
    """What the network says in one posture, and how sure the surest names are."""

    pose: Pose
    logits: Floats
    chance: Floats
    agreement: float


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
        features = nuclei.features(is_fine=False)
        views, is_clear = self._first_pass(nuclei, features)
        features = as_fine(features)
        for n_kept in (1, 1) if is_clear else _KEPT_POSES:
            best = sorted(views, key=lambda view: -view.agreement)[:n_kept]
            laid = [self._affine(nuclei.position_um, view.chance, view.pose) for view in best]
            places = np.stack([pose.apply(nuclei.position_um) for pose in laid])
            views = self._views([view.pose for view in best], places, features)
        return Look(views[0].logits, views[0].chance, places[0])

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
        mirrored = self._run(look.place_um[None] * _ACROSS, nuclei.features(is_fine=True))
        there = _agreement(self.calibrated(mirrored[0]))
        return _agreement(look.chance) - there

    def _first_pass(
        self, nuclei: NucleusTable, features: NDArray[np.float32]
    ) -> tuple[list["_View"], bool]:
        """Return what was seen in each posture, and whether the surest is clearly right.

        A clear one makes an end of it, for the others would only be dropped.
        """
        poses = likeliest_poses(nuclei.position_um, self._atlas, n_best=N_POSES)
        views: list[_View] = []
        n_more = 1 if _lead(poses) >= _CLEAR_LEAD else _N_AT_ONCE
        while len(views) < len(poses):
            some = poses[len(views) : len(views) + n_more]
            placed = np.stack([pose.apply(nuclei.position_um) for pose in some])
            views += self._views(some, placed, features)
            if _is_clear([view.agreement for view in views]):
                return views, True
            n_more = _N_AT_ONCE
        return views, False

    def _views(
        self, poses: Sequence[Pose], places_um: Floats, features: NDArray[np.float32]
    ) -> list["_View"]:
        """Return what the network says of the nuclei at some places, `(p, n, 3)`."""
        views = []
        for pose, logits in zip(poses, self._run(places_um, features), strict=True):
            chance = self.calibrated(logits)
            views.append(_View(pose, logits, chance, _agreement(chance)))
        return views

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

    def _run(self, places_um: Floats, features: NDArray[np.float32]) -> NDArray[np.float64]:
        """Return the logits of names, `(p, n, k + 1)`, of the same nuclei at places `(p, n, 3)`.

        One thread is as fast: threads wait for each other after each of a hundred small steps.
        """
        with torch.inference_mode(), one_thread():
            place = torch.from_numpy(places_um.astype(np.float32)).to(self._device)
            looks = torch.from_numpy(features).to(self._device).expand(len(place), -1, -1)
            logits, _ = self._network(place, looks, None)
            result: NDArray[np.float64] = logits.double().numpy(force=True)
        return result


def _lead(poses: Sequence[Pose]) -> float:
    """Return by how much the likeliest posture fits the atlas better than any other."""
    if len(poses) < 2:
        return 0.0
    return poses[0].log_likelihood - poses[1].log_likelihood


def _is_clear(agreements: Sequence[float]) -> bool:
    """Return whether one of several postures, or the one looked at, is right beyond doubt."""
    *others, best = sorted(agreements)
    ratio = best / max(others[-1], 1e-9) if others else np.inf
    return bool(best >= _CLEAR_AGREEMENT * _N_AGREEING and ratio >= _CLEAR_RATIO)


def _agreement(chance: Floats) -> float:
    """Return how sure the names are in one posture."""
    return float(np.sort(chance[:, 1:].max(0))[-_N_AGREEING:].sum())
