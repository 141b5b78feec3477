"""The animals that the bundled model learns from, is calibrated on and is scored on."""

import hashlib
import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

import numpy as np

from napari_acll.core import SettingsError
from napari_acll.label import Atlas
from napari_acll.simulate import Anatomy, HeadSettings, WormSettings, held_out_animals
from napari_acll.training._real_animals import RealHead, in_one_frame, read_heads
from napari_acll.training._settings import TrainSettings
from napari_acll.training._volumes import RenderedVolume, random_settings, render_shape

_LEAST_SD_UM = 0.8
_MAIN_LAB = "SF"
_MAIN_LAB_SHARE = 0.6
"""How often an animal of the lab is drawn whose recordings the original pipeline labels."""
_LEAST_NAMED = 20


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Herd:
    """Virtual animals without end, and the real ones whose geometry may be learned from.

    Parameters
    ----------
    anatomy : Anatomy
        Where virtual animals come from, and what completes real ones.
    heads : tuple of RealHead
        Real animals to learn from.
    calibration_heads : tuple of RealHead
        Real animals that are not learned from, for the calibration.
    hashes : dict of str
        SHA-256 of the tables that they come from, by file name.
    """

    anatomy: Anatomy
    heads: tuple[RealHead, ...] = ()
    calibration_heads: tuple[RealHead, ...] = ()
    hashes: dict[str, str] = field(default_factory=dict)

    @property
    def calibration_words(self) -> str:
        """What the calibration is made on, in words."""
        n = len(self.calibration_heads)
        return f"virtual animals and {n} real geometries" if n else "virtual animals"

    @classmethod
    def from_settings(cls, settings: TrainSettings) -> Self:
        """Return the animals of a training; those that are held out are in neither group.

        Raises
        ------
        RecordingError
            If the table of positions is missing or lacks a column.
        SettingsError
            If an animal for the calibration is not in it, or is held out.
        """
        file = settings.anatomy_file
        anatomy = Anatomy.load(Path(file) if file else None)
        if settings.positions_file is None:
            return cls(anatomy=anatomy)
        return cls._of_table(anatomy, settings)

    @classmethod
    def _of_table(cls, anatomy: Anatomy, settings: TrainSettings) -> Self:
        path = Path(os.path.expandvars(settings.positions_file or ""))
        held_out = {(lab, name) for lab, names in held_out_animals().items() for name in names}
        held_out = set() if settings.uses_held_out else held_out
        heads = {
            _key(head): head
            for head in read_heads(path)
            if (head.lab, head.animal) not in held_out and len(head.names) >= _LEAST_NAMED
        }
        unknown = set(settings.calibration_animals) - heads.keys()
        if unknown:
            raise SettingsError(
                f"Expected animals for the calibration that are in {path} and not held out,"
                f" got {', '.join(sorted(unknown))}; correct calibration_animals."
            )
        apart = set(settings.calibration_animals)
        placed = in_one_frame(list(heads.values()), anatomy)
        return cls(
            anatomy=anatomy,
            heads=tuple(head for head in placed if _key(head) not in apart),
            calibration_heads=tuple(head for head in placed if _key(head) in apart),
            hashes={path.name: hashlib.sha256(path.read_bytes()).hexdigest()},
        )

    def draw_head(self, rng: np.random.Generator) -> RealHead:
        """Return one of the real animals to learn from.

        Raises
        ------
        ValueError
            If there are none.
        """
        if not self.heads:
            raise ValueError("Expected real animals to draw from, this herd has none.")
        main = [head for head in self.heads if head.lab == _MAIN_LAB]
        others = [head for head in self.heads if head.lab != _MAIN_LAB]
        is_main = bool(main) and (not others or rng.random() < _MAIN_LAB_SHARE)
        group = main if is_main else others
        return group[int(rng.integers(len(group)))]

    def typical_volumes(self, n: int, *, seed: tuple[int, ...]) -> Iterator[RenderedVolume]:
        """Yield one volume each of `n` virtual animals on the usual rig."""
        yield from simulated_volumes(self.anatomy, n, seed=seed)

    def learning_volumes(self, n: int, *, seed: tuple[int, ...]) -> Iterator[RenderedVolume]:
        """Yield volumes of animals to learn from, virtual and real by turns, on many rigs."""
        rng = np.random.default_rng(seed)
        for index in range(n):
            is_real = bool(self.heads) and index % 2 == 0
            head = self.draw_head(rng) if is_real else None
            yield self._render(head, rng, is_usual=index % 4 < 2)

    def calibration_volumes(self, n: int, *, seed: tuple[int, ...]) -> Iterator[RenderedVolume]:
        """Yield volumes of animals that are not learned from, virtual and real by turns."""
        rng = np.random.default_rng(seed)
        apart = self.calibration_heads
        for index in range(n):
            is_real = bool(apart) and index % 2 == 0
            head = apart[index // 2 % len(apart)] if is_real else None
            yield self._render(head, rng, is_usual=index % 4 < 2)

    def _render(
        self, head: RealHead | None, rng: np.random.Generator, *, is_usual: bool
    ) -> RenderedVolume:
        kind = HeadSettings.sample(rng)
        if head is not None:
            shape = head.shape(self.anatomy, rng, head=kind)
        else:
            shape = self.anatomy.sample(rng, head=kind)
        settings = WormSettings(n_volumes=1) if is_usual else random_settings(rng)
        return render_shape(shape, settings, seed=int(rng.integers(2**31)))


def _key(head: RealHead) -> str:
    return f"{head.lab}/{head.animal}"


def simulated_volumes(
    anatomy: Anatomy, n: int, *, seed: tuple[int, ...]
) -> Iterator[RenderedVolume]:
    """Yield one volume each of `n` new animals on the usual rig.

    Parameters
    ----------
    anatomy : Anatomy
        Where the animals come from.
    n : int
        Animals.
    seed : tuple of int
        Decides them; other seeds give other animals.
    """
    rng = np.random.default_rng(seed)
    for _ in range(n):
        shape = anatomy.sample(rng)
        yield render_shape(shape, WormSettings(n_volumes=1), seed=int(rng.integers(2**31)))


def home_of(anatomy: Anatomy) -> Atlas:
    """Return where the neurons of an anatomy lie, and how far they stray beside the posture."""
    return Atlas(anatomy.mean_um, np.maximum(anatomy.residual_sd_um, _LEAST_SD_UM))


def atlas_of(anatomy: Anatomy) -> Atlas:
    """Return where the neurons of an anatomy lie, and how far they stray from it."""
    variance = (anatomy.modes_um**2).sum(2) + anatomy.residual_sd_um**2
    return Atlas(anatomy.mean_um, np.sqrt(variance))
