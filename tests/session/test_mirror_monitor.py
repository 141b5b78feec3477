"""A recording that seems to be mirrored is told of once."""

from dataclasses import replace

import numpy as np
import pytest

from napari_acll.core import Detections, LabeledVolume, VolumeSpec, VoxelGrid
from napari_acll.session._mirror_monitor import MirrorMonitor

SPEC = VolumeSpec(grid=VoxelGrid.as_stored((3, 4, 5), (0.5, 0.5, 0.5)), period_s=0.6)
BLANK = LabeledVolume(
    index=0, spec=SPEC, instances=np.zeros((3, 4, 5), np.uint16), detections=Detections.none()
)


def told(values):
    monitor = MirrorMonitor()
    volumes = (replace(BLANK, index=index, handedness=value) for index, value in enumerate(values))
    return [event for event in map(monitor.add, volumes) if event is not None]


def test_a_recording_whose_mirror_image_fits_better_is_told_of_once():
    (event,) = told([-2.0, 1.0, -3.0] * 20)
    assert event.kind == "mirrored"
    assert "orientation" in event.message


@pytest.mark.parametrize(
    "values", [[2.0, -1.0, 3.0] * 20, [-2.0] * 7, [float("nan")] * 60, [-0.2, 0.2] * 30]
)
def test_an_upright_one_or_too_few_volumes_are_not(values):
    assert told(values) == []
