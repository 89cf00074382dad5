"""Confidence penalty: entropy in nats, its derivative, and calmer answers."""

import math

import pytest
import torch
from torch.distributions import Bernoulli, Categorical

from tests.fleets import fleet, trained
from worker.regularization.confidence_penalty import ConfidencePenalty


@pytest.mark.parametrize("outputs", [1, 2, 5])
def test_it_is_the_entropy_of_the_predictions(outputs: int) -> None:
    scores = 4 * torch.randn(3, 7, outputs, dtype=torch.float64)
    expected = (
        Bernoulli(logits=scores[..., 0]).entropy()
        if outputs == 1
        else Categorical(logits=scores).entropy()
    )
    torch.testing.assert_close(-ConfidencePenalty.value(scores), expected)


@pytest.mark.parametrize("outputs", [1, 2, 5])
def test_the_slope_is_its_derivative(outputs: int) -> None:
    scores = (4 * torch.randn(3, 7, outputs, dtype=torch.float64)).requires_grad_()
    (expected,) = torch.autograd.grad(ConfidencePenalty.value(scores).sum(), scores)
    torch.testing.assert_close(ConfidencePenalty.slope(scores.detach()), expected)


def test_the_example_of_the_docstring() -> None:
    scores = torch.tensor([[[math.log(9)]]])
    assert -0.1 * ConfidencePenalty.value(scores).item() == pytest.approx(0.0325, abs=1e-4)


@pytest.mark.parametrize("outputs", [1, 3])
def test_certain_answers_are_finite(outputs: int) -> None:
    scores = torch.full((1, 1, outputs), -200.0)
    scores[..., 0] = 200.0
    assert ConfidencePenalty.value(scores).item() == pytest.approx(0.0, abs=1e-6)
    assert ConfidencePenalty.slope(scores).isfinite().all()


@pytest.mark.parametrize("builtin", ["circle", "wine"])
def test_answers_are_less_certain(builtin: str) -> None:
    settings = [{}, {"confidence_penalty": {"strength": 0.5}}]
    run = trained(
        fleet(
            dataset={"builtin": builtin},
            training={"epochs": 20},
            compare=[{"name": str(n), "regularization": r} for n, r in enumerate(settings)],
        )
    )
    engine = run.engine
    x = next(iter(engine.data.batches("train", 64))).x
    entropy = -ConfidencePenalty.value(engine.answer(x).detach()).mean(1)
    assert entropy[1] > entropy[0]


def test_by_hand_and_by_autograd_agree() -> None:
    """An attack of ε = 0 changes nothing but that autograd does the work."""
    settings = {"confidence_penalty": {"strength": 0.5}}
    weights = []
    for more in ({}, {"adversarial": {"epsilon": 0.0}}):
        run = trained(
            fleet(
                dataset={"builtin": "wine"}, training={"epochs": 3}, regularization=settings | more
            )
        )
        weights.append(run.engine.parameters.values)
    torch.testing.assert_close(*weights, rtol=1e-4, atol=1e-5)
