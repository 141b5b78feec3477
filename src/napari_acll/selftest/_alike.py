"""Whether a device finds the nuclei and names that the CPU finds in single precision."""

import time
from collections.abc import Iterable, Iterator, Mapping
from itertools import islice

import numpy as np

from napari_acll.core import Backend, Detections, LabeledVolume, Labeler, Volume
from napari_acll.selftest._job import Job

LARGEST_SHIFT_PX = 1.0
"""A nucleus is the same if its center is not farther away."""


def alike(job: Job) -> Mapping[str, object]:
    """Return how alike the labels of some volumes are, and how long each took.

    Parameters
    ----------
    job : Job
        What is asked for.
    """
    from napari_acll.label import load_labeler

    settings = job.settings.label
    plain = settings.model_copy(update={"device": "cpu", "backend": Backend.TORCH})
    volumes = list(_volumes(job))
    on_device, device_ms = _labeled(load_labeler(settings), volumes)
    on_cpu, cpu_ms = _labeled(load_labeler(plain), volumes)
    pairs = [
        (first.detections, second.detections)
        for first, second in zip(on_cpu, on_device, strict=True)
    ]
    return {
        "n_volumes": len(volumes),
        "device_ms": device_ms,
        "cpu_ms": cpu_ms,
        **shares_alike(pairs),
    }


def _volumes(job: Job) -> Iterator[Volume]:
    from napari_acll.preprocess import Preprocessor
    from napari_acll.sources import open_source

    source = open_source(job.recording, job.settings.source)
    try:
        preprocessor = Preprocessor(source.spec, job.settings.preprocess)
        for volume in islice(source, job.n_compared):
            yield preprocessor.apply(volume)
    finally:
        source.close()


def _labeled(labeler: Labeler, volumes: list[Volume]) -> tuple[list[LabeledVolume], float]:
    """Return labels and the median time of a volume, in ms."""
    labeler.warm_up(volumes[0].spec, 1)
    took_s, labeled = [], []
    for volume in volumes:
        began_s = time.perf_counter()
        labeled += labeler.label([volume])
        took_s.append(time.perf_counter() - began_s)
    return labeled, round(1e3 * float(np.median(took_s)), 2)


def shares_alike(pairs: Iterable[tuple[Detections, Detections]]) -> dict[str, float]:
    """Return the shares of nuclei and names that both have.

    Parameters
    ----------
    pairs : iterable of tuple of Detections
        Of one volume each, from the CPU and from the device.

    Returns
    -------
    dict of str to float
        `same_nuclei`: of the nuclei that either found; `same_names`: of those that both found and
        either named; `n_nuclei`: found on the CPU in all.
    """
    n_most = n_both = n_named = n_same = n_nuclei = 0
    for first, second in pairs:
        rows, others = _matched(first, second)
        n_most += max(len(first), len(second))
        n_nuclei += len(first)
        n_both += len(rows)
        names = first.neuron[rows], second.neuron[others]
        is_named = (names[0] > 0) | (names[1] > 0)
        n_named += int(is_named.sum())
        n_same += int((names[0] == names[1])[is_named].sum())
    return {
        "n_nuclei": n_nuclei,
        "same_nuclei": n_both / n_most if n_most else 1.0,
        "same_names": n_same / n_named if n_named else 1.0,
    }


def _matched(
    first: Detections, second: Detections
) -> tuple[np.ndarray[tuple[int], np.dtype[np.intp]], np.ndarray[tuple[int], np.dtype[np.intp]]]:
    """Return the rows of nuclei that are each other's nearest, and near enough."""
    from scipy.spatial import cKDTree

    if not len(first) or not len(second):
        return np.zeros(0, np.intp), np.zeros(0, np.intp)
    distance, there = cKDTree(second.centroid_px).query(first.centroid_px)
    _, back = cKDTree(first.centroid_px).query(second.centroid_px)
    rows = np.flatnonzero((distance <= LARGEST_SHIFT_PX) & (back[there] == np.arange(len(first))))
    return rows, there[rows]
