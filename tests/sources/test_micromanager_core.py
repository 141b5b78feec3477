"""The real pymmcore-plus, with a camera in plain Python; needs the extra `micromanager`."""

import threading

import numpy as np
import pytest

pytest.importorskip("pymmcore_plus", reason="the extra `micromanager` is not installed")

import useq
from pymmcore_plus.experimental.unicore import SimpleCameraDevice, StageDevice, UniMMCore

from napari_acll.core import LiveSettings, SourceSettings
from napari_acll.sources import MicroManagerSource

SHAPE = (4, 6, 7)
PATIENCE_S = 30.0


class CountingCamera(SimpleCameraDevice):
    """Every pixel of a frame is its number."""

    n_frames = 0

    def get_exposure(self):
        return 1.0

    def set_exposure(self, exposure):
        pass

    def sensor_shape(self):
        return SHAPE[1:]

    def dtype(self):
        return np.dtype(np.uint16)

    def snap(self, buffer):
        buffer[...] = self.n_frames
        self.n_frames += 1
        return {}


class Piezo(StageDevice):
    """A stage that is wherever it is told to be."""

    position = 0.0

    def set_position_um(self, value):
        self.position = value

    def get_position_um(self):
        return self.position

    def home(self):
        pass

    def stop(self):
        pass

    def set_origin(self):
        pass


@pytest.fixture
def core():
    core = UniMMCore()
    core.loadPyDevice("camera", CountingCamera())
    core.loadPyDevice("piezo", Piezo())
    core.initializeAllDevices()
    core.setCameraDevice("camera")
    core.setFocusDevice("piezo")
    for name in ("GCaMP", "TagRFP"):
        core.defineConfig("Channel", name)
    yield core
    core.unloadAllDevices()


def test_an_acquisition_of_the_real_core_gives_its_volumes(core):
    sequence = useq.MDASequence(
        axis_order="tpgzc",
        channels=["GCaMP", "TagRFP"],
        z_plan=useq.ZRangeAround(range=1.8, step=0.6),
        time_plan=useq.TIntervalLoops(interval=0.05, loops=3),
    )
    live = LiveSettings(
        is_live=True, poll_ms=1, start_timeout_s=PATIENCE_S, idle_timeout_s=PATIENCE_S
    )
    with MicroManagerSource("micromanager:", SourceSettings(live=live), core=core) as source:
        thread = threading.Thread(target=core.mda.run, args=(sequence,))
        thread.start()
        volumes = list(source)
        thread.join(PATIENCE_S)
    assert [volume.index for volume in volumes] == [0, 1, 2]
    for volume in volumes:
        first = volume.index * 8
        assert volume.activity[:, 0, 0].tolist() == [first, first + 2, first + 4, first + 6]
        assert volume.marker[:, 0, 0].tolist() == [first + 1, first + 3, first + 5, first + 7]
    assert source.spec.shape == SHAPE
    assert source.spec.period_s == 0.05
    assert source.spec.voxel_size_um[0] == pytest.approx(0.6)
    assert source.spec.activity_name == "GCaMP"
