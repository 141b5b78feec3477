"""The animals that the bundled model learns from, is calibrated on and is scored on."""

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import numpy as np

from napari_acll.core import SettingsError
from napari_acll.label import Atlas
from napari_acll.simulate import Anatomy, WormSettings, held_out_animals
from napari_acll.training._real_animals import RealHead, read_heads
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
    """

    anatomy: Anatomy
    heads: tuple[RealHead, ...] = ()
    calibration_heads: tuple[RealHead, ...] = ()

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
        heads = {
            f"{head.lab}/{head.animal}": head
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
        return cls(
            anatomy=anatomy,
            heads=tuple(head for key, head in heads.items() if key not in apart),
            calibration_heads=tuple(heads[key] for key in settings.calibration_animals),
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
        shape = head.shape(self.anatomy, rng) if head else self.anatomy.sample(rng)
        settings = WormSettings(n_volumes=1) if is_usual else random_settings(rng)
        return render_shape(shape, settings, seed=int(rng.integers(2**31)))


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
