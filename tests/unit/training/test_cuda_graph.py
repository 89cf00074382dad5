"""Steps that read what changes from tensors, as a CUDA graph needs them; and when one is used.

The capture itself needs a GPU, which these tests do not have.
"""

import pytest
import torch

from tests.fleets import ADAM, fleet

TECHNIQUES = {
    "l1": {"strength": 1e-3, "method": "proximal"},
    "l2": {"strength": 1e-3},
    "weight_decay": {"strength": 1e-2},
    "dropout": {"p": 0.3},
    "max_norm": {"norm": 1.0},
}


@pytest.mark.parametrize("optimizer", ["adam", "sgd"])
def test_numbers_from_tensors_make_the_same_steps(optimizer: str) -> None:
    """Rates and the step's number as tensors, instead of floats: the same weights."""
    training = {**ADAM, "epochs": 1, "optimizer": {"kind": optimizer, "learning_rate": 0.01}}
    plain, tensors = (fleet(regularization=TECHNIQUES, training=training).program for _ in "ab")
    for program in (plain, tensors):
        program.start_epoch(0)
    rate = torch.tensor([[0.01]], dtype=torch.float64)
    for batch in range(plain.batches):
        plain.step(batch)
        number = torch.tensor(batch + 1.0, dtype=torch.float64)
        tensors.update(tensors.order[batch], rate, number)
    torch.testing.assert_close(
        plain.parameters.values, tensors.parameters.values, rtol=1e-6, atol=1e-8
    )


def test_steps_on_a_processor_are_not_captured() -> None:
    """Graphs are for CUDA."""
    assert fleet(training={**ADAM, "epochs": 1}).program.graphs is None
