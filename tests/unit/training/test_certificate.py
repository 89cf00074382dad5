"""Each check of the certificate, failed by a model that is wrong in that way alone."""

from collections.abc import Callable
from dataclasses import replace
from functools import cache
from itertools import count

import pytest
import torch
from torch import Generator, Tensor, nn
from torch.nn import functional

from tests.fleets import fleet, trained
from worker.models import Certificate, TrainedModel, certify

CHECKS = {
    "eval_mode",
    "no_functional_dropout",
    "deterministic",
    "row_independent",
    "as_network",
    "as_trained",
    "no_untrained_column",
}


@cache
def result() -> bytes:
    """A network without anything random, trained with batch normalization."""
    run = fleet(
        training={"epochs": 2},
        network={"kind": "mlp", "hidden": [6]},
        regularization={"batch_norm": {}},
    )
    return trained(run).result().dump()


def failed(spoil: Callable[[nn.Module], object]) -> set[str]:
    """The checks that a model fails after its network was spoiled."""
    model = TrainedModel.load(result(), 0)
    spoil(model.network)
    return wrong_with(certify(model))


def wrong_with(certificate: Certificate) -> set[str]:
    """The checks that a certificate says did not pass."""
    assert {check.name for check in certificate.checks} == CHECKS
    wrong = {check.name for check in certificate.checks if not check.passed}
    assert certificate.passed == (not wrong)
    return wrong


def answers(change: Callable[[Tensor], Tensor]) -> Callable[[nn.Module], object]:
    """Make a network answer something else; scores are ``[K, B, O]``."""
    return lambda network: network.register_forward_hook(lambda _, __, scores: change(scores))


def training_mode(network: nn.Module) -> None:
    """One module, whose mode makes no difference here."""
    next(iter(network.modules())).training = True


def rare_dropout(scores: Tensor) -> Tensor:
    """A dropout that no comparison would ever see."""
    return functional.dropout(scores, 1e-12)


def seeded_dropout(scores: Tensor) -> Tensor:
    """The same units of a row each time: the same bits twice, and alone."""
    mask = torch.rand(scores.shape[2], generator=Generator().manual_seed(0)) > 1e-9
    return scores * mask


def attention(scores: Tensor) -> Tensor:
    """Scaled dot product attention of a row with itself, which drops whatever the mode is."""
    row = scores[..., None, :]
    return functional.scaled_dot_product_attention(row, row, row, dropout_p=1e-12)[..., 0, :]


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
        ("no_functional_dropout", answers(rare_dropout)),
        ("no_functional_dropout", answers(seeded_dropout)),
        ("no_functional_dropout", answers(attention)),
        ("row_independent", answers(looks_at_the_batch)),
        ("as_trained", other_weights),
    ],
)
def test_a_check_fails_alone(check: str, spoil: Callable[[nn.Module], object]) -> None:
    assert failed(spoil) == {check}


def test_answers_that_wander_are_not_deterministic() -> None:
    """Nor has a row the same bits in any company then."""
    assert failed(never_the_same()) == {"deterministic", "row_independent"}


def test_functional_dropout_fails_all_that_it_spoils() -> None:
    """Of a usual probability, whatever mode the modules are in."""
    wrong = failed(answers(lambda scores: functional.dropout(scores, 0.5)))
    assert wrong >= {"no_functional_dropout", "deterministic", "row_independent"}
    assert "eval_mode" not in wrong


def test_statistics_of_the_batch_are_no_answer_of_a_row() -> None:
    """What batch normalization would do in training mode."""
    wrong = failed(answers(lambda scores: scores - scores.mean(1, keepdim=True)))
    assert wrong == {"row_independent", "as_network", "as_trained"}


def test_a_batch_norm_in_training_mode_is_seen_by_its_mode_and_its_answers() -> None:
    wrong = failed(lambda network: network.get_submodule("norms.0").train())
    assert wrong >= {"eval_mode", "row_independent", "as_trained"}


def test_weights_that_are_no_numbers_are_not_those_that_were_trained() -> None:
    def spoil(network: nn.Module) -> None:
        with torch.no_grad():
            next(network.parameters()).fill_(torch.nan)

    assert failed(spoil) >= {"as_trained", "as_network"}


def test_the_pass_that_answers_is_looked_at_too() -> None:
    """It was made of the network as it was loaded, and not of what became of it."""
    model = TrainedModel.load(result(), 0)
    assert wrong_with(certify(model)) == set()
    other_weights(model.network)
    assert wrong_with(certify(model)) == {"as_network", "as_trained"}


def test_a_pass_whose_rows_know_their_places_does_not_answer() -> None:
    model = TrainedModel.load(result(), 0)
    forward = model.forward
    object.__setattr__(
        forward, "compute", lambda x: [1e-6 * torch.arange(len(x))[:, None] + model.scores(x)]
    )
    assert wrong_with(certify(model)) == {"row_independent"}


def test_a_column_that_passes_through_untrained_weights_is_named() -> None:
    """One that had a single value in all training rows, and acts all the same."""
    model = TrainedModel.load(result(), 0)
    encoder = replace(model.encoder, high=model.encoder.low)
    certificate = certify(replace(model, encoder=encoder))
    assert wrong_with(certificate) == {"no_untrained_column"}
    (detail,) = [check.detail for check in certificate.checks if not check.passed]
    assert "x1, x2" in detail
