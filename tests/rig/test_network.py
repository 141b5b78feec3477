"""Volumes that are played to another computer."""

import threading

import numpy as np
import pytest
from tests.rig.films import PATIENCE_S, film_of, following, plan_of

pytest.importorskip("zmq")

from napari_acll.rig import play_film
from napari_acll.sources import ZmqSource


def test_volumes_come_through_the_network(tmp_path):
    film, counts = film_of(tmp_path)
    plan = plan_of(tmp_path, "tcp://127.0.0.1:*", "zmq", 5, faults=("drop-volume@2",))
    address: list[str] = []
    is_ready = threading.Event()

    def ready(where):
        address.append(where)
        is_ready.set()

    thread = threading.Thread(target=play_film, args=(film, plan), kwargs={"ready": ready})
    thread.start()
    assert is_ready.wait(PATIENCE_S)
    with ZmqSource(address[0], following()) as source:
        volumes = list(source)
    thread.join(PATIENCE_S)
    film.close()
    assert [volume.index for volume in volumes] == [0, 1, 3, 4]
    for volume in volumes:
        activity, marker = counts[film.shown(volume.index)]
        assert np.array_equal(volume.activity, activity)
        assert np.array_equal(volume.marker, marker)
