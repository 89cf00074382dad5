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


@pytest.mark.parametrize("name", stored.JOBS)
def test_final_weights_are_the_stored_ones(name: str) -> None:
    tensors, facts = expected()
    found = stored.final_weights(name)
    assert found.keys() == tensors[name].keys()
    for tensor_name, tensor in found.items():
        torch.testing.assert_close(
            tensor,
            tensors[name][tensor_name],
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
