"""Whether the shape that identities follow stays as it is in recordings of hours.

Run by hand::

    python recipes/measure_drift.py --tape FOLDER/fast/tapes/virtual_10_100 --volumes 6000

A tape of `measure_traces.py` is played to and fro; each time nuclei are found a little elsewhere.
"""

import argparse
import logging
from collections.abc import Iterator
from dataclasses import replace
from itertools import cycle
from pathlib import Path

import numpy as np
from measure_identity import Recording
from refined_traces import recording_on

from napari_acll.core import LabeledVolume, LabelSettings, NeuronTable
from napari_acll.identity import EvidenceFilter
from napari_acll.label import load_labeler

logger = logging.getLogger("measure_drift")

NOISE_UM = 0.15
EVERY = 600
STEADY = 0.5


def to_and_fro(recording: Recording, n_volumes: int) -> Iterator[tuple[int, LabeledVolume]]:
    """Yield which volume of a recording comes next, and what is found in it this time."""
    rng, n = np.random.default_rng(0), len(recording.labeled)
    order = cycle([*range(n), *range(n - 2, 0, -1)])
    for index, at in zip(range(n_volumes), order, strict=False):
        labeled = recording.labeled[at]
        found = labeled.detections
        moved_um = rng.normal(0, NOISE_UM, found.centroid_px.shape)
        center_px = found.centroid_px + moved_um / np.asarray(labeled.spec.voxel_size_um)
        found = replace(found, centroid_px=center_px.astype(np.float32))
        yield at, replace(labeled, index=index, detections=found)


def measure(recording: Recording, n_volumes: int, neurons: NeuronTable) -> None:
    """Print the extent of the shape, and how many names are right, every now and then."""
    identity, right = EvidenceFilter(neurons=neurons), []
    for at, labeled in to_and_fro(recording, n_volumes):
        given, true = identity.update(labeled).detections.neuron, recording.true[at]
        right.append(((given == true) & (true > 0)).sum() / max(recording.n_listed[at], 1))
        if labeled.index in (20, 99) or (labeled.index + 1) % EVERY == 0:
            tracks = identity._tracks
            shape_um = tracks.shape_um[tracks.presence > STEADY]
            logger.info(
                "%6d volumes: SD along z, y, x %s um; right, last 100: %.1f %%",
                labeled.index + 1,
                shape_um.std(0).round(1).tolist(),
                100 * np.mean(right[-100:]),
            )


def main() -> None:
    """Play one tape."""
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--tape", type=Path, required=True)
    parser.add_argument("--volumes", type=int, default=6000)
    arguments = parser.parse_args()
    neurons = load_labeler(LabelSettings(device="cpu")).neurons
    measure(recording_on(arguments.tape), arguments.volumes, neurons)


if __name__ == "__main__":
    main()
