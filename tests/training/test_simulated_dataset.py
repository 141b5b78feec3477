import pickle
from functools import partial

import numpy as np
import pytest
import torch
from torch.utils.data import DataLoader

from napari_acll.core import VoxelGrid
from napari_acll.simulate import HeadSettings, WormSettings
from napari_acll.training import SimulatedVolumes

GRID = VoxelGrid.as_stored((24, 70, 108), (1.62, 1.62, 1.62))
draw_small_rig = partial(WormSettings.sample, grid=GRID)


def volumes(n: int, **changes: object) -> SimulatedVolumes:
    return SimulatedVolumes(n, **{"seed": 5, "draw_rig": draw_small_rig, **changes})


def test_classes_names_and_instances_say_the_same() -> None:
    data = volumes(1)
    image, instances, classes, names = next(iter(data))
    assert image.shape == instances.shape == classes.shape == GRID.shape
    assert (image.dtype, instances.dtype, classes.dtype) == (
        torch.float32,
        torch.int32,
        torch.int16,
    )
    for number in torch.unique(instances)[1:].tolist():
        inside = torch.unique(classes[instances == number]).tolist()
        name = names[number - 1]
        assert inside == [data.neurons.index(name) + 1 if name else 0]
    assert not classes[instances == 0].any()
    assert image[instances > 0].mean() > image[instances == 0].mean()


def test_workers_share_the_volumes_and_change_none() -> None:
    alone = [sample.image for sample in volumes(5)]
    shared = [sample.image for sample in DataLoader(volumes(5), batch_size=None, num_workers=2)]
    assert len(shared) == 5
    for image in alone:
        assert sum(torch.equal(image, other) for other in shared) == 1


def test_it_can_be_sent_to_a_worker_that_is_spawned() -> None:
    copy = pickle.loads(pickle.dumps(volumes(1)))  # noqa: S301  our own bytes
    assert torch.equal(copy.sample(3).image, volumes(1).sample(3).image)


def test_a_second_pass_may_go_on_where_the_first_ended() -> None:
    whole = [sample.names for sample in volumes(4)]
    halves = [sample.names for first in (0, 2) for sample in volumes(2, first=first)]
    assert halves == whole
    assert whole[0] != whole[1]
    assert len(volumes(4)) == 4


@pytest.mark.parametrize("share", [0.0, 0.5])
def test_heads_are_those_that_are_drawn(share: float) -> None:
    def draw_head(_rng: np.random.Generator) -> HeadSettings:
        return HeadSettings(filler_share=share)

    names = volumes(1, draw_head=draw_head).sample(0).names
    assert sum(map(bool, names)) == pytest.approx(180 * (1 - share), rel=0.1)
