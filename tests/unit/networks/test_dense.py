"""The dense layer: its derivatives, and theirs."""

import torch
from torch import Generator, Tensor
from torch.func import functional_call

from worker.networks.dense import Dense


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
