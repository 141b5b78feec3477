"""A labeler of one's own: numbers the brightest spots of the marker from nose to tail.

It names nothing that a neuroscientist would recognize, but it is all that a labeler has to be. To
offer it to everybody as `acll run --model brightest`, put it into a package with the entry point::

    [project.entry-points."napari_acll.labelers"]
    brightest = "my_package:BrightestLabeler"

    python own_labeler.py [SESSION]
"""

import sys
from collections.abc import Mapping, Sequence
from typing import Self

import numpy as np
from scipy import ndimage

from napari_acll.core import (
    N_CANDIDATES,
    AcllSettings,
    Detections,
    LabeledVolume,
    LabelSettings,
    NeuronTable,
    SourceSettings,
    Volume,
    VolumeSpec,
)
from napari_acll.export import SessionHeader, ZarrSessionWriter
from napari_acll.preprocess import AlignmentCalibrator, Preprocessor
from napari_acll.session import Session
from napari_acll.simulate import SimulatedSource
from napari_acll.trace import RatioTraceEstimator

N_SPOTS = 20
MIN_COUNTS = 20.0


class BrightestLabeler:
    """Calls the largest bright spots `spot_001`, `spot_002`, ... along x."""

    def __init__(self) -> None:
        self.neurons = NeuronTable(tuple(f"spot_{i:03d}" for i in range(1, N_SPOTS + 1)))

    @classmethod
    def from_settings(cls, settings: LabelSettings) -> Self:  # noqa: ARG003  needs none
        """Return the labeler of some settings; this is what `acll run --model` calls."""
        return cls()

    def describe(self) -> Mapping[str, object]:
        """Return what is saved with each session."""
        return {"name": "brightest", "kind": "example", "device": "cpu"}

    def warm_up(self, spec: VolumeSpec, batch_size: int) -> None:
        """Do nothing: the first volume is as fast as any."""

    def label(self, volumes: Sequence[Volume]) -> list[LabeledVolume]:
        """Return the spots of each volume."""
        return [self._label(volume) for volume in volumes]

    def _label(self, volume: Volume) -> LabeledVolume:
        light = ndimage.gaussian_filter(volume.marker.astype(np.float32), 1.0)
        light -= volume.marker_background
        threshold = max(MIN_COUNTS, 0.5 * float(np.percentile(light, 99.5)))
        spots, n_spots = ndimage.label(light > threshold)
        if n_spots == 0:
            return self._nothing(volume)
        sizes = np.bincount(spots.ravel(), minlength=n_spots + 1)[1:]
        largest = np.argsort(-sizes, kind="stable")[:N_SPOTS] + 1
        center_px = np.array(ndimage.center_of_mass(spots > 0, spots, largest), np.float32)
        along_x = np.argsort(center_px[:, 2], kind="stable")
        return self._answer(volume, spots, largest[along_x], center_px[along_x])

    def _answer(
        self, volume: Volume, spots: np.ndarray, chosen: np.ndarray, center_px: np.ndarray
    ) -> LabeledVolume:
        n = len(chosen)
        row_of_spot = np.zeros(spots.max() + 1, np.uint16)
        row_of_spot[chosen] = np.arange(1, n + 1)
        instances = row_of_spot[spots]
        names = np.arange(1, n + 1, dtype=np.int32)
        candidates = np.full((n, N_CANDIDATES), -1, np.int32)
        candidates[:, 0] = names
        probabilities = np.full((n, N_CANDIDATES), np.nan, np.float32)
        probabilities[:, 0] = 0.5  # who knows
        detections = Detections(
            centroid_px=center_px,
            n_voxels=np.bincount(instances.ravel(), minlength=n + 1)[1:].astype(np.int32),
            neuron=names,
            probability=probabilities[:, 0].copy(),
            candidate_neuron=candidates,
            candidate_probability=probabilities,
        )
        return LabeledVolume(
            index=volume.index, spec=volume.spec, instances=instances, detections=detections
        )

    def _nothing(self, volume: Volume) -> LabeledVolume:
        return LabeledVolume(
            index=volume.index,
            spec=volume.spec,
            instances=np.zeros(volume.marker.shape, np.uint16),
            detections=Detections.none(),
            is_labelable=False,
            why_not="nothing in the volume is bright",
        )


def main(out: str) -> None:
    """Run a session with the labeler above; every stage is an argument."""
    settings = AcllSettings()
    source = SimulatedSource.from_recording("simulated:volumes=6", SourceSettings())
    preprocessor = Preprocessor(source.spec, settings.preprocess)
    labeler = BrightestLabeler()
    header = SessionHeader(
        neurons=labeler.neurons,
        stored_spec=source.spec,
        spec=preprocessor.spec,
        settings=settings,
        source=source.describe(),
        model=labeler.describe(),
    )
    session = Session(
        source=source,
        preprocessor=preprocessor,
        labeler=labeler,
        calibrator=AlignmentCalibrator(preprocessor.spec, settings.alignment),
        trace_estimator=RatioTraceEstimator(labeler.neurons, settings.trace),
        writers=[ZarrSessionWriter.create(out, header)],
        settings=settings,
    )
    with session:
        pass  # leaving the block waits for the end
    print(f"{session.counters.n_traced} volumes in {out}")


if __name__ == "__main__":
    main(sys.argv[1] if len(sys.argv) > 1 else "brightest.acll")
