"""Runs a network on inputs whose shape hardly changes: buffers used again, steps recorded once.

On a GPU the host's side of each copy is pinned, so that the card fetches and delivers by itself;
everything is on one stream, the one of the thread that computes, so nothing has to be waited for
but the result. A CUDA graph is the record of all steps of a network for one shape: replayed, they
start without the CPU, which for a small network takes longer than the steps.
"""

import logging
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from napari_acll.label._memory_fallback import is_out_of_memory

_log = logging.getLogger(__name__)

Step = Callable[[], Tensor]
Recorder = Callable[[Step], Step]
"""Takes what is to be recorded, and returns what does the same again into the same memory."""
_N_WARM = 3
_MOST_SHAPES = 2
"""Each recorded shape holds its memory."""


def record_cuda_graph(step: Step) -> Step:
    """Record a step as a CUDA graph.

    Parameters
    ----------
    step : callable
        Reads and writes the same memory each time; waits for nothing.

    Raises
    ------
    RuntimeError
        If there is no GPU, or the step cannot be recorded.

    References
    ----------
    "CUDA Graphs" in the notes on CUDA semantics of PyTorch: run a few times on another stream,
    then record.
    """
    if not torch.cuda.is_available():
        raise RuntimeError("CUDA graphs need a GPU")
    other: torch.cuda.Stream = torch.cuda.Stream()  # type: ignore[no-untyped-call]
    other.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(other):
        for _ in range(_N_WARM):
            step()
    torch.cuda.current_stream().wait_stream(other)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        result = step()

    def replay() -> Tensor:
        graph.replay()
        return result

    return replay


class FixedShapeRunner:
    """Calls a network.

    Parameters
    ----------
    network : callable
        Takes and returns a tensor.
    device : torch.device
        Where it runs.
    dtype : torch.dtype
        What it is given.
    memory_format : torch.memory_format
        How that is laid out.
    is_graph : bool
        Whether its steps are recorded; if that fails, they are done one by one, and `notes` says
        so.
    record : callable
        Records them.
    """

    def __init__(
        self,
        network: Callable[[Tensor], Tensor],
        *,
        device: torch.device,
        dtype: torch.dtype,
        memory_format: torch.memory_format = torch.contiguous_format,
        is_graph: bool = False,
        record: Recorder = record_cuda_graph,
    ) -> None:
        self._network = network
        self._device = device
        self._dtype = dtype
        self._memory_format = memory_format
        self._is_graph = is_graph
        self._record = record
        self._pinned: Tensor | None = None
        self._fetched: Tensor | None = None
        self._recorded: dict[tuple[int, ...], tuple[Tensor, Step]] = {}
        self.notes: list[str] = []

    @property
    def is_graph(self) -> bool:
        """Whether steps are still recorded."""
        return self._is_graph

    def __call__(self, values: Tensor) -> Tensor:
        """Return what the network gives, on the device; valid until the next call.

        Parameters
        ----------
        values : Tensor of float32
            On the CPU.
        """
        if self._is_graph and self._has_room(tuple(values.shape)):
            try:
                with self._on_card():
                    return self._replayed(values)
            except RuntimeError as error:
                if is_out_of_memory(error):
                    raise
                self._give_up(error)
        return self._network(self._laid_out(self._sent(values)))

    def fetch(self, result: Tensor) -> NDArray[np.float32]:
        """Return a result as an array; valid until the next one is fetched.

        Parameters
        ----------
        result : Tensor of float32
            On the device.
        """
        if result.device.type != "cuda":
            return np.asarray(result.numpy(force=True))
        if self._fetched is None or self._fetched.shape != result.shape:
            self._fetched = torch.empty(result.shape, dtype=result.dtype, pin_memory=True)
        self._fetched.copy_(result, non_blocking=True)
        torch.cuda.current_stream(result.device).synchronize()
        return np.asarray(self._fetched.numpy())

    def _on_card(self) -> AbstractContextManager[object]:
        """Let the device be the one that torch means when none is named."""
        return torch.cuda.device(self._device) if self._device.type == "cuda" else nullcontext()

    def _has_room(self, shape: tuple[int, ...]) -> bool:
        return shape in self._recorded or len(self._recorded) < _MOST_SHAPES

    def _sent(self, values: Tensor) -> Tensor:
        if self._device.type != "cuda":
            return values.to(self._device)
        return self._in_pinned(values).to(self._device, non_blocking=True)

    def _in_pinned(self, values: Tensor) -> Tensor:
        """Return the same values in pinned memory, which the last call has no more use for."""
        if self._pinned is None or self._pinned.shape != values.shape:
            self._pinned = torch.empty(values.shape, dtype=values.dtype, pin_memory=True)
        else:
            torch.cuda.current_stream(self._device).synchronize()
        self._pinned.copy_(values)
        return self._pinned

    def _laid_out(self, values: Tensor) -> Tensor:
        return values.to(self._dtype, memory_format=self._memory_format)

    def _replayed(self, values: Tensor) -> Tensor:
        shape = tuple(values.shape)
        if shape not in self._recorded:
            given = self._sent(values).clone()
            step = self._record(lambda: self._network(self._laid_out(given)))
            self._recorded[shape] = given, step
        given, step = self._recorded[shape]
        source = self._in_pinned(values) if self._device.type == "cuda" else values
        given.copy_(source, non_blocking=True)
        return step()

    def _give_up(self, error: Exception) -> None:
        self._is_graph = False
        self._recorded.clear()
        note = (
            "The steps of the network could not be recorded as a CUDA graph"
            f" ({str(error).splitlines()[0].rstrip('.')}); they are done one by one, with the"
            " same result."
        )
        _log.warning("%s", note, exc_info=error)
        self.notes.append(note)
