from typing import Any

import pytest
import torch

from tests.fleets import fleet, trained
from worker.regularization.adversarial import Adversarial
from worker.regularization.families.augmentation import Attack
from worker.training.losses import LOSSES

SHORT = {"epochs": 5, "batch_size": 32, "optimizer": {"kind": "adam", "learning_rate": 0.01}}
VARIANTS: list[dict[str, Any]] = [
    {"name": "off", "regularization": {}},
    {"name": "small", "regularization": {"adversarial": {"epsilon": 0.05}}},
    {"name": "large", "regularization": {"adversarial": {"epsilon": 0.5}}},
]


def test_every_feature_moves_by_epsilon_uphill() -> None:
    """Closed form of a linear score: the sign of the weight, times that of the error."""
    x = torch.randn(2, 5, 3)
    w = torch.randn(2, 3, 1)
    y = torch.randint(2, (2, 5)).float()
    epsilon = torch.tensor([0.1, 0.0])[:, None, None]
    probe = x.clone().requires_grad_()
    loss = LOSSES["binary"](probe @ w, y)
    (gradient,) = torch.autograd.grad(loss.sum(), probe)
    moved = Adversarial.perturb(x, gradient, epsilon)
    uphill = w.sign().transpose(1, 2) * (1 - 2 * y)[..., None]
    torch.testing.assert_close(moved[0] - x[0], 0.1 * uphill[0])
    assert torch.equal(moved[1], x[1])
    assert bool((LOSSES["binary"](moved @ w, y)[0] > loss[0]).all())


def test_the_loss_is_the_mean_of_clean_and_moved() -> None:
    """By hand on a trained network, and larger than the clean loss; off is the clean loss."""
    engine = trained(fleet(compare=VARIANTS, training=SHORT)).engine
    rows = torch.arange(64)[None]
    given = engine.data.gather(rows)
    x, y = given.x, given.y
    probe = x.detach().clone().requires_grad_()
    clean = LOSSES["binary"](engine.network(probe), y)
    (gradient,) = torch.autograd.grad(clean.sum(), probe)
    epsilon = torch.tensor([0.0, 0.05, 0.5])[:, None, None]
    moved = LOSSES["binary"](engine.network(x + epsilon * gradient.sign()), y)
    found = engine.loss(rows)
    torch.testing.assert_close(found, ((clean + moved) / 2).mean(1))
    assert torch.equal(found[0], clean[0].mean())
    assert bool((found[1:] > clean[1:].mean(1)).all())


@pytest.mark.slow
def test_training_with_it_makes_a_network_harder_to_fool() -> None:
    """At the end the attack raises the loss less than for the network trained without."""
    variants = [*VARIANTS[:1], {"name": "on", "regularization": {"adversarial": {"epsilon": 0.3}}}]
    engine = trained(fleet(compare=variants, training={**SHORT, "epochs": 20})).engine
    given = engine.data.gather(torch.arange(800)[None])
    x, y = given.x, given.y
    x = x.detach().clone().requires_grad_()
    clean = LOSSES["binary"](engine.network(x), y)
    (gradient,) = torch.autograd.grad(clean.sum(), x)
    moved = LOSSES["binary"](engine.network(x + 0.3 * gradient.sign()), y)
    harm = (moved - clean).mean(1)
    assert harm[1] < 0.7 * harm[0]


def test_running_averages_see_clean_rows_alone() -> None:
    """One step of a trial with and without it: the same averages of batch normalization."""
    both = [
        {"name": str(e), "regularization": {"batch_norm": {}, "adversarial": {"epsilon": e}}}
        for e in (0.0, 2.0)
    ]
    plain = [{"name": "off", "regularization": {"batch_norm": {}}}]
    runs = [fleet(compare=compare, training=SHORT) for compare in (both, plain)]
    for run in runs:
        run.engine.start_epoch(0)
        run.step(0)
    attacked, clean = (run.engine.buffers() for run in runs)
    for name, tensor in clean.items():
        assert torch.equal(attacked[name][0], attacked[name][1])
        torch.testing.assert_close(attacked[name][0], tensor[0])


def test_it_is_the_only_attack() -> None:
    assert issubclass(Adversarial, Attack)
    assert Adversarial.family == "augmentation"
