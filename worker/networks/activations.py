"""The nonlinearities that a network may use."""

from collections.abc import Callable

from torch import Tensor
from torch.nn import functional

from worker.spec import Activation

_ACTIVATIONS: dict[Activation, Callable[[Tensor], Tensor]] = {
    "relu": functional.relu,
    "tanh": Tensor.tanh,
    "gelu": functional.gelu,
    "silu": functional.silu,
    "selu": functional.selu,
    "leaky_relu": functional.leaky_relu,
}


def activation(name: Activation) -> Callable[[Tensor], Tensor]:
    """The function of that name, applied entry by entry."""
    return _ACTIVATIONS[name]
