"""From a specification to a network of K trials."""

from collections.abc import Sequence

import torch

from worker.networks.cnn import Cnn
from worker.networks.linear import Linear
from worker.networks.mlp import Mlp
from worker.networks.network import Network
from worker.networks.residual_mlp import ResidualMlp
from worker.networks.slots import Slots
from worker.regularization import RandomStreams, Regularization
from worker.spec import CnnSpec, LinearSpec, NetworkSpec, ResidualMlpSpec


def build_network(
    spec: NetworkSpec,
    shape: tuple[int, ...],
    outputs: int,
    regularizations: Sequence[Regularization],
    *,
    streams: RandomStreams | None = None,
    structure: Sequence[Regularization] | None = None,
    numbers: Sequence[int] | None = None,
) -> Network:
    """Build K networks of one structure, each with its own techniques; weights not yet drawn.

    ``shape`` is that of one row: (F,), (C, L) or (C, H, W). ``streams`` feeds masks and noise in
    training mode. ``structure`` are the trials that decide which layers with weights exist; these
    ones unless given. ``numbers`` are the inputs that an embedding takes, all of them unless given.
    """
    slots = Slots(
        spec, regularizations, streams or RandomStreams([0] * len(regularizations)), structure
    )
    if isinstance(spec, LinearSpec):
        return Linear(spec, shape, outputs, slots)
    if isinstance(spec, ResidualMlpSpec):
        return ResidualMlp(spec, shape, outputs, slots, numbers)
    if isinstance(spec, CnnSpec):
        return Cnn(spec, shape, outputs, slots)
    return Mlp(spec, shape, outputs, slots, numbers)


def count_parameters(
    spec: NetworkSpec,
    shape: tuple[int, ...],
    outputs: int,
    regularization: Regularization,
    numbers: Sequence[int] | None = None,
) -> int:
    """How many numbers one trial learns. Nothing is allocated."""
    with torch.device("meta"):
        network = build_network(spec, shape, outputs, [regularization], numbers=numbers)
    return sum(parameter.numel() for parameter in network.parameters())
