"""Following a stream on the command line, from another process that sends a simulated worm."""

import subprocess
import sys

import numpy as np
import pytest
from tests.session.test_build import SizeLabeler
from tests.sources.rings import new_name

from napari_acll.cli import run
from napari_acll.core import VolumeStatus
from napari_acll.export import SavedSession

LOST, N_VOLUMES = 2, 6
EACH_BY_ITSELF = ("--set", "identity.filter=none")
WORM = f"simulated:geometry=small,volumes={N_VOLUMES},seed=3"
SENDER = f"""
import sys
import numpy as np
from napari_acll.core import SourceSettings
from napari_acll.simulate import SimulatedSource
from napari_acll.sources import VolumeRingWriter, VolumeSender

worm = SimulatedSource.from_recording("{WORM}", SourceSettings())
about = dict(
    channel_names=("activity", "marker"),
    voxel_size_um=worm.spec.voxel_size_um,
    period_s=worm.spec.period_s,
    n_volumes={N_VOLUMES},
)
volumes = [volume for volume in worm if volume.index != {LOST}]
if sys.argv[1].startswith("tcp"):
    sender = VolumeSender(sys.argv[1], shape=worm.spec.shape, **about)
    print(sender.address, flush=True)
    if not sender.wait_for_reader(60):
        sys.exit("nobody reads")
    send, axis = sender.send, 0
else:
    sender = VolumeRingWriter(sys.argv[1], shape=(*worm.spec.shape, 2), n_slots=8, **about)
    print("shm:" + sys.argv[1], flush=True)
    send, axis = sender.write, -1
for volume in volumes:
    stack = np.stack((volume.activity, volume.marker), axis=axis)
    send(
        stack,
        index=volume.index,
        slice_times_s=volume.slice_times_s.tolist(),
        missing_z=volume.missing_z,
    )
sender.finish()
sys.stdin.readline()
sender.close()
"""


@pytest.fixture(autouse=True)
def _quick_model(monkeypatch):
    monkeypatch.setattr("napari_acll.label.load_labeler", lambda _: SizeLabeler())


@pytest.fixture(params=["shared memory", "network"])
def address(request):
    """Return the address of a sender in another process."""
    if request.param == "network":
        pytest.importorskip("zmq", reason="the extra `zmq` is not installed")
    wanted = new_name() if request.param == "shared memory" else "tcp://127.0.0.1:*"
    command = [sys.executable, "-c", SENDER, wanted]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as sender:
        yield sender.stdout.readline().strip()
        sender.communicate("end\n", timeout=60)
    assert sender.returncode == 0


def test_a_stream_gives_the_values_of_the_recording_itself(address, tmp_path, capsys):
    options = ["--live", "--takes-existing", "--drop-policy", "block"]
    options = [*options, *EACH_BY_ITSELF]  # one volume is lost, and names must not depend on it
    assert run(["run", address, "--out", str(tmp_path / "live.acll"), *options]) == 0
    assert "5 volumes traced, 1 lost" in capsys.readouterr().out
    assert run(["run", WORM, "--out", str(tmp_path / "replay.acll"), *EACH_BY_ITSELF]) == 0
    live, replay = (SavedSession.open(tmp_path / f"{name}.acll") for name in ("live", "replay"))
    expected = [VolumeStatus.TRACED] * N_VOLUMES
    expected[LOST] = VolumeStatus.LOST
    assert live.state == "finished"
    assert list(live.status) == expected
    came = np.arange(N_VOLUMES) != LOST
    for name in ("marker_sum", "centroid_px"):  # the ratio depends on what calibrated it
        np.testing.assert_array_equal(live.read(name)[came], replay.read(name)[came])
    np.testing.assert_allclose(live.read("time_s")[came], replay.read("time_s")[came], atol=1e-6)
