"""Networks in eval mode with weights and running averages of their own, untrained."""

from typing import Any

import torch
from pydantic import TypeAdapter
from torch import Generator

from worker.networks import Network, build_network
from worker.regularization import BatchNormLayer, LayerNormLayer, Regularization
from worker.spec import NetworkSpec

_SPEC: TypeAdapter[NetworkSpec] = TypeAdapter(NetworkSpec)


def at_rest(
    spec: dict[str, Any],
    shape: tuple[int, ...],
    outputs: int,
    techniques: dict[str, Any] | None = None,
    members: int = 1,
) -> Network:
    """So many networks of one structure, whose normalizations do something."""
    regularization = Regularization.model_validate(techniques or {})
    network = build_network(_SPEC.validate_python(spec), shape, outputs, [regularization] * members)
    network.initialize(range(members))
    generator = Generator().manual_seed(0)
    for layer in network.modules():
        if isinstance(layer, BatchNormLayer | LayerNormLayer):
            with torch.no_grad():
                layer.weight.uniform_(0.5, 1.5, generator=generator)
                layer.bias.normal_(generator=generator)
        if isinstance(layer, BatchNormLayer):
            layer.running_mean.normal_(generator=generator)
            layer.running_var.uniform_(0.5, 2.0, generator=generator)
    return network.requires_grad_(False).eval()
