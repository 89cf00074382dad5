"""A convolution of K trials is K convolutions of torch.nn."""

import pytest
import torch
from torch import Generator, Tensor, nn

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


@pytest.mark.parametrize("rows", [1, 7, 32])
@pytest.mark.parametrize(
    ("inputs", "outputs", "kernel", "positions"),
    [
        (1, 4, 3, (7, 5)),
        (16, 32, 3, (4, 4)),
        (3, 5, 3, (9, 7)),
        (1, 6, 5, (11, 11)),
        (8, 3, 3, (12,)),
    ],
)
def test_a_trial_s_bits_are_its_own(
    rows: int, inputs: int, outputs: int, kernel: int, positions: tuple[int, ...]
) -> None:
    """Alone and at any place of a fleet: forward, pooled, and all derivatives."""
    axes, generator = len(positions), Generator().manual_seed(0)
    x = torch.randn(5, rows, inputs, *positions, generator=generator)
    weight = torch.randn(5, outputs, inputs, *[kernel] * axes, generator=generator)
    pool = Pool(2, positions)

    def passed(members: list[int]) -> list[Tensor]:
        layer = Convolution(len(members), inputs, outputs, (kernel,) * axes)
        layer.weight.data.copy_(weight[members])
        layer.bias.data.zero_()
        h = x[members].requires_grad_()
        pooled = pool(layer(h))
        with torch.no_grad():
            measured = pool(layer(h))
        slopes = torch.autograd.grad(pooled.sin().sum(), [h, layer.weight, layer.bias])
        return [pooled.detach(), measured, *slopes]

    alone = [passed([member]) for member in range(5)]
    for members in ([0, 1], [4, 2, 3], [0, 1, 2, 3, 4]):
        for row, member in enumerate(members):
            for one, other in zip(passed(members), alone[member], strict=True):
                assert torch.equal(one[row], other[0])


@pytest.mark.parametrize("inputs", [1, 3])
def test_images_that_all_trials_see(inputs: int) -> None:
    """They are turned once, and yet each trial has its own derivative by them."""
    layer = Convolution(3, inputs, 4, (3, 3))
    for trial in range(3):
        layer.draw(torch.tensor([trial]), Generator().manual_seed(trial))
    x = torch.randn(1, 4, inputs, 8, 8)
    own = x.repeat(3, 1, 1, 1, 1).requires_grad_()
    common = x.expand(3, -1, -1, -1, -1)
    assert torch.equal(layer(common), layer(own))
    (expected,) = torch.autograd.grad(layer(own).square().sum(), own)
    asked = common.detach().requires_grad_()
    (found,) = torch.autograd.grad(layer(asked).square().sum(), asked)
    assert torch.equal(found, expected)


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


def test_maps_lie_channels_last() -> None:
    """What one layer gives, the next one takes as it lies, and so do the kernels."""
    h = torch.randn(3, 4, 2, 9, 7)
    for layer in (Convolution(3, 2, 5, (3, 3)), Pool(2, (9, 7)), Convolution(3, 5, 6, (3, 3))):
        h = layer(h)
        assert h.movedim(2, -1).is_contiguous()


def test_groups_follow_each_other_without_a_copy() -> None:
    """On a GPU: what one convolution gives, the next one takes as it lies."""
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
    with torch.no_grad():
        assert torch.equal(pool(h), expected)
    assert pool.sizes == expected.shape[3:]


def test_axes_never_vanish() -> None:
    assert Pool(4, (3, 1)).sizes == (1, 1)
    assert Pool(4, (3, 9)).sizes == (1, 2)
