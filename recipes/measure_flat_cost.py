"""Whether a volume costs the same late in a long session as early: 10,000 volumes, one model call.

python recipes/measure_flat_cost.py --volumes 10000

All of a session runs (threads, queue, traces, quality, monitors, store, files) but the model and
the binning, whose cost does not depend on what came before: the labels of all volumes are the
same 150 nuclei. Prints the computing time of each block of volumes and the memory.
"""

import argparse
import json
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import psutil

from napari_acll.core import (
    N_CANDIDATES,
    AcllSettings,
    ChannelAlignment,
    Detections,
    LabeledVolume,
    NeuronTable,
    Volume,
    VolumeSpec,
    VoxelGrid,
)
from napari_acll.export import SessionHeader, ZarrSessionWriter
from napari_acll.session import Session
from napari_acll.trace import RatioTraceEstimator

SHAPE = (8, 60, 120)
N_NUCLEI, N_NEURONS = 150, 184
SPEC = VolumeSpec(grid=VoxelGrid.as_stored(SHAPE, (0.54, 0.54, 0.54)), period_s=0.6)


class Frames:
    """Gives the same counts as often as is asked for."""

    is_live = False
    notes: Sequence[str] = ()

    def __init__(self, n_volumes: int) -> None:
        rng = np.random.default_rng(0)
        self.spec = replace(SPEC, n_volumes=n_volumes)
        self._marker = rng.integers(200, 900, SHAPE, dtype=np.uint16)
        self._activity = rng.integers(200, 900, SHAPE, dtype=np.uint16)

    def describe(self) -> Mapping[str, object]:
        """Return what it is."""
        return {"kind": "frames"}

    def __iter__(self) -> Iterator[Volume]:
        """Yield the volumes."""
        for index in range(self.spec.n_volumes or 0):
            yield Volume(
                index=index,
                timestamp_s=0.6 * index,
                marker=self._marker,
                activity=self._activity,
                spec=self.spec,
                slice_times_s=0.6 * index + 0.0075 * np.arange(SHAPE[0]),
                marker_background=100.0,
                activity_background=100.0,
            )

    def close(self) -> None:
        """Do nothing."""


class AsStored:
    """Neither crops nor bins."""

    spec = SPEC

    def apply(self, volume: Volume) -> Volume:
        """Return the volume."""
        return volume


class SameNuclei:
    """Finds the same nuclei with the same names in each volume."""

    neurons = NeuronTable.numbered(N_NEURONS)

    def __init__(self) -> None:
        rng = np.random.default_rng(1)
        place = rng.permutation(np.prod(SHAPE))[:N_NUCLEI]
        self._instances = np.zeros(SHAPE, np.uint16)
        self._instances.ravel()[place] = np.arange(1, N_NUCLEI + 1)
        self._centers = np.stack(np.unravel_index(place, SHAPE), 1).astype(np.float32)
        self._neuron = (1 + rng.permutation(N_NEURONS)[:N_NUCLEI]).astype(np.int32)

    def describe(self) -> Mapping[str, object]:
        """Return what it is."""
        return {"name": "same nuclei", "device": "cpu"}

    def warm_up(self, spec: VolumeSpec, batch_size: int) -> None:
        """Do nothing."""

    def label(self, volumes: Sequence[Volume]) -> list[LabeledVolume]:
        """Return the same labels for each."""
        return [self._label(volume) for volume in volumes]

    def _label(self, volume: Volume) -> LabeledVolume:
        candidates = np.repeat(self._neuron[:, None], N_CANDIDATES, 1)
        candidates[:, 1:] = -1
        chance = np.full((N_NUCLEI, N_CANDIDATES), np.nan, np.float32)
        chance[:, 0] = 0.9
        found = Detections(
            centroid_px=self._centers,
            n_voxels=np.ones(N_NUCLEI, np.int32),
            neuron=self._neuron,
            probability=chance[:, 0].copy(),
            candidate_neuron=candidates,
            candidate_probability=chance,
        )
        return LabeledVolume(
            index=volume.index, spec=volume.spec, instances=self._instances, detections=found
        )


@dataclass
class Costs:
    """Computing time and memory at the end of each block of volumes."""

    block: int
    cpu_s: list[float] = field(default_factory=list)
    rss_mb: list[float] = field(default_factory=list)

    def look(self, index: int) -> None:
        """Take note, if a block is over."""
        if (index + 1) % self.block == 0:
            self.cpu_s.append(time.process_time())
            self.rss_mb.append(psutil.Process().memory_info().rss / 1e6)

    def per_volume_ms(self) -> list[float]:
        """Return the computing time of a volume in each block but the first."""
        return (1e3 * np.diff(self.cpu_s) / self.block).round(3).tolist()


def run(n_volumes: int, block: int, out: Path) -> Costs:
    """Run a session and return what it cost."""
    labeler, settings = SameNuclei(), AcllSettings()
    header = SessionHeader(neurons=labeler.neurons, stored_spec=SPEC, spec=SPEC, settings=settings)
    session = Session(
        source=Frames(n_volumes),
        preprocessor=AsStored(),
        labeler=labeler,
        trace_estimator=RatioTraceEstimator(labeler.neurons, settings.trace),
        writers=[ZarrSessionWriter.create(out, header)],
        settings=settings,
        calibrator=None,
        alignment=ChannelAlignment.identity(),
    )
    costs = Costs(block)
    session.sample_ready.connect(lambda sample: costs.look(sample.index))
    session.start()
    session.join()
    return costs


def main() -> None:
    """Run and print."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--volumes", type=int, default=10_000)
    parser.add_argument("--block", type=int, default=500)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        costs = run(given.volumes, given.block, Path(folder) / "flat.acll")
    took_ms = costs.per_volume_ms()
    slope = float(np.polyfit(np.arange(len(took_ms)), took_ms, 1)[0]) if len(took_ms) > 1 else 0.0
    told = {
        "ms_per_volume": took_ms,
        "ms_per_volume_more_in_each_block": round(slope, 4),
        "rss_mb": np.round(costs.rss_mb, 1).tolist(),
    }
    sys.stdout.write(json.dumps(told, indent=1) + "\n")


if __name__ == "__main__":
    main()
