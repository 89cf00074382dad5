"""The dense layer of K networks at once."""

import math

import torch
from torch import Generator, Tensor, nn


class Dense(nn.Module):
    """``h = x W + b`` for K trials: one batched matrix product.

    Shapes: x ``[K, B, in]``; W ``[K, in, out]``; b ``[K, out]``; h ``[K, B, out]``.
    """

    def __init__(self, trials: int, inputs: int, outputs: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.empty(trials, inputs, outputs))
        self.bias = nn.Parameter(torch.empty(trials, outputs))

    def forward(self, x: Tensor) -> Tensor:
        """``[K, B, in]`` → ``[K, B, out]``."""
        if self.weight.shape[0] == self.weight.shape[2] == 1:
            # With K = 1 a product with one column takes another kernel than with K > 1, and a
            # trial would differ in its last bit from its fleet of one. Two of it cost little.
            both = self.bias.expand(2, 1)[:, None], x.expand(2, -1, -1)
            return torch.baddbmm(*both, self.weight.expand(2, -1, -1))[:1]
        return torch.baddbmm(self.bias[:, None], x, self.weight)

    @torch.no_grad()
    def draw(self, rows: Tensor, generator: Generator, *, lecun: bool = False) -> None:
        """Give the trials in ``rows`` fresh weights, all the same.

        Uniform on ±1/√in for W and b, as in ``torch.nn.Linear``; with ``lecun``, W is normal with
        variance 1/in and b is 0, which SELU needs to keep its activations normalized.
        """
        inputs, outputs = self.weight.shape[1:]
        if lecun:
            weight = torch.empty(inputs, outputs).normal_(0, inputs**-0.5, generator=generator)
            bias = torch.zeros(outputs)
        else:
            bound = 1 / math.sqrt(inputs)
            weight = torch.empty(inputs, outputs).uniform_(-bound, bound, generator=generator)
            bias = torch.empty(outputs).uniform_(-bound, bound, generator=generator)
        self.weight[rows] = weight.to(self.weight.device)
        self.bias[rows] = bias.to(self.bias.device)
