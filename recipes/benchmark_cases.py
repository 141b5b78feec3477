"""Which volumes the benchmark holds."""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from functools import lru_cache
from pathlib import Path

from benchmark_animals import FLAVORS, MAIN_LAB, WHOLE_LAB, held_out_keys, validation_keys
from other_worm import LARGE_FIELD, SMALL_FIELD

from napari_acll import simulate

RENDERERS = ("own", "other")
_STRENGTHS: dict[str, tuple[float, ...]] = {
    "light": (1.0, 0.5, 0.25),
    "motion": (1.0, 2.0, 4.0),
    "shear": (1.0, 3.0),
    "n_missing_slices": (0, 2, 5),
    "absent": (0.0, 0.2, 0.4),
}
_STRENGTHS_OF_OTHER: dict[str, tuple[float, ...]] = {
    "brightness_by_name": (1.0, 0.0),
    "blur": (1.0, 1.5),
    "tissue": (0.0, 1.0, 3.0),
    "nucleus_size": (0.8, 1.0, 1.2),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One volume to be made; everything that decides it.

    Parameters
    ----------
    group : str
        What it is scored with.
    renderer : str
        One of `RENDERERS`.
    animal : str
        `lab/animal`, or a number for a simulated one.
    flavor : str
        How the animal is completed, one of `FLAVORS`; `simulated` for an animal of the anatomy.
    pose : int
        Number of the posture.
    is_large : bool
        Which of the two fields.
    light, motion, shear : float
        Factors, see `other_worm.Rig`.
    n_missing_slices : int
        Slices without light.
    absent : float
        Share of the nuclei that the animal lacks.
    brightness_by_name, blur, tissue, nucleus_size : float
        See `other_worm.Rig`; the own renderer does not heed them.
    """

    group: str
    renderer: str
    animal: str
    flavor: str
    pose: int = 0
    is_large: bool = False
    light: float = 1.0
    motion: float = 1.0
    shear: float = 1.0
    n_missing_slices: int = 0
    absent: float = 0.0
    brightness_by_name: float = 1.0
    blur: float = 1.0
    tissue: float = 1.0
    nucleus_size: float = 1.0

    @property
    def shape(self) -> tuple[int, int, int]:
        """`(Z, Y, X)` voxels."""
        return LARGE_FIELD if self.is_large else SMALL_FIELD

    @property
    def seed(self) -> int:
        """The same for an animal and a pose, whatever the renderer and its disturbances."""
        text = f"{self.animal} {self.flavor} {self.pose}"
        return int.from_bytes(hashlib.sha256(text.encode()).digest()[:6], "big")

    def digest(self) -> str:
        """Return a hash of all that decides the volume; the group does not."""
        values = {**asdict(self), "group": "", "code": code_digest(self.renderer)}
        return hashlib.sha256(json.dumps(values, sort_keys=True).encode()).hexdigest()[:20]


def benchmark_cases(
    keys: list[tuple[str, str]], *, n_simulated: int, n_poses: int, is_validation: bool
) -> list[Case]:
    """Return the cases of a report: simulated animals and real ones, by both renderers.

    Parameters
    ----------
    keys : list of (str, str)
        Lab and name of all real animals; none gives simulated ones alone.
    n_simulated : int
        Simulated animals.
    n_poses : int
        Postures of each real animal, for each renderer and each way to complete it.
    is_validation : bool
        Animals for research choices in place of those that are held out.
    """
    choose = validation_keys if is_validation else held_out_keys
    chosen = choose(keys) if keys else []
    simulated = [
        Case(
            group="simulated",
            renderer="own",
            animal=str(number),
            flavor="simulated",
            is_large=bool(number % 2),
        )
        for number in range(n_simulated)
    ]
    real = [
        Case(
            group=group_of(lab, is_validation=is_validation),
            renderer=renderer,
            animal=f"{lab}/{animal}",
            flavor=flavor,
            pose=pose,
            is_large=bool((pose + number + (flavor == FLAVORS[1])) % 2),
        )
        for renderer in RENDERERS
        for number, (lab, animal) in enumerate(chosen)
        for flavor in FLAVORS
        for pose in range(n_poses)
    ]
    return simulated + real


@lru_cache
def code_digest(renderer: str) -> str:
    """Return a hash of the files that decide what a renderer draws."""
    recipes = Path(__file__).parent
    package = Path(simulate.__file__).parent
    files = [recipes / "benchmark_animals.py", package / "anatomy.npz", package / "held_out.json"]
    if renderer == "other":
        files += [recipes / "other_renderer.py", recipes / "other_worm.py"]
    else:
        files += [recipes / "benchmark_volumes.py", *sorted(package.glob("*.py"))]
    digest = hashlib.sha256()
    for file in files:
        digest.update(file.read_bytes())
    return digest.hexdigest()


def group_of(lab: str, *, is_validation: bool) -> str:
    """Return the name of the set that animals of a lab are scored with."""
    if lab in (MAIN_LAB, WHOLE_LAB):
        return f"{lab}, validation" if is_validation else lab
    return "other labs, validation" if is_validation else "other labs"


def disturbed_cases(cases: Sequence[Case]) -> dict[str, list[tuple[float, list[Case]]]]:
    """Return, for every disturbance, its strengths and the same volumes under each.

    Parameters
    ----------
    cases : sequence of Case
        Undisturbed volumes, of one renderer.
    """
    strengths = dict(_STRENGTHS)
    if all(case.renderer == "other" for case in cases):
        strengths |= _STRENGTHS_OF_OTHER
    return {
        what: [(value, [replace(case, **{what: value}) for case in cases]) for value in values]
        for what, values in strengths.items()
    }
