"""The nonlinearities that a network may use, and their derivatives."""

from collections.abc import Callable
from dataclasses import dataclass
from math import sqrt

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from worker.spec import Activation as Name

_aten = torch.ops.aten
_SELU_ALPHA, _SELU_SCALE = 1.6732632423543772, 1.0507009873554805
_LEAKY_SLOPE = 0.01


VECTORS = 32
"""Entries that kernels take at a time at most; the rest of a tensor goes through other code."""

Entrywise = Callable[..., Tensor]
"""A function applied entry by entry to tensors ``[K, …]`` of one shape."""


def alike(function: Entrywise) -> Entrywise:
    """The function, with the same bits for a trial in any fleet.

    Kernels of exponentials and the like round the last entries of a tensor otherwise than those
    before. Where a trial's entries are no multiple of ``VECTORS``, each trial is taken by itself.
    """

    def by_trial(*tensors: Tensor) -> Tensor:
        first = tensors[0]
        trials = first.shape[0]
        if trials == 1 or first.is_cuda or first.numel() // trials % VECTORS == 0:
            return function(*tensors)
        parts = zip(*(torch.split(tensor, 1) for tensor in tensors), strict=True)
        return torch.cat([function(*part) for part in parts])

    return by_trial


def alike_(function: Entrywise) -> Entrywise:
    """``alike`` of a function that gives its result in the place of the first tensor."""

    def by_trial(*tensors: Tensor) -> Tensor:
        first = tensors[0]
        trials = first.shape[0]
        if trials == 1 or first.is_cuda or first.numel() // trials % VECTORS == 0:
            return function(*tensors)
        for part in zip(*(torch.split(tensor, 1) for tensor in tensors), strict=True):
            function(*part)
        return first

    return by_trial


@dataclass(frozen=True)
class Activation:
    """A function applied entry by entry, and its derivative. Shapes are kept."""

    apply: Callable[[Tensor], Tensor]
    """z → y."""
    derive: Callable[[Tensor, Tensor, Tensor], Tensor]
    """(∂L/∂y, z, y) → ∂L/∂z, which may take the place of ∂L/∂y."""
    infer: Callable[[Tensor], Tensor]
    """z → y in z's place, without derivatives; kernels that treat each entry alike, wherever in a
    tensor it lies, be they NumPy's or PyTorch's. Rounded otherwise than `apply` at times."""
    apply_: Callable[[Tensor], Tensor] | None = None
    """z → y in z's place, for a derivative that does not need z."""
    by_zeros: bool = False
    """Whether the derivative asks only where y is 0, and is 0 there: it may be read off a y that
    dropout has scaled since."""
    rises: bool = False
    """Whether the largest y is that of the largest z, to the bit."""

    def __call__(self, z: Tensor) -> Tensor:
        """z → y."""
        return self.apply(z)

    def over(self, z: Tensor) -> Tensor:
        """z → y, the same bits, in z's place where that can be and autograd writes nothing down."""
        if self.apply_ is None or torch.is_grad_enabled():
            return self.apply(z)
        return self.apply_(z)


def _tanh(h: Tensor) -> Tensor:
    values = h.numpy()
    np.tanh(values, out=values)
    return h


def _silu(h: Tensor) -> Tensor:
    """``h / (1 + e⁻ʰ)``, which is −0 where e⁻ʰ is infinite."""
    values = h.numpy()
    divisor = np.negative(values)
    np.exp(divisor, out=divisor)
    divisor += np.float32(1.0)
    values /= divisor
    return h


def _gelu(h: Tensor) -> Tensor:
    """``h/2 · (1 + erf(h/√2))``."""
    share = torch.mul(h, 1 / sqrt(2)).erf_().add_(1.0)
    return h.mul_(0.5).mul_(share)


def _selu(h: Tensor) -> Tensor:
    """``λ·h`` above 0, ``λ·α·(eʰ − 1)`` below."""
    below = h.clamp(max=0.0).expm1_().mul_(_SELU_ALPHA)
    return h.clamp_(min=0.0).add_(below).mul_(_SELU_SCALE)


def _leaky_relu(h: Tensor) -> Tensor:
    return functional.leaky_relu(h, _LEAKY_SLOPE, inplace=True)


_ACTIVATIONS: dict[Name, Activation] = {
    "relu": Activation(
        torch.relu,
        lambda g, z, y: _aten.threshold_backward.grad_input(g, y, 0, grad_input=g),
        infer=torch.relu_,
        apply_=torch.relu_,
        by_zeros=True,
        rises=True,
    ),
    "tanh": Activation(
        alike(torch.tanh),
        alike_(lambda g, z, y: _aten.tanh_backward.grad_input(g, y, grad_input=g)),
        infer=_tanh,
        apply_=alike_(torch.tanh_),
    ),
    "gelu": Activation(
        alike(functional.gelu), alike(lambda g, z, y: _aten.gelu_backward(g, z)), infer=_gelu
    ),
    "silu": Activation(
        alike(functional.silu), alike(lambda g, z, y: _aten.silu_backward(g, z)), infer=_silu
    ),
    "selu": Activation(
        alike(functional.selu),
        alike_(
            lambda g, z, y: _aten.elu_backward.grad_input(
                g, _SELU_ALPHA, _SELU_SCALE, 1, True, y, grad_input=g
            )
        ),
        infer=_selu,
        apply_=alike_(torch.selu_),
    ),
    "leaky_relu": Activation(
        functional.leaky_relu,
        lambda g, z, y: _aten.leaky_relu_backward(g, z, _LEAKY_SLOPE, False),
        infer=_leaky_relu,
        rises=True,
    ),
}


def activation(name: Name) -> Activation:
    """The function of that name."""
    return _ACTIVATIONS[name]
