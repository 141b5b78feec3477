"""A trial of backends: which is fastest, of those that give the same answer."""

import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Generic, TypeVar

import torch

from napari_acll.core import Backend
from napari_acll.label._backend_choice import BackendChoice
from napari_acll.label._devices import wait_for
from napari_acll.label._memory_fallback import is_out_of_memory

Answer = TypeVar("Answer")

_N_TIMED = 3
LEAST_GAIN = 1.25
"""Less is not worth another rounding."""
_LEAST_GAIN_OF_GRAPH = 1.05
"""A recorded graph rounds as its steps do, but a new shape has to be recorded first."""
LEAST_SAME = 0.98

ON_CPU = (Backend.TORCH, Backend.TORCH_BF16)
ON_CPU_WORDS = "ms of computing"


@dataclass(frozen=True, slots=True)
class Trial(Generic[Answer]):
    """One backend to be tried.

    Parameters
    ----------
    answer : callable
        Returns what is compared with the answer of single precision.
    run : callable
        Does what is timed.
    fell_back : callable
        Returns why it does not compute as it should, empty if it does.
    """

    answer: Callable[[], Answer]
    run: Callable[[], object]
    fell_back: Callable[[], str] = lambda: ""


def backends_to_try(device: torch.device) -> tuple[Backend, ...]:
    """Return the backends that a device may have, single precision first.

    Parameters
    ----------
    device : torch.device
        Where the network runs.
    """
    if device.type == "cpu":
        return ON_CPU
    precisions = [Backend.TORCH, Backend.TORCH_FP16]
    if torch.cuda.is_bf16_supported():
        precisions.insert(1, Backend.TORCH_BF16)
    return tuple(Backend(f"{one}{graph}") for graph in ("", "-graph") for one in precisions)


def fastest_alike(
    make: Callable[[Backend], Trial[Answer]],
    backends: Iterable[Backend],
    *,
    same: Callable[[Answer, Answer], float],
    of_what: str,
    device: torch.device,
) -> BackendChoice:
    """Return the fastest backend that gives the same answer as single precision.

    Parameters
    ----------
    make : callable
        Returns the trial of a backend.
    backends : iterable of Backend
        To be tried; single precision is tried in any case.
    same : callable
        Returns which part of two answers agrees, 0 to 1.
    of_what : str
        What agrees, in words: `nuclei`.
    device : torch.device
        Where they run.

    Raises
    ------
    RuntimeError
        If single precision fails.
    """
    exact = make(Backend.TORCH)
    truth = exact.answer()
    trials, shares, against = {Backend.TORCH: exact}, {Backend.TORCH: 1.0}, []
    for backend in backends:
        if backend is Backend.TORCH:
            continue
        trial, share, why_not = _tried(make, backend, truth, same, of_what)
        if trial is None:
            against.append(why_not)
        else:
            trials[backend], shares[backend] = trial, share
    took_ms = times_ms({backend: trial.run for backend, trial in trials.items()}, device)
    best = best_of(took_ms)
    return BackendChoice(best, _why(best, took_ms, shares[best], of_what, device, against))


def _tried(
    make: Callable[[Backend], Trial[Answer]],
    backend: Backend,
    truth: Answer,
    same: Callable[[Answer, Answer], float],
    of_what: str,
) -> tuple[Trial[Answer] | None, float, str]:
    """Return a trial that may be chosen, or why it may not."""
    try:
        trial = make(backend)
        share = same(truth, trial.answer())
    except RuntimeError as error:
        if is_out_of_memory(error):
            return None, 0.0, f"{backend} needs more memory than there is"
        return None, 0.0, f"{backend} fails here ({str(error).splitlines()[0]})"
    if trial.fell_back():
        return None, 0.0, f"{backend} fails here ({trial.fell_back().rstrip('.')})"
    if share < LEAST_SAME:
        return None, 0.0, f"{backend} agrees on only {share:.1%} of the {of_what}"
    return trial, share, ""


def best_of(took_ms: Mapping[Backend, float]) -> Backend:
    """Return the backend to use; another rounding has to be worth it.

    Parameters
    ----------
    took_ms : mapping of Backend to float
        How long each took that gives the same answer.
    """
    best = Backend.TORCH
    graph_ms = took_ms.get(Backend.TORCH_GRAPH, float("inf"))
    if took_ms[best] >= _LEAST_GAIN_OF_GRAPH * graph_ms:
        best = Backend.TORCH_GRAPH
    exact_ms = took_ms[best]
    rounded = {b: ms for b, ms in took_ms.items() if b.in_precision is not Backend.TORCH}
    if not rounded:
        return best
    fastest = min(rounded, key=lambda backend: rounded[backend])
    plain = fastest.in_precision
    if plain in rounded and rounded[plain] < _LEAST_GAIN_OF_GRAPH * rounded[fastest]:
        fastest = plain
    return fastest if exact_ms >= LEAST_GAIN * rounded[fastest] else best


def times_ms(
    runs: Mapping[Backend, Callable[[], object]], device: torch.device
) -> dict[Backend, float]:
    """Return the least time of each, by turns.

    On the CPU it is computing time, in which other programs do not count; on a GPU it is time by
    the clock until the card is done.

    Parameters
    ----------
    runs : mapping of Backend to callable
        What is timed.
    device : torch.device
        Where they run.
    """
    on_cpu = device.type == "cpu"
    clock = time.process_time if on_cpu else time.perf_counter
    took_ms = dict.fromkeys(runs, float("inf"))
    for _ in range(_N_TIMED):
        for backend, run in runs.items():
            wait_for(device)
            began_s = clock()
            run()
            wait_for(device)
            took_ms[backend] = min(took_ms[backend], 1e3 * (clock() - began_s))
    return took_ms


def _why(
    best: Backend,
    took_ms: Mapping[Backend, float],
    share: float,
    of_what: str,
    device: torch.device,
    against: list[str],
) -> str:
    unit = ON_CPU_WORDS if device.type == "cpu" else "ms"
    told = ", ".join(f"{ms:.3g} {unit} with {backend}" for backend, ms in took_ms.items())
    agree = "" if best is Backend.TORCH else f", and {share:.1%} of the {of_what} agree"
    name = {Backend.TORCH: "Single precision"}.get(best, str(best))
    not_taken = f" Not taken: {'; '.join(against)}." if against else ""
    return f"{name}: a trial took {told}{agree}.{not_taken}"
