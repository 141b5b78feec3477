import pytest
import torch
from torch import nn

from napari_acll.core import ModelError
from napari_acll.training._loop import LoopPlan, run_loop


class KillError(Exception):
    """Stands for a kill in the middle of a training."""


def network():
    torch.manual_seed(3)
    return nn.Sequential(nn.Linear(3, 8), nn.BatchNorm1d(8), nn.Linear(8, 1))


def loss_of(net):
    def loss_at(step):
        draw = torch.Generator().manual_seed(step)
        x = torch.randn(16, 3, generator=draw)
        return ((net(x)[:, 0] - x.sum(1)) ** 2).mean()

    return loss_at


def run(net, plan, *, kill_after=None):
    losses = []

    def on_step(n_done, loss):
        losses.append(loss)
        if n_done == kill_after:
            raise KillError

    run_loop(net, loss_of(net), plan, on_step)
    return losses


@pytest.mark.parametrize("decay", [0.0, 0.9])
def test_a_resumed_training_ends_with_the_weights_of_an_unbroken_one(tmp_path, decay):
    whole, broken = network(), network()
    plan = {"n_steps": 30, "learning_rate": 0.02, "average_decay": decay}
    run(whole, LoopPlan(**plan))
    kept = LoopPlan(**plan, checkpoint=tmp_path / "state.pt", checkpoint_every=7)
    with pytest.raises(KillError):
        run(broken, kept, kill_after=17)
    again = network()
    losses = run(again, kept)
    assert len(losses) == 30 - 14
    for name, tensor in whole.state_dict().items():
        assert torch.equal(tensor, again.state_dict()[name]), name


def test_training_lowers_the_loss():
    losses = run(network(), LoopPlan(n_steps=60, learning_rate=0.05))
    assert sum(losses[-5:]) < 0.2 * sum(losses[:5])


def test_the_average_of_the_weights_is_not_the_last_weights():
    last, average = network(), network()
    run(last, LoopPlan(n_steps=20, learning_rate=0.05))
    run(average, LoopPlan(n_steps=20, learning_rate=0.05, average_decay=0.9))
    assert not torch.equal(last[0].weight, average[0].weight)


def test_a_finished_training_is_not_done_again(tmp_path):
    plan = LoopPlan(n_steps=5, learning_rate=0.02, checkpoint=tmp_path / "state.pt")
    first = network()
    run(first, plan)
    second = network()
    assert run(second, plan) == []
    assert torch.equal(first[0].weight, second[0].weight)


@pytest.mark.parametrize("content", [b"", b"no checkpoint"])
def test_a_damaged_checkpoint_is_an_error_that_says_what_to_do(tmp_path, content):
    path = tmp_path / "state.pt"
    path.write_bytes(content)
    with pytest.raises(ModelError, match="delete the file"):
        run(network(), LoopPlan(n_steps=5, learning_rate=0.02, checkpoint=path))


def test_a_checkpoint_of_a_longer_training_is_an_error(tmp_path):
    path = tmp_path / "state.pt"
    run(network(), LoopPlan(n_steps=5, learning_rate=0.02, checkpoint=path))
    with pytest.raises(ModelError, match="5 steps"):
        run(network(), LoopPlan(n_steps=9, learning_rate=0.02, checkpoint=path))
