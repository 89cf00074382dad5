"""The nonlinearities that a network may use, and their derivatives."""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from worker.spec import Activation as Name

_aten = torch.ops.aten
_SELU_ALPHA, _SELU_SCALE = 1.6732632423543772, 1.0507009873554805
_LEAKY_SLOPE = 0.01


@dataclass(frozen=True)
class Activation:
    """A function applied entry by entry, and its derivative. Shapes are kept."""

    apply: Callable[[Tensor], Tensor]
    """z → y."""
    derive: Callable[[Tensor, Tensor, Tensor], Tensor]
    """(∂L/∂y, z, y) → ∂L/∂z."""
    apply_: Callable[[Tensor], Tensor] | None = None
    """z → y in z's place, for a derivative that needs neither z nor the size of y: it may then be
    read off a y that dropout has scaled since."""

    def __call__(self, z: Tensor) -> Tensor:
        """z → y."""
        return self.apply(z)


_ACTIVATIONS: dict[Name, Activation] = {
    "relu": Activation(
        torch.relu, lambda g, z, y: _aten.threshold_backward(g, y, 0), apply_=torch.relu_
    ),
    "tanh": Activation(torch.tanh, lambda g, z, y: _aten.tanh_backward(g, y)),
    "gelu": Activation(functional.gelu, lambda g, z, y: _aten.gelu_backward(g, z)),
    "silu": Activation(functional.silu, lambda g, z, y: _aten.silu_backward(g, z)),
    "selu": Activation(
        functional.selu,
        lambda g, z, y: _aten.elu_backward(g, _SELU_ALPHA, _SELU_SCALE, 1, True, y),
    ),
    "leaky_relu": Activation(
        functional.leaky_relu,
        lambda g, z, y: _aten.leaky_relu_backward(g, z, _LEAKY_SLOPE, False),
    ),
}


def activation(name: Name) -> Activation:
    """The function of that name."""
    return _ACTIVATIONS[name]
