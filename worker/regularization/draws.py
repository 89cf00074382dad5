"""Random numbers for a batch: all from the fleet's own generator, so that a run can be resumed."""

import torch
from torch import Generator, Tensor


def uniform(shape: tuple[int, ...], generator: Generator) -> Tensor:
    """Uniform on [0, 1)."""
    return torch.rand(shape, generator=generator, device=generator.device)


def chosen(p: Tensor, rows: int, generator: Generator) -> Tensor:
    """``[K, B]``: 1 with probability p ``[K]``, else 0; float32."""
    return (uniform((len(p), rows), generator) < p[:, None]).float()


def around(limit: Tensor, rows: int, generator: Generator) -> Tensor:
    """``[K, B]``: uniform on ±limit ``[K]``; exactly 0 where the limit is 0."""
    return (2 * uniform((len(limit), rows), generator) - 1) * limit[:, None]


def beta(alpha: Tensor, generator: Generator) -> Tensor:
    """``[K]``: one draw each of Beta(α, α); 0 where α is 0.

    A quotient of two Gamma(α), drawn as Gamma(α + 1)·U^(1/α) and kept as logarithms: for small α
    both factors would underflow.
    """
    wide = alpha.double().expand(2, -1)
    gamma = torch._standard_gamma(wide + 1, generator=generator)
    power = torch.empty_like(wide).uniform_(generator=generator).log() / wide
    first, second = gamma.log() + power
    return torch.where(alpha > 0, torch.sigmoid(first - second).to(alpha.dtype), 0)
