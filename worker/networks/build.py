"""From a specification to a network of K trials."""

from collections.abc import Sequence

import torch
from torch import Generator

from worker.networks.linear import Linear
from worker.networks.mlp import Mlp
from worker.networks.network import Network
from worker.networks.slots import Slots
from worker.regularization import Regularization
from worker.spec import LinearSpec, NetworkSpec


def build_network(
    spec: NetworkSpec,
    inputs: int,
    outputs: int,
    regularizations: Sequence[Regularization],
    *,
    generator: Generator | None = None,
    structure: Sequence[Regularization] | None = None,
) -> Network:
    """Build K networks of one structure, each with its own techniques; weights not yet drawn.

    ``generator`` feeds masks and noise in training mode. ``structure`` are the trials that decide
    which normalization layers exist; these ones unless given.
    """
    slots = Slots(regularizations, generator or Generator(), structure)
    if isinstance(spec, LinearSpec):
        return Linear(inputs, outputs, slots)
    return Mlp(spec, inputs, outputs, slots)


def count_parameters(
    spec: NetworkSpec, inputs: int, outputs: int, regularization: Regularization
) -> int:
    """How many numbers one trial learns. Nothing is allocated."""
    with torch.device("meta"):
        network = build_network(spec, inputs, outputs, [regularization])
    return sum(parameter.numel() for parameter in network.parameters())
