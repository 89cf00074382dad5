"""Batch normalization equals torch.nn's, after dense layers and after convolutions."""

import pytest
import torch
from torch import Generator, nn

from worker.regularization import BatchNorm
from worker.regularization.per_trial import PerTrial

MEMBERS = (BatchNorm(epsilon=0.1), None, BatchNorm(momentum=0.5, epsilon=0.1))
MODULES = {3: nn.BatchNorm1d, 4: nn.BatchNorm1d, 5: nn.BatchNorm2d}


@pytest.mark.parametrize("positions", [(), (7,), (6, 5)])
def test_equals_torch_s_module(positions: tuple[int, ...]) -> None:
    """Outputs, gradients and running averages, in training and then in eval mode."""
    dimensions, features = 3 + len(positions), 4
    generator = Generator().manual_seed(0)
    layer = BatchNorm.layer(PerTrial(MEMBERS), features, dimensions)
    with torch.no_grad():
        layer.weight.normal_(generator=generator)
        layer.bias.normal_(generator=generator)
    batches = [3 * torch.randn(3, 8, features, *positions, generator=generator) + 1 for _ in "ab"]
    pull = torch.randn(batches[0].shape, generator=generator)
    for trial, member in enumerate(MEMBERS):
        if member is None:
            continue
        module = MODULES[dimensions](features, member.epsilon, member.momentum)
        with torch.no_grad():
            module.weight.copy_(layer.weight[trial])
            module.bias.copy_(layer.bias[trial])
        fresh = BatchNorm.layer(PerTrial(MEMBERS), features, dimensions)
        fresh.load_state_dict(layer.state_dict())
        for batch in batches:
            x = batch.clone().requires_grad_()
            z = batch[trial].clone().requires_grad_()
            ours, theirs = fresh(x), module(z)
            torch.testing.assert_close(ours[trial], theirs, rtol=1e-4, atol=1e-5)
            assert torch.equal(ours[1], batch[1])
            got = torch.autograd.grad((ours * pull).sum(), (x, fresh.weight, fresh.bias))
            wanted = torch.autograd.grad(
                (theirs * pull[trial]).sum(), (z, module.weight, module.bias)
            )
            for mine, other in zip(got, wanted, strict=True):
                torch.testing.assert_close(mine[trial], other, rtol=1e-3, atol=1e-4)
        torch.testing.assert_close(fresh.running_mean[trial], module.running_mean)
        torch.testing.assert_close(
            fresh.running_var[trial], module.running_var, rtol=1e-4, atol=1e-5
        )
        fresh.eval(), module.eval()
        torch.testing.assert_close(
            fresh(batches[0])[trial], module(batches[0][trial]), rtol=1e-4, atol=1e-5
        )


def test_another_epsilon_is_another_fleet() -> None:
    """Kernels take one: settled by its own, a trial would round in company as it does alone."""
    assert BatchNorm(epsilon=0.5).structure() != BatchNorm().structure()
    with pytest.raises(ValueError, match="must agree"):
        BatchNorm.layer(PerTrial((BatchNorm(), BatchNorm(epsilon=0.5))), 4, 3)
