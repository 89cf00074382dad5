"""The dense layer of K networks at once."""

import torch
from torch import Tensor, nn

from worker.networks.affine import Affine


class Dense(Affine):
    """``h = x W + b`` for K trials: one batched matrix product.

    Shapes: x ``[K, B, in]``; W ``[K, in, out]``; b ``[K, out]``; h ``[K, B, out]``.
    """

    def __init__(
        self, trials: int, inputs: int, outputs: int, disturb: nn.Module | None = None
    ) -> None:
        super().__init__(torch.empty(trials, inputs, outputs), outputs, disturb)

    @property
    def fan_in(self) -> int:
        """The inputs."""
        return self.weight.shape[1]

    def forward(self, x: Tensor) -> Tensor:
        """``[K, B, in]`` → ``[K, B, out]``."""
        return affine(x, self.disturb(self.weight), self.bias)


def affine(h: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    """``h W + b``, ``[K, B, in]`` → ``[K, B, out]``.

    With one column it is a sum: the matrix kernels are several times slower at that, and take
    another path for K = 1, so that a trial would differ in its last bit from its fleet of one.
    """
    if weight.shape[2] == 1:
        return (h * weight.transpose(1, 2)).sum(2, keepdim=True) + bias.unsqueeze(1)
    return torch.baddbmm(bias.unsqueeze(1), h, weight)
