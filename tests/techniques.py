"""Networks with given techniques, for tests of layers: one trial a regularization."""

from collections.abc import Sequence
from typing import Any

import torch
from pydantic import TypeAdapter
from torch import Generator, Tensor

from worker.networks import Network, build_network
from worker.regularization import Regularization
from worker.regularization.random_streams import RandomStreams
from worker.spec import NetworkSpec, Structure

SEED = 7


def network_spec(**spec: Any) -> Any:
    """A network as a user writes it."""
    return TypeAdapter(NetworkSpec).validate_python(spec)


def network(
    spec: Structure | dict[str, Any],
    shape: tuple[int, ...],
    *regularizations: dict[str, Any],
    outputs: int = 3,
    seeds: Sequence[int] | None = None,
) -> Network:
    """A network with drawn weights, the same for every trial unless seeds say otherwise."""
    built = build_network(
        network_spec(**spec) if isinstance(spec, dict) else spec,  # type: ignore[arg-type]
        shape,
        outputs,
        [Regularization.model_validate(r) for r in regularizations],
        streams=RandomStreams([SEED + n for n in range(len(regularizations))]),
    )
    built.initialize(seeds or [SEED] * len(regularizations))
    return built


def rows(trials: int, count: int, *shape: int) -> Tensor:
    """The same rows for every trial, ``[K, B, …]``."""
    generator = Generator().manual_seed(SEED)
    return torch.randn(count, *shape, generator=generator).expand(trials, count, *shape)
