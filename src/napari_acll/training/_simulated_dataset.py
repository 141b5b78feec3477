"""Virtual worms as a torch data set, without touching the disk."""

from collections.abc import Callable, Iterator
from typing import NamedTuple, TypeAlias

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import IterableDataset, get_worker_info

from napari_acll.simulate import Anatomy, HeadSettings, VirtualWorm, WormSettings

DrawRig: TypeAlias = Callable[[np.random.Generator], WormSettings]
DrawHead: TypeAlias = Callable[[np.random.Generator], HeadSettings]


class SimulatedSample(NamedTuple):
    """One volume of a new animal, and what is true of it.

    Parameters
    ----------
    image : Tensor of float32, shape (Z, Y, X)
        Counts of the marker channel.
    instances : Tensor of int32, shape (Z, Y, X)
        Number of the nucleus that a voxel belongs to, from 1 on; 0 outside.
    classes : Tensor of int16, shape (Z, Y, X)
        Number of its neuron in `SimulatedVolumes.neurons`, from 1 on; 0 outside of nuclei and in
        those of no neuron.
    names : tuple of str
        Name of each nucleus, that of number 1 first; empty where it is no neuron.
    """

    image: Tensor
    instances: Tensor
    classes: Tensor
    names: tuple[str, ...]


class SimulatedVolumes(IterableDataset[SimulatedSample]):
    """Ever new animals on ever new rigs, rendered when they are asked for.

    Volume `i` follows from the seed and `i` alone. Workers of a `DataLoader` share the volumes
    among them, so their number changes the order at most. As volumes differ in shape, load them
    with `batch_size=None`, or give a rig with a fixed grid.

    Parameters
    ----------
    n_volumes : int
        Volumes in one pass.
    seed : int
        Decides everything.
    first : int
        Number of the first volume; a second pass that starts behind the first sees new animals.
    anatomy : Anatomy, optional
        Where the animals come from; that of the package by default.
    draw_rig : callable, optional
        Returns the settings of a rig; `WormSettings.sample` by default.
    draw_head : callable, optional
        Returns which nuclei a head holds; `HeadSettings.sample` by default.

    Examples
    --------
    >>> volumes = SimulatedVolumes(100, seed=3)
    >>> loader = torch.utils.data.DataLoader(volumes, batch_size=None, num_workers=2)
    """

    def __init__(
        self,
        n_volumes: int,
        *,
        seed: int,
        first: int = 0,
        anatomy: Anatomy | None = None,
        draw_rig: DrawRig = WormSettings.sample,
        draw_head: DrawHead = HeadSettings.sample,
    ) -> None:
        super().__init__()
        self._n_volumes = n_volumes
        self._seed = seed
        self._first = first
        self._anatomy = anatomy or Anatomy.load()
        self._draw_rig = draw_rig
        self._draw_head = draw_head

    @property
    def neurons(self) -> tuple[str, ...]:
        """Names of the classes, that of number 1 first."""
        return tuple(self._anatomy.neurons.names)

    def __len__(self) -> int:
        return self._n_volumes

    def __iter__(self) -> Iterator[SimulatedSample]:
        """Yield the volumes, in a worker its share of them."""
        worker = get_worker_info()
        start, step = (0, 1) if worker is None else (worker.id, worker.num_workers)
        for index in range(start, self._n_volumes, step):
            yield self.sample(self._first + index)

    def sample(self, index: int) -> SimulatedSample:
        """Return volume `index`, always the same."""
        rng = np.random.default_rng([self._seed, 12, index])
        shape = self._anatomy.sample(rng, head=self._draw_head(rng))
        worm = VirtualWorm(shape, self._draw_rig(rng), seed=int(rng.integers(2**31)))
        masks = worm.instance_masks(0)
        number = np.zeros(len(shape) + 1, np.int16)
        number[1:] = self._anatomy.numbers(shape.names) + 1
        return SimulatedSample(
            image=torch.from_numpy(worm.render(0).marker.astype(np.float32)),
            instances=torch.from_numpy(masks.astype(np.int32)),
            classes=torch.from_numpy(number[masks]),
            names=shape.names,
        )
