"""Each check of the certificate, failed by a model that is wrong in that way alone."""

from collections.abc import Callable
from functools import cache
from itertools import count

import pytest
import torch
from torch import Tensor, nn

from tests.fleets import fleet, trained
from worker.training import TrainedModel, certify

CHECKS = {"eval_mode", "deterministic", "row_independent", "as_trained"}


@cache
def result() -> bytes:
    """A trained network without anything random."""
    run = fleet(training={"epochs": 2}, network={"kind": "mlp", "hidden": [6]})
    return trained(run).result().dump()


def failed(spoil: Callable[[nn.Module], object]) -> set[str]:
    """The checks that a model fails after its network was spoiled."""
    model = TrainedModel.load(result(), 0)
    spoil(model.network)
    certificate = certify(model)
    assert {check.name for check in certificate.checks} == CHECKS
    wrong = {check.name for check in certificate.checks if not check.passed}
    assert certificate.passed == (not wrong)
    return wrong


def answers(change: Callable[[Tensor], Tensor]) -> Callable[[nn.Module], object]:
    """Make a network answer something else; scores are ``[K, B, O]``."""
    return lambda network: network.register_forward_hook(lambda _, __, scores: change(scores))


def training_mode(network: nn.Module) -> None:
    """One module, whose mode makes no difference here."""
    list(network.modules())[-1].training = True


def never_the_same() -> Callable[[nn.Module], object]:
    """Answers that wander by less than any tolerance."""
    calls = count()
    return answers(lambda scores: scores + 1e-6 * next(calls))


def looks_at_the_batch(scores: Tensor) -> Tensor:
    """A row alone is told something else than among others."""
    return scores + (0.1 if scores.shape[1] == 1 else 0.0)


def other_weights(network: nn.Module) -> None:
    """Weights that are not those that training ended with."""
    with torch.no_grad():
        next(network.parameters()).add_(0.1)


def test_a_sound_model_passes_all() -> None:
    assert failed(lambda network: None) == set()


@pytest.mark.parametrize(
    ("check", "spoil"),
    [
        ("eval_mode", training_mode),
        ("deterministic", never_the_same()),
        ("row_independent", answers(looks_at_the_batch)),
        ("as_trained", other_weights),
    ],
)
def test_a_check_fails_alone(check: str, spoil: Callable[[nn.Module], object]) -> None:
    assert failed(spoil) == {check}


def test_statistics_of_the_batch_are_no_answer_of_a_row() -> None:
    """What batch normalization would do in training mode."""
    wrong = failed(answers(lambda scores: scores - scores.mean(1, keepdim=True)))
    assert wrong == {"row_independent", "as_trained"}
