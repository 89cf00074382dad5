"""The dense layer: its derivatives, and theirs; and where in memory its trials begin."""

import pytest
import torch
from torch import Generator, Tensor
from torch.func import functional_call

from tests.techniques import network
from worker.networks import Parameters
from worker.networks.dense import (
    Dense,
    affine,
    align,
    back,
    empty_aligned,
    is_aligned,
    multiply_add,
    outer,
)

BYTES = 16
"""Where matrix kernels may choose another way, and round otherwise."""


def offsets(tensor: Tensor) -> set[int]:
    """Where each trial of ``[K, …]`` begins after the first, in bytes beyond a multiple of 16."""
    return {(trial.data_ptr() - tensor.data_ptr()) % BYTES for trial in tensor}


def test_it_is_differentiated_twice_where_products_end_between_16_bytes() -> None:
    layer = Dense(2, 5, 3)
    layer.draw(torch.arange(2), Generator().manual_seed(0))
    layer.double()
    x = torch.randn(2, 3, 5, dtype=torch.float64, requires_grad=True)

    def scores(x: Tensor, weight: Tensor) -> Tensor:
        return functional_call(layer, {"weight": weight}, (x,)).tanh()

    weight = layer.weight.detach().clone().requires_grad_()
    assert torch.autograd.gradcheck(scores, (x, weight))
    assert torch.autograd.gradgradcheck(scores, (x, weight))


@pytest.mark.parametrize(
    ("rows", "inputs", "outputs"), [(3, 5, 3), (1, 7, 2), (5, 2, 9), (4, 3, 5), (8, 4, 12)]
)
def test_every_trial_of_a_product_begins_where_the_first_does(
    rows: int, inputs: int, outputs: int
) -> None:
    generator = Generator().manual_seed(0)
    h, g = (torch.randn(6, rows, width, generator=generator) for width in (inputs, outputs))
    layer = Dense(6, inputs, outputs)
    layer.draw(torch.arange(6), generator)
    weight = layer.weight.detach()
    with torch.no_grad():
        products = [affine(h, weight, layer.bias), outer(h, g), back(g, weight)]
    products += [layer(h).detach(), align(h), align(weight), empty_aligned(h, rows, outputs)]
    assert [offsets(product) for product in products] == [{0}] * len(products)
    assert all(is_aligned(product) for product in products)
    expected = [h @ weight + layer.bias.detach()[:, None], h.mT @ g, g @ weight.mT]
    for product, plain in zip(products, expected, strict=False):
        torch.testing.assert_close(product, plain)
    assert torch.equal(align(h), h)


@pytest.mark.parametrize("hidden", [[3], [4], [5, 3], [8, 8]])
def test_every_trials_weights_begin_where_the_first_ones_do(hidden: list[int]) -> None:
    parameters = Parameters(network({"kind": "mlp", "hidden": hidden}, (5,), {}, {}, {}))
    assert offsets(parameters.values) == {0}


@pytest.mark.parametrize("widths", [(9, 3), (8, 4), (5, 7), (6, 1)])
@pytest.mark.parametrize("rows", [1, 7, 32])
def test_a_trial_s_bits_are_its_own_under_autograd(widths: tuple[int, int], rows: int) -> None:
    """Whichever way its products take: alone they are never out of line."""
    generator = Generator().manual_seed(0)
    inputs, outputs = widths
    weight = torch.randn(3, inputs, outputs, generator=generator)
    bias = torch.randn(3, outputs, generator=generator)
    x = torch.randn(3, rows, inputs, generator=generator)

    def passed(trials: slice) -> list[Tensor]:
        tensors = [tensor[trials].clone().requires_grad_() for tensor in (x, weight, bias)]
        scores = multiply_add(*tensors)
        return [scores.detach(), *torch.autograd.grad(scores.sin().sum(), tensors)]

    whole = passed(slice(0, 3))
    for trial in range(3):
        for one, among in zip(passed(slice(trial, trial + 1)), whole, strict=True):
            assert torch.equal(one[0], among[trial])
