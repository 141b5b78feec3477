"""Runs a network of pytorch-3dunet with the memory that there is."""

import logging
from dataclasses import replace

import numpy as np
import torch
from numpy.typing import NDArray

from napari_acll.label._memory_fallback import is_out_of_memory
from napari_acll.label._unet3d import UNet3D
from napari_acll.label._unet3d_boxes import Triple
from napari_acll.label._unet3d_layerwise import BlockPlan, can_run_in_blocks
from napari_acll.label._unet3d_plan import (
    Memory,
    fastest_plan,
    free_memory,
    plan_blocks,
    plan_in_words,
)
from napari_acll.label._voxel_labels import VoxelLabels, label_voxels

_log = logging.getLogger(__name__)

_LEAST_VALUES = 2**20
_GB = 1e9


class Execution:
    """Labels voxels as wholes or in blocks; how is planned once for each shape.

    Parameters
    ----------
    network : UNet3D
        Where it computes.
    min_probability : float
        Above which a voxel has a class.
    max_memory_gb : float, optional
        Most memory on the device; None: what is free when a shape comes first.

    Attributes
    ----------
    notes : list of str
        What is computed otherwise than as a whole, and why.
    """

    def __init__(
        self, network: UNet3D, *, min_probability: float, max_memory_gb: float | None
    ) -> None:
        self._network = network
        self._device = network.final_conv.weight.device
        self._min_probability = min_probability
        self._max_memory_gb = max_memory_gb
        self._plans: dict[Triple, BlockPlan | None] = {}
        self.notes: list[str] = []

    def label(self, marker: NDArray[np.float32]) -> VoxelLabels:
        """Return the classes of a volume.

        Parameters
        ----------
        marker : ndarray of float32, shape (Z, Y, X)
            Marker channel above its background.

        Raises
        ------
        ModelError
            If there is not enough memory even in blocks.
        RuntimeError
            If memory runs out with the smallest blocks.
        """
        z, y, x = marker.shape
        plan = self.plan((z, y, x))
        try:
            return self._labeled(marker, plan)
        except Exception as error:
            smaller = self._smaller((z, y, x), plan) if is_out_of_memory(error) else None
            if smaller is None:
                raise
            self._tell((z, y, x), smaller, "Memory ran out. ", error)
        self._plans[z, y, x] = smaller
        if self._device.type == "cuda":
            torch.cuda.empty_cache()
        return self.label(marker)

    def plan(self, shape: Triple) -> BlockPlan | None:
        """Return how volumes of a shape are run; None: as a whole.

        Parameters
        ----------
        shape : tuple of int
            `(Z, Y, X)` voxels.

        Raises
        ------
        ModelError
            If there is not enough memory even in blocks.
        """
        if shape not in self._plans:
            plan = plan_blocks(self._network, shape, memory=self._memory())
            if plan is not None:
                plan = fastest_plan(self._network, shape, plan)
                self._tell(shape, plan, "")
            self._plans[shape] = plan
        return self._plans[shape]

    def _memory(self) -> Memory:
        memory = free_memory(self._device)
        if self._max_memory_gb is None:
            return memory
        weights = sum(p.numel() * p.element_size() for p in self._network.parameters())
        most = max(int(self._max_memory_gb * _GB) - weights, 0)
        return replace(memory, on_device=most, on_host=max(most, memory.on_host))

    def _labeled(self, marker: NDArray[np.float32], plan: BlockPlan | None) -> VoxelLabels:
        x = self._network.checked(marker)
        if plan is None or plan.keeps_on_device:
            x = x.to(self._device)
        return label_voxels(self._network, x, min_probability=self._min_probability, plan=plan)

    def _smaller(self, shape: Triple, plan: BlockPlan | None) -> BlockPlan | None:
        """Return a plan that needs less memory, None if there is none."""
        if plan is None:
            if not can_run_in_blocks(self._network.config):
                return None
            # what ran out is not what was thought to be free
            free = free_memory(self._device)
            left = replace(free, on_device=min(free.on_device, self._memory().on_device))
            first = plan_blocks(self._network, shape, memory=left, is_whole_allowed=False)
            return first and replace(first, most_values=max(first.most_values // 2, _LEAST_VALUES))
        if plan.most_values > _LEAST_VALUES:
            return replace(plan, most_values=max(plan.most_values // 4, _LEAST_VALUES))
        if plan.keeps_on_device and self._device.type == "cuda":
            return replace(plan, keeps_on_device=False)
        return None

    def _tell(
        self, shape: Triple, plan: BlockPlan, why: str, error: Exception | None = None
    ) -> None:
        note = why + plan_in_words(self._network, shape, plan)
        _log.info("%s", note, exc_info=error)
        self.notes.append(note)
