"""Trainings without random numbers end with the weights that are stored.

With the same bits where the arithmetic is the same: torch, instruction set, processor, one thread.
Elsewhere sums are rounded otherwise, and they are close. A change of these weights is a change of
what users get: `python -m tests.assets.make weights` writes new ones, and the changelog says why.
"""

from functools import cache
from typing import Any

import pytest
import torch
from torch import Tensor

from tests import stored

CLOSE = 1e-5


@cache
def expected() -> tuple[dict[str, dict[str, Tensor]], dict[str, Any]]:
    return stored.stored_weights()


def determined(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    """What training determines, whatever the roundings.

    A bias before a batch normalization is subtracted again with the mean, so that its gradient is
    nothing but roundings, which Adam scales to whole steps; the running mean follows it.
    """
    means = "buffers.norms.{}.batch_norm.running_mean"
    drifting = [n for n in range(len(tensors)) if means.format(n) in tensors]
    left_aside = {name for n in drifting for name in (means.format(n), f"weights.layers.{n}.bias")}
    return {name: tensor for name, tensor in tensors.items() if name not in left_aside}


@pytest.mark.parametrize("name", stored.JOBS)
def test_final_weights_are_the_stored_ones(name: str) -> None:
    tensors, facts = expected()
    found = stored.final_weights(name)
    assert found.keys() == tensors[name].keys()
    for tensor_name, tensor in determined(found).items():
        torch.testing.assert_close(
            tensor,
            determined(tensors[name])[tensor_name],
            rtol=CLOSE,
            atol=CLOSE,
            msg=lambda text, place=tensor_name: f"{place}: {text}",
        )
    if stored.arithmetic() == facts["arithmetic"]:
        assert stored.sha256(found) == facts["sha256"][name]


def test_what_is_stored_is_whole() -> None:
    tensors, facts = expected()
    assert {name: stored.sha256(named) for name, named in tensors.items()} == facts["sha256"]
    assert tensors.keys() == stored.JOBS.keys()
