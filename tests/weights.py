"""Small fleets for tests of techniques that act on weights."""

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor

from tests.fleets import fleet, trained
from tests.techniques import network
from worker.models import ModelFile
from worker.networks import Parameters
from worker.regularization import ParameterIndex
from worker.training import FleetRun

DENSE: dict[str, Any] = {"kind": "mlp", "hidden": [4, 3]}
SMALL: dict[str, Any] = {"builtin": "circle", "rows": 120}
SHORT: dict[str, Any] = {"epochs": 5, "optimizer": {"kind": "adam", "learning_rate": 0.02}}


def weights(trials: int, seed: int = 0) -> tuple[Tensor, ParameterIndex]:
    """Random weights ``[K, P]`` of a 5-4-3-2 network, and what their columns are."""
    built = network(DENSE, (5,), *[{}] * trials, outputs=2)
    parameters = Parameters(built)
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(parameters.values.shape, generator=generator), parameters.index


def small_fleet(*regularizations: dict[str, Any], **job: Any) -> FleetRun:
    """A fleet with one trial for each regularization."""
    variants = [{"name": f"{n}", "regularization": r} for n, r in enumerate(regularizations)]
    settings = {"dataset": SMALL, "network": DENSE, "training": SHORT, **job}
    return fleet(compare=variants, **settings)


def path(run: FleetRun) -> Iterator[Tensor]:
    """Train, and give the weights ``[K, P]`` after every step."""
    for epoch in range(run.engine.training.epochs):
        run.engine.start_epoch(epoch)
        for batch in range(run.engine.batches):
            run.step(batch)
            parameters = run.engine.parameters
            yield parameters.values[:, : parameters.count].clone()
        run.engine.end_epoch(epoch)


def served(result: ModelFile, trial: int) -> dict[str, Tensor]:
    """The weights, buffers and members that one trial is served with."""
    return {
        name: tensor[trial]
        for name, tensor in result.tensors.items()
        if name.startswith(("weights.", "buffers.", "members."))
    }


def equals_fleet_of_one(*regularizations: dict[str, Any], **job: Any) -> None:
    """Assert that every trial of a fleet ends as it does alone, in tensors and metrics."""
    together = trained(small_fleet(*regularizations, **job))
    result, results = together.result(), together.results()
    for number, regularization in enumerate(regularizations):
        alone = trained(small_fleet(regularization, **job))
        mine, stacked = served(alone.result(), 0), served(result, number)
        for name, tensor in mine.items():
            rows = tuple(slice(size) for size in tensor.shape)
            torch.testing.assert_close(
                stacked[name][rows], tensor, rtol=1e-4, atol=1e-5, msg=f"{regularization} {name}"
            )
        for name, value in alone.results()[0].metrics.items():
            found = results[number].metrics[name]
            assert (found is None) == (value is None), (regularization, name)
            if found is not None and value is not None:
                assert abs(found - value) <= 1e-5 + 1e-4 * abs(value), (regularization, name)
