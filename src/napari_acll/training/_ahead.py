"""What steps learn from, drawn ahead by other processes where there are cores to spare."""

from collections.abc import Callable, Iterator
from typing import Any, Generic, TypeVar

import torch
from torch.utils.data import DataLoader, Dataset

T = TypeVar("T")


class Ahead(Generic[T]):
    """Gives each step its batch, which depends on the number of the step alone.

    The batches are the same with any number of processes, so a training gives the same weights.

    Parameters
    ----------
    make : callable
        Returns the batch of a numbered step; picklable if there are processes.
    n_steps : int
        Steps of the training.
    n_workers : int
        Processes that draw ahead; 0: batches are drawn when they are asked for.
    """

    def __init__(self, make: Callable[[int], T], *, n_steps: int, n_workers: int) -> None:
        self._make = make
        self._n_steps = n_steps
        self._n_workers = n_workers
        self._drawn: Iterator[T] | None = None
        self._next = -1

    def __call__(self, step: int) -> T:
        """Return the batch of a step; quick if the steps are asked for one after the other."""
        if self._n_workers == 0:
            return self._make(step)
        if self._drawn is None or step != self._next:
            self._drawn = self._from(step)
        self._next = step + 1
        return next(self._drawn)

    def _from(self, step: int) -> Iterator[T]:
        loader: DataLoader[Any] = DataLoader(
            _Steps(self._make),
            batch_size=None,
            sampler=range(step, self._n_steps),
            num_workers=self._n_workers,
            multiprocessing_context="spawn",
            generator=torch.Generator(),
            prefetch_factor=4,
        )
        return iter(loader)


class _Steps(Dataset[T]):
    """Batches by the number of their step."""

    def __init__(self, make: Callable[[int], T]) -> None:
        self._make = make

    def __getitem__(self, index: int) -> T:
        return self._make(index)
