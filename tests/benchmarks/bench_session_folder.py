# ruff: noqa: T201  (a script that prints)
"""What tracing and saving cost per volume; run by hand, it takes a minute.

python tests/benchmarks/bench_session_folder.py --volumes 400

Times are of this thread's CPU, so that other programs do not count.
"""

import argparse
import tempfile
import time
from pathlib import Path

import numpy as np

from napari_acll.core import (
    AcllSettings,
    ChannelAlignment,
    Detections,
    LabeledVolume,
    NeuronTable,
    RunSettings,
    StageTimings,
    TraceSettings,
    Volume,
    VolumeSpec,
    VoxelGrid,
)
from napari_acll.export import (
    SavedSession,
    SessionHeader,
    ZarrSessionWriter,
    export_csv,
    export_h5,
)
from napari_acll.trace import RatioTraceEstimator

SHAPE = (64, 120, 284)
N_NEURONS, N_DETECTIONS = 185, 160
SPEC = VolumeSpec(grid=VoxelGrid.as_stored(SHAPE, (0.54, 0.54, 0.54)), period_s=0.6)
TIMINGS = StageTimings(read_s=0, preprocess_s=0, wait_s=0, label_s=0, trace_s=0, total_s=0)


def make_labeled(rng: np.random.Generator) -> LabeledVolume:
    instances = np.zeros(SHAPE, np.uint16)
    centers = rng.integers((3, 5, 5), (60, 110, 270), (N_DETECTIONS, 3))
    for row, (z, y, x) in enumerate(centers):
        instances[z - 2 : z + 3, y - 3 : y + 4, x - 3 : x + 4] = row + 1
    shape = (N_DETECTIONS, 5)
    detections = Detections(
        centroid_px=centers.astype(np.float32),
        n_voxels=np.bincount(instances.ravel(), minlength=N_DETECTIONS + 1)[1:].astype(np.int32),
        neuron=np.arange(1, N_DETECTIONS + 1, dtype=np.int32),
        probability=rng.random(N_DETECTIONS).astype(np.float32),
        candidate_neuron=np.ones(shape, np.int32),
        candidate_probability=rng.random(shape).astype(np.float32),
    )
    return LabeledVolume(index=0, spec=SPEC, instances=instances, detections=detections)


def make_volume(rng: np.random.Generator, index: int) -> Volume:
    marker, activity = rng.integers(100, 800, (2, *SHAPE)).astype(np.uint16)
    return Volume(
        index=index,
        timestamp_s=index * 0.6,
        marker=marker,
        activity=activity,
        spec=SPEC,
        slice_times_s=index * 0.6 + np.arange(SHAPE[0]) * 0.0075,
        marker_background=100.0,
        activity_background=90.0,
    )


def describe(name: str, times_s: list[float]) -> None:
    values = 1e3 * np.array(times_s)
    print(f"{name}: median {np.median(values):.1f}, 99 % {np.percentile(values, 99):.1f} ms")


def measure(folder: Path, n_volumes: int, *, save_labels: bool) -> SavedSession:
    rng = np.random.default_rng(0)
    neurons, labeled = NeuronTable.numbered(N_NEURONS), make_labeled(rng)
    estimator = RatioTraceEstimator(neurons, TraceSettings())
    settings = AcllSettings(run=RunSettings(save_labels=save_labels))
    header = SessionHeader(neurons=neurons, stored_spec=SPEC, spec=SPEC, settings=settings)
    writer = ZarrSessionWriter.create(folder, header)
    alignment = ChannelAlignment(dy_um=0.3, dx_um=1.0, theta_deg=0.5)
    volumes = [make_volume(rng, 0) for _ in range(4)]
    estimator.estimate(volumes[0], labeled, alignment)
    tracing, writing = [], []
    for index in range(n_volumes):
        began = time.thread_time()
        sample = estimator.estimate(volumes[index % 4], labeled, alignment)
        tracing.append(time.thread_time() - began)
        object.__setattr__(sample, "index", index)
        began = time.process_time()  # compression runs in a thread of zarr
        writer.write(sample, labeled, TIMINGS)
        writing.append(time.process_time() - began)
    writer.close(state="finished")
    describe("tracing", tracing)
    describe(f"writing, label maps {save_labels}", writing)
    return SavedSession.open(folder)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--volumes", type=int, default=400)
    n_volumes = parser.parse_args().volumes
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        measure(folder / "a.acll", n_volumes, save_labels=False)
        saved = measure(folder / "b.acll", n_volumes, save_labels=True)
        size = sum(file.stat().st_size for file in saved.path.rglob("*") if file.is_file())
        print(f"session of {n_volumes} volumes: {size / 1e6:.1f} MB")
        for export, out in ((export_csv, "out.csv"), (export_h5, "out.h5")):
            began = time.process_time()
            export(saved, folder / out)
            print(f"{out}: {time.process_time() - began:.2f} s")


if __name__ == "__main__":
    main()
