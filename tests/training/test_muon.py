import contextlib

import pytest
import torch
from torch import nn

from napari_acll.training._loop import LoopPlan, run_loop
from napari_acll.training._muon import Muon, orthogonalized


@pytest.mark.parametrize("shape", [(24, 24), (48, 16), (16, 48)])
def test_an_orthogonalized_matrix_keeps_its_directions_and_evens_its_stretch(shape):
    torch.manual_seed(0)
    matrix = torch.randn(shape)
    u, _, vt = torch.linalg.svd(matrix, full_matrices=False)
    stretch = u.T @ orthogonalized(matrix) @ vt.T
    assert (stretch.diag() > 0.5).all()
    assert (stretch.diag() < 1.4).all()
    assert (stretch - torch.diag(stretch.diag())).abs().max() < 0.1


def test_matrices_side_by_side_are_made_orthogonal_each_for_itself():
    torch.manual_seed(2)
    several = torch.randn(3, 16, 40)
    together = orthogonalized(several)
    for matrix, result in zip(several, together, strict=True):
        assert (result - orthogonalized(matrix)).abs().max() < 0.05


def test_a_step_goes_against_the_gradient_by_the_learning_rate():
    torch.manual_seed(1)
    weight = nn.Parameter(torch.zeros(8, 8))
    target = torch.linalg.qr(torch.randn(8, 8))[0]
    optimizer = Muon([weight], lr=0.1, weight_decay=0.0)
    (-(weight * target).sum()).backward()
    optimizer.step()
    assert torch.linalg.matrix_norm(weight.detach(), 2) == pytest.approx(0.1, rel=0.4)
    assert (weight.detach() * target).sum() > 0.5


class Layered(nn.Module):
    """A network whose matrices lie in `layers`, as the identifier's do."""

    def __init__(self):
        super().__init__()
        self.layers = nn.Sequential(nn.Linear(4, 4, bias=False), nn.Linear(4, 4))
        self.out = nn.Linear(4, 1)

    def forward(self, x):
        return self.out(self.layers(x))


def train(plan, *, kill_after=None):
    torch.manual_seed(5)
    network = Layered()

    def loss_at(step):
        x = torch.randn(32, 4, generator=torch.Generator().manual_seed(step))
        return ((network(x)[:, 0] - x[:, 0]) ** 2).mean()

    losses = []

    def on_step(n_done, loss):
        losses.append(loss)
        if n_done == kill_after:
            raise KeyboardInterrupt

    with contextlib.suppress(KeyboardInterrupt):
        run_loop(network, loss_at, plan, on_step)
    return network, losses


def test_matrices_trained_by_muon_learn_and_survive_a_kill(tmp_path):
    plan = {"n_steps": 40, "learning_rate": 0.02, "matrix_learning_rate": 0.05}
    whole, losses = train(LoopPlan(**plan))
    assert sum(losses[-5:]) < 0.2 * sum(losses[:5])
    kept = LoopPlan(**plan, checkpoint=tmp_path / "state", checkpoint_every=9)
    train(kept, kill_after=20)
    again, _ = train(kept)
    for name, tensor in whole.state_dict().items():
        assert torch.equal(tensor, again.state_dict()[name]), name


def test_a_learning_rate_for_matrices_changes_what_is_learned():
    plan = {"n_steps": 5, "learning_rate": 0.02}
    plain, _ = train(LoopPlan(**plan))
    other, _ = train(LoopPlan(**plan, matrix_learning_rate=0.05))
    assert not torch.equal(plain.layers[0].weight, other.layers[0].weight)
