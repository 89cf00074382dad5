"""bfloat16: matrix products with 8 significant bits, everything else as ever."""

from typing import Any

import pytest
import torch

from tests.fleets import ADAM, fleet, fleets, trained

SHORT = {**ADAM, "epochs": 10}
LOW = {**SHORT, "precision": "bfloat16"}
TECHNIQUES: list[dict[str, Any]] = [
    {"dropout": {"p": 0.2}, "l2": {"strength": 1e-4}},
    {"batch_norm": {}},
]
OTHERS: list[dict[str, Any]] = [{"l1": {"strength": 1e-4}}, {"mixup": {}}, {"adversarial": {}}]


@pytest.mark.parametrize(
    "regularization", [*TECHNIQUES, *(pytest.param(r, marks=pytest.mark.slow) for r in OTHERS)]
)
def test_it_learns_nearly_what_float32_learns(regularization: dict[str, Any]) -> None:
    full, low = (
        trained(fleet(training=training, regularization=regularization))
        for training in (SHORT, LOW)
    )
    weights = [run.final_engine().parameters.values for run in (full, low)]
    assert weights[1].dtype == torch.float32
    assert not torch.equal(*weights), "the products were rounded"
    expected, found = (run.results()[0].metrics["train_accuracy"] for run in (full, low))
    assert found == pytest.approx(expected, abs=0.04)


def test_the_gradient_is_rounded_to_eight_bits() -> None:
    full, low = (fleet(training=training).engine for training in (SHORT, LOW))
    rows = full.data.order(0, 32)[0]
    (loss, exact), (rounded, near) = full.loss.differentiate(rows), low.loss.differentiate(rows)
    torch.testing.assert_close(rounded, loss, rtol=2**-7, atol=0)
    for one, other in zip(exact, near, strict=True):
        assert other.dtype == torch.float32
        # Products are rounded, and rounded once more with the bias.
        assert (one - other).norm() < 2**-4 * one.norm()
        assert not torch.equal(one, other)


def test_it_is_another_program() -> None:
    members = [{"name": "a", "training": SHORT}, {"name": "b", "training": LOW}]
    assert len(fleets(compare=members)) == 2
