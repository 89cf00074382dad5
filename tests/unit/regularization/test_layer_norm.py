"""Layer normalization equals torch.nn's."""

import pytest
import torch
from torch import Generator, nn

from worker.regularization import LayerNorm
from worker.regularization.per_trial import PerTrial

MEMBERS = (LayerNorm(epsilon=0.5), None, LayerNorm(epsilon=0.5))


@pytest.mark.parametrize("positions", [(), (7,), (6, 5)])
def test_equals_torch_s_module(positions: tuple[int, ...]) -> None:
    """LayerNorm of units; of maps GroupNorm with one group, which has one γ and β a map."""
    features, generator = 4, Generator().manual_seed(0)
    layer = LayerNorm.layer(PerTrial(MEMBERS), features, 3 + len(positions))
    with torch.no_grad():
        layer.weight.normal_(generator=generator)
        layer.bias.normal_(generator=generator)
    h = 3 * torch.randn(3, 8, features, *positions, generator=generator) + 1
    normed = layer(h)
    assert torch.equal(normed[1], h[1])
    for trial, member in enumerate(MEMBERS):
        if member is None:
            continue
        module: nn.Module = (
            nn.GroupNorm(1, features, member.epsilon)
            if positions
            else nn.LayerNorm(features, member.epsilon)
        )
        state = {"weight": layer.weight[trial], "bias": layer.bias[trial]}
        module.load_state_dict(state)
        torch.testing.assert_close(normed[trial], module(h[trial]), rtol=1e-4, atol=1e-5)
    assert torch.equal(layer.eval()(h), normed)


def test_another_epsilon_is_another_fleet() -> None:
    """Kernels take one: settled by its own, a trial would round in company as it does alone."""
    assert LayerNorm(epsilon=0.5).structure() != LayerNorm().structure()
    with pytest.raises(ValueError, match="must agree"):
        LayerNorm.layer(PerTrial((LayerNorm(), LayerNorm(epsilon=0.5))), 4, 3)
