"""A labeler that knows the truth of a simulated worm, and sessions with it."""

from pathlib import Path

import numpy as np

from napari_acll.core import (
    N_CANDIDATES,
    AcllSettings,
    Detections,
    LabeledVolume,
    NeuronTable,
    SourceSettings,
)
from napari_acll.export import SavedSession, SessionHeader, ZarrSessionWriter
from napari_acll.preprocess import Preprocessor
from napari_acll.session import Session
from napari_acll.simulate import SimulatedSource
from napari_acll.trace import RatioTraceEstimator

RADIUS_UM = 1.2


class Oracle:
    """Labels balls around the true centers; `renamed` gives a neuron another one's name."""

    def __init__(self, source: SimulatedSource, *, renamed: dict[str, str] | None = None) -> None:
        self._source = source
        self._renamed = renamed or {}
        named = [name for name in source.truth(0).names if name]
        self.neurons = NeuronTable(tuple(sorted(set(named))))

    def describe(self):
        return {"name": "oracle", "kind": "test", "device": "cpu"}

    def warm_up(self, spec, batch_size):
        pass

    def label(self, volumes):
        return [self._label(volume) for volume in volumes]

    def _label(self, volume):
        truth = self._source.truth(volume.index)
        instances = np.zeros(volume.marker.shape, np.uint16)
        rows = []
        for name, center_px in zip(truth.names, truth.centroid_px, strict=True):
            ball = _ball(center_px, volume.spec) if name else None
            if ball is None or instances[ball].any():
                continue
            instances[ball] = len(rows) + 1
            neuron = self.neurons.class_number(self._renamed.get(name, name))
            rows.append((np.mean(ball, axis=1), len(ball[0]), neuron))
        return LabeledVolume(
            index=volume.index, spec=volume.spec, instances=instances, detections=_table(rows)
        )


def _ball(center_px, spec):
    reach = [int(np.ceil(RADIUS_UM / size)) for size in spec.voxel_size_um]
    axes = [
        np.arange(max(0, round(c) - r), min(n, round(c) + r + 1))
        for c, r, n in zip(center_px, reach, spec.shape, strict=True)
    ]
    if not all(len(axis) for axis in axes):
        return None
    grid = np.meshgrid(*axes, indexing="ij")
    distance_um = sum(
        ((axis - c) * size) ** 2
        for axis, c, size in zip(grid, center_px, spec.voxel_size_um, strict=True)
    )
    inside = distance_um <= RADIUS_UM**2
    return tuple(axis[inside] for axis in grid) if inside.any() else None


def _table(rows):
    n = len(rows)
    neuron = np.array([row[2] for row in rows], np.int32)
    candidates = np.full((n, N_CANDIDATES), -1, np.int32)
    candidates[:, 0] = neuron
    probabilities = np.full((n, N_CANDIDATES), np.nan, np.float32)
    probabilities[:, 0] = np.linspace(0.99, 0.5, n)
    return Detections(
        centroid_px=np.array([row[0] for row in rows], np.float32).reshape(n, 3),
        n_voxels=np.array([row[1] for row in rows], np.int32),
        neuron=neuron,
        probability=probabilities[:, 0].copy(),
        candidate_neuron=candidates,
        candidate_probability=probabilities,
    )


def oracle_session(recording: str, out: Path, **options) -> tuple[Session, SimulatedSource]:
    """Return a session on a simulated recording with its own truth as labels."""
    source = SimulatedSource.from_recording(recording, SourceSettings())
    settings = AcllSettings()
    preprocessor = Preprocessor(source.spec, settings.preprocess)
    oracle = Oracle(source, **options)
    header = SessionHeader(
        neurons=oracle.neurons,
        stored_spec=source.spec,
        spec=preprocessor.spec,
        settings=settings,
        source=source.describe(),
    )
    session = Session(
        source=source,
        preprocessor=preprocessor,
        labeler=oracle,
        calibrator=None,
        alignment=source.worm.alignment,
        trace_estimator=RatioTraceEstimator(oracle.neurons, settings.trace),
        writers=[ZarrSessionWriter.create(out, header)],
        settings=settings,
    )
    return session, source


def run_oracle(recording: str, out: Path, **options) -> tuple[SavedSession, SimulatedSource]:
    """Run such a session and return what it saved, and its source."""
    session, source = oracle_session(recording, out, **options)
    with session:
        pass
    return SavedSession.open(out), source
