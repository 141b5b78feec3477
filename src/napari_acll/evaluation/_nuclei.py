"""What is compared: the nuclei that are there, and the detections that were named."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from napari_acll.core import Detections, NeuronTable, VolumeSpec, VoxelGrid

Bools = NDArray[np.bool_]
Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Names = NDArray[np.str_]


class MaskSeries(Protocol):
    """Maps of numbered masks, one per volume."""

    @property
    def volumes(self) -> Sequence[int]:
        """Numbers of the volumes that have a map."""
        ...

    def read(self, volume: int) -> NDArray[Any]:
        """Return the map of one volume, `(Z, Y, X)` of unsigned int, 0 outside of all masks."""
        ...


class _SimulatedTruth(Protocol):
    """What is used of `simulate.Truth`."""

    @property
    def index(self) -> int: ...
    @property
    def names(self) -> tuple[str, ...]: ...
    @property
    def is_listed(self) -> NDArray[np.bool_]: ...
    @property
    def centroid_px(self) -> NDArray[np.float64]: ...
    @property
    def ratio(self) -> NDArray[np.float64]: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class TrueNuclei:
    """What is true of one recording; one row per nucleus and volume.

    Parameters
    ----------
    volume : ndarray of int64, shape (n,)
        Number of the volume.
    name : ndarray of str, shape (n,)
        Name of the neuron; empty where it has none, `AVK?` where its side is not known.
    position : ndarray of float64, shape (n, 3)
        `(z, y, x)` center, in voxels of the recording as stored or in um from the center of the
        first voxel.
    is_in_um : bool
        Which of the two.
    is_listed : ndarray of bool, shape (n,)
        Whether an annotator would have named it. Others are nuclei about which the model is asked
        nothing, but must not be wrong.
    is_complete : bool
        Whether every nucleus has a row, also those without a name. If not, a detection that is
        none of the rows may be a nucleus all the same, and nothing is concluded from it.
    ratio : ndarray of float64, shape (n,)
        True activity; NaN where not known.
    instance : ndarray of int64, shape (n,)
        Number of the nucleus in the map of its volume; 0 where it has no mask.
    masks : MaskSeries, optional
        The maps.
    about : str
        Where this comes from.
    """

    volume: Ints
    name: Names
    position: Floats
    is_in_um: bool
    is_listed: Bools
    is_complete: bool
    ratio: Floats
    instance: Ints
    masks: MaskSeries | None = None
    about: str = "truth"

    def __len__(self) -> int:
        return len(self.volume)

    @classmethod
    def from_simulated(
        cls, truths: Iterable[_SimulatedTruth], *, about: str = "simulated"
    ) -> "TrueNuclei":
        """Return what is true of simulated volumes.

        Parameters
        ----------
        truths : iterable of simulate.Truth
            Of each volume.
        about : str
            Where they come from.

        Raises
        ------
        ValueError
            If there is no volume.
        """
        parts = list(truths)
        n_rows = [len(part.names) for part in parts]
        return cls(
            volume=np.repeat([part.index for part in parts], n_rows).astype(np.int64),
            name=np.array([name for part in parts for name in part.names], np.str_),
            position=np.concatenate([part.centroid_px for part in parts]).astype(np.float64),
            is_in_um=False,
            is_listed=np.concatenate([part.is_listed for part in parts]).astype(bool),
            is_complete=True,
            ratio=np.concatenate([part.ratio for part in parts]).astype(np.float64),
            instance=np.concatenate([np.arange(1, n + 1) for n in n_rows]).astype(np.int64),
            about=about,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class VolumeNumbers:
    """What became of the volumes of a recording.

    Parameters
    ----------
    scored : ndarray of int64, shape (t,)
        Numbers of the volumes that were labeled, ascending.
    time_s : ndarray of float64, shape (t,)
        Their times; NaN where not known.
    novelty : ndarray of float64, shape (t,), optional
        How unlike all that the model knows each looked, from 0 to 1; NaN where the labeler did not
        say, None if it never does.
    n_unlabelable, n_skipped, n_lost : int
        Volumes that were judged unfit, skipped because labeling was late, or never came.
    """

    scored: Ints
    time_s: Floats
    novelty: Floats | None = None
    n_unlabelable: int = 0
    n_skipped: int = 0
    n_lost: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class GivenNames:
    """What was found and named in one recording; one row per detection.

    Parameters
    ----------
    animal : str
        What the recording is called in tables.
    neurons : NeuronTable
        The names that could be given.
    volumes : VolumeNumbers
        The volumes that were labeled, also those in which nothing was found.
    volume : ndarray of int64, shape (n,)
        Number of the volume.
    position_um : ndarray of float64, shape (n, 3)
        `(z, y, x)` center from the center of the first voxel as stored.
    neuron : ndarray of int64, shape (n,)
        Class number of the name; 0 where there is none.
    probability : ndarray of float64, shape (n,)
        Of the name.
    candidate : ndarray of int64, shape (n, k)
        Class numbers from the most probable on, 0 for "none of these", -1 where there is none;
        `k` is 0 where nothing is known beyond the name.
    ratio : ndarray of float64, shape (n,)
        Activity that was traced under the name; NaN where there is none.
    grid : VoxelGrid, optional
        What was labeled. A nucleus outside of it is not missed. None if not known.
    voxel_size_um : tuple of float, optional
        `(Z, Y, X)` extent of a voxel as stored; None if not known.
    masks : MaskSeries, optional
        Maps on the grid in which the number is the class of the name.
    """

    animal: str
    neurons: NeuronTable
    volumes: VolumeNumbers
    volume: Ints
    position_um: Floats
    neuron: Ints
    probability: Floats
    candidate: Ints
    ratio: Floats
    grid: VoxelGrid | None = None
    voxel_size_um: tuple[float, float, float] | None = None
    masks: MaskSeries | None = None

    def __len__(self) -> int:
        return len(self.volume)

    @classmethod
    def from_detections(
        cls,
        volumes: Iterable[tuple[int, Detections]],
        neurons: NeuronTable,
        spec: VolumeSpec,
        *,
        animal: str = "animal",
    ) -> "GivenNames":
        """Return what a labeler said about volumes, without a session on disk.

        Parameters
        ----------
        volumes : iterable of (int, Detections)
            Number of each volume and what was found in it, centers being voxels of the grid.
        neurons : NeuronTable
            The neurons of the model.
        spec : VolumeSpec
            The volumes that were labeled.
        animal : str
            What they are called in tables.

        Raises
        ------
        ValueError
            If there is no volume.
        """
        parts = sorted(volumes, key=lambda part: part[0])
        found = [detections for _, detections in parts]
        numbers = np.array([number for number, _ in parts], np.int64)
        size_um = spec.grid.stored_voxel_size_um()
        centers = np.concatenate([spec.grid.to_stored_px(part.centroid_px) for part in found])
        return cls(
            animal=animal,
            neurons=neurons,
            volumes=VolumeNumbers(
                scored=numbers, time_s=numbers.astype(np.float64) * spec.period_s
            ),
            volume=np.repeat(numbers, [len(part) for part in found]),
            position_um=centers * np.asarray(size_um),
            neuron=np.concatenate([part.neuron for part in found]).astype(np.int64),
            probability=np.concatenate([part.probability for part in found]).astype(np.float64),
            candidate=np.concatenate([part.candidate_neuron for part in found]).astype(np.int64),
            ratio=np.full(sum(map(len, found)), np.nan),
            grid=spec.grid,
            voxel_size_um=size_um,
        )
