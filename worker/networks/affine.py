"""What dense and convolutional layers have in common: weights, biases, and how both begin."""

import math
from abc import ABC, abstractmethod

import torch
from torch import Generator, Tensor, nn


class Affine(nn.Module, ABC):
    """``h = x * W + b`` for K trials: W ``[K, …]``, b ``[K, out]``.

    ``disturb`` is what techniques do to the weights in training mode, such as dropping some.
    """

    def __init__(self, weight: Tensor, outputs: int, disturb: nn.Module | None) -> None:
        super().__init__()
        self.weight = nn.Parameter(weight)
        self.bias = nn.Parameter(torch.empty(len(weight), outputs))
        self.disturb = disturb or nn.Identity()

    @property
    @abstractmethod
    def fan_in(self) -> int:
        """How many numbers each output is made of."""

    @torch.no_grad()
    def draw(self, rows: Tensor, generator: Generator, *, lecun: bool = False) -> None:
        """Give the trials in ``rows`` fresh weights, all the same.

        Uniform on ±1/√n for W and b, n the fan-in, as in ``torch.nn.Linear`` and ``Conv2d``; with
        ``lecun``, W is normal with variance 1/n and b is 0, which SELU needs to keep its
        activations normalized.
        """
        weight, bias = torch.empty(self.weight.shape[1:]), torch.empty(self.bias.shape[1:])
        if lecun:
            weight.normal_(0, self.fan_in**-0.5, generator=generator)
            bias.zero_()
        else:
            bound = 1 / math.sqrt(self.fan_in)
            weight.uniform_(-bound, bound, generator=generator)
            bias.uniform_(-bound, bound, generator=generator)
        self.weight[rows] = weight.to(self.weight.device)
        self.bias[rows] = bias.to(self.bias.device)
