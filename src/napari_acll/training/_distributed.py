"""Several processes that train one model together, as torch's launcher starts them."""

import gc
import importlib
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TypeVar

import torch
from torch import distributed, nn
from torch.nn.parallel import DistributedDataParallel

from napari_acll.label import choose_device

T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Team:
    """The processes that train together, seen from one of them.

    Parameters
    ----------
    rank : int
        Number of this process, from 0.
    n_ranks : int
        Processes in all.
    device : torch.device
        What this process computes on.
    """

    rank: int
    n_ranks: int
    device: torch.device

    @property
    def is_first(self) -> bool:
        """Whether this process writes files and reports."""
        return self.rank == 0

    def shared(self, network: nn.Module) -> nn.Module:
        """Return a network whose gradients are averaged over all processes."""
        if self.n_ranks == 1:
            return network
        devices = [self.device.index] if self.device.type == "cuda" else None
        return DistributedDataParallel(network, device_ids=devices)

    def agreed(self, value: T) -> T:
        """Return the value of the first process, in all of them."""
        if self.n_ranks == 1:
            return value
        held = [value]
        distributed.broadcast_object_list(held, src=0, device=self.device)
        return held[0]


@contextmanager
def team(device: str) -> Iterator[Team]:
    """Join the processes that `torchrun` started, if it did.

    Parameters
    ----------
    device : str
        `auto`, `cpu` or `cuda:N`; with `auto` and several processes each takes a GPU of its own.

    Raises
    ------
    ModelError
        If there is no such device.
    """
    n_ranks = int(os.environ.get("WORLD_SIZE", "1"))
    if n_ranks == 1:
        yield Team(rank=0, n_ranks=1, device=choose_device(device))
        return
    chosen = choose_device(_own_gpu() if device == "auto" else device)
    if chosen.type == "cuda":
        torch.cuda.set_device(chosen)
    # its functions keep the group that is there when they are imported, which else is this one
    importlib.import_module("torch.distributed.nn.functional")
    distributed.init_process_group("nccl" if chosen.type == "cuda" else "gloo")
    try:
        yield Team(rank=distributed.get_rank(), n_ranks=n_ranks, device=chosen)
        # one that leaves while another still writes takes the threads of both down with it
        distributed.barrier()
    finally:
        gc.collect()  # a shared network holds the group, whose threads only its last holder ends
        distributed.destroy_process_group()


def _own_gpu() -> str:
    is_there = torch.cuda.is_available()
    return f"cuda:{os.environ.get('LOCAL_RANK', '0')}" if is_there else "cpu"
