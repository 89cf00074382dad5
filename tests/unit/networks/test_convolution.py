"""A convolution of K trials is K convolutions of torch.nn."""

import pytest
import torch
from torch import Generator, nn

from worker.networks.convolution import Convolution, Pool, fold, unfold

MODULES = {1: nn.Conv1d, 2: nn.Conv2d}
POOLS = {1: nn.MaxPool1d, 2: nn.MaxPool2d}


@pytest.mark.parametrize("trials", [1, 3])
@pytest.mark.parametrize("positions", [(9,), (9, 7)])
def test_equals_torch_s_module(trials: int, positions: tuple[int, ...]) -> None:
    axes, generator = len(positions), Generator().manual_seed(0)
    layer = Convolution(trials, 2, 5, (3,) * axes)
    for trial in range(trials):
        layer.draw(torch.tensor([trial]), generator)
    x = torch.randn(trials, 4, 2, *positions, generator=generator)
    h = layer(x)
    for trial in range(trials):
        module = MODULES[axes](2, 5, 3, padding="same")
        module.load_state_dict({"weight": layer.weight[trial], "bias": layer.bias[trial]})
        torch.testing.assert_close(h[trial], module(x[trial]))


def test_begins_as_torch_s_module_does() -> None:
    """Uniform on ±1/√n; for SELU normal with variance 1/n."""
    layer = Convolution(1, 32, 64, (3, 3))
    layer.draw(torch.tensor([0]), Generator().manual_seed(0))
    reference = nn.Conv2d(32, 64, 3)
    bound = layer.weight.abs().max().item()
    assert bound == pytest.approx((32 * 9) ** -0.5, rel=1e-3)
    assert reference.weight.abs().max().item() == pytest.approx(bound, rel=1e-2)
    layer.draw(torch.tensor([0]), Generator().manual_seed(0), lecun=True)
    assert layer.weight.std().item() == pytest.approx((32 * 9) ** -0.5, rel=0.02)
    assert (layer.bias == 0).all()


def test_layers_follow_each_other_without_a_copy() -> None:
    """What one convolution gives, the next one takes as it lies."""
    maps = torch.randn(4, 3 * 5, 9, 7)
    trials = unfold(maps, 3)
    assert trials.shape == (3, 4, 5, 9, 7)
    for h in (trials, trials.relu(), trials * torch.rand(3, 4, 5, 1, 1)):
        assert fold(h).data_ptr() == h.data_ptr()
        assert fold(h).is_contiguous()


@pytest.mark.parametrize("positions", [(9,), (9, 7)])
def test_pools_as_torch_does(positions: tuple[int, ...]) -> None:
    h = torch.randn(3, 4, 5, *positions)
    pool = Pool(2, positions)
    expected = torch.stack([POOLS[len(positions)](2)(trial) for trial in h])
    assert torch.equal(pool(h), expected)
    assert pool.sizes == expected.shape[3:]


def test_axes_never_vanish() -> None:
    assert Pool(4, (3, 1)).sizes == (1, 1)
    assert Pool(4, (3, 9)).sizes == (1, 2)
