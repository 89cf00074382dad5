"""What holds for the members of each family: shapes, types and devices are kept; settings survive.

A device is tried without having one: on ``meta`` a tensor made elsewhere is an error all the same.
"""

from typing import Any

import pytest
import torch
from torch import Tensor, nn

from tests.batches import IMAGE, TABLE, batch, counted
from tests.streams import stream
from tests.techniques import network, rows
from tests.vocabulary import EXAMPLES, residual
from tests.weights import weights
from worker.regularization import ParameterIndex, PerTrial, Regularization, Technique, techniques
from worker.regularization.families.augmentation import Attack, ImageAugmentation
from worker.regularization.families.averaging import WeightAverage
from worker.regularization.families.batch import BatchTechnique
from worker.regularization.families.constraint import Constraint
from worker.regularization.families.decay import Decay, Decays
from worker.regularization.families.normalization import NormalizationLayer
from worker.regularization.families.output import OutputPenalty, ScorePenalty, SlopePenalty
from worker.regularization.families.penalty import Penalty, PenaltyTerms, ProximalPenalty
from worker.regularization.families.random_layer import RandomLayer

WHERE = [("cpu", torch.float32), ("cpu", torch.float64), ("meta", torch.float32)]
LAYERS = {"dropout", "normalization", "noise"}
NETWORKS: dict[str, tuple[dict[str, Any], tuple[int, ...]]] = {
    "flat": ({"kind": "mlp", "hidden": [8, 6]}, (5,)),
    "residual": ({"kind": "residual_mlp", "width": 8, "blocks": 2}, (5,)),
    "image": ({"kind": "cnn", "channels": [4], "hidden": [8]}, (3, 8, 8)),
    "series": ({"kind": "cnn", "channels": [4], "hidden": [8]}, (3, 9)),
}


def members(family: type[Technique]) -> list[str]:
    """The names of a family's techniques."""
    return [name for name, technique in techniques().items() if issubclass(technique, family)]


def stack(name: str) -> PerTrial[Any]:
    """A technique's three examples and a trial without it."""
    technique = techniques()[name]
    return PerTrial((*(technique.model_validate(one) for one in EXAMPLES[name].settings), None))


def like(found: Tensor, expected: Tensor) -> None:
    assert (found.shape, found.dtype, found.device) == (
        expected.shape,
        expected.dtype,
        expected.device,
    )


def on_device(device: str) -> tuple[Tensor, ParameterIndex]:
    """Weights of four trials and what their columns are, on a device."""
    w, columns = weights(4)
    moved = ParameterIndex(columns.weight.to(device), columns.layer.to(device), columns.matrices)
    return w.to(device), moved


@pytest.mark.parametrize("name", techniques())
def test_settings_survive_json_with_their_defaults(name: str) -> None:
    """What is stored says all fields: a default may change, what was trained may not."""
    technique = techniques()[name]
    for settings in EXAMPLES[name].settings:
        one = technique.model_validate(settings)
        text = one.model_dump_json()
        assert technique.model_validate_json(text) == one
        assert set(one.model_dump(mode="json")) == set(technique.model_fields)
        whole = Regularization.model_validate({name: settings})
        assert Regularization.model_validate_json(whole.model_dump_json()) == whole
        assert Regularization.model_validate(whole.model_dump(mode="json")) == whole


@pytest.mark.parametrize("device", ["cpu", "meta"])
@pytest.mark.parametrize("name", members(Penalty))
def test_penalties(name: str, device: str) -> None:
    technique = techniques()[name]
    assert issubclass(technique, Penalty)
    w, columns = on_device(device)
    terms = technique.terms(stack(name), on_device("cpu")[1])
    terms = PenaltyTerms(
        terms.strength.to(device), columns, {n: t.to(device) for n, t in terms.numbers.items()}
    )
    like(technique.value(w, terms), w[:, 0])
    like(technique.gradient(w, terms), w)
    if issubclass(technique, ProximalPenalty):
        like(technique.proximal(w, terms, 0.1), w)
        like(technique.proximal(w, terms, torch.full((4, 1), 0.1, device=device)), w)


@pytest.mark.parametrize("name", members(Penalty))
def test_a_penalty_is_linear_in_its_strength_and_differentiated(name: str) -> None:
    technique = techniques()[name]
    assert issubclass(technique, Penalty)
    w, index = weights(3)
    w.requires_grad_()
    strengths = [{**EXAMPLES[name].settings[0], "strength": s} for s in (0.0, 0.1, 0.3)]
    terms = technique.terms(
        PerTrial(tuple(technique.model_validate(settings) for settings in strengths)), index
    )
    value = technique.value(w[:1].expand(3, -1), terms)
    torch.testing.assert_close(value / value[1], torch.tensor([0.0, 1.0, 3.0]))
    (expected,) = torch.autograd.grad(technique.value(w, terms).sum(), w)
    torch.testing.assert_close(technique.gradient(w.detach(), terms), expected)


@pytest.mark.parametrize(("device", "dtype"), WHERE)
@pytest.mark.parametrize("outputs", [1, 3])
@pytest.mark.parametrize("name", members(OutputPenalty))
def test_output_penalties(name: str, outputs: int, device: str, dtype: torch.dtype) -> None:
    technique = techniques()[name]
    x = torch.randn(4, 7, 5).to(device, dtype).requires_grad_()
    scores = x @ torch.randn(4, 5, outputs).to(device, dtype)
    if issubclass(technique, ScorePenalty):
        like(technique.value(scores), x[:, :, 0])
        like(technique.slope(scores), scores)
    elif issubclass(technique, SlopePenalty):
        like(technique.value(x, scores, torch.ones_like(scores)), x[:, :, 0])
    else:
        raise TypeError(f"{name} is of a kind that is not tried here")


@pytest.mark.parametrize("device", ["cpu", "meta"])
@pytest.mark.parametrize("name", [*members(Decay), *members(Constraint), *members(WeightAverage)])
def test_what_acts_on_weights(name: str, device: str) -> None:
    technique = techniques()[name]
    w, columns = on_device(device)
    before, members = w.clone(), PerTrial(stack(name).members, device)
    if issubclass(technique, Decay):
        strength = technique.strengths(members, columns)
        like(technique.coupled_gradient(w, strength), w)
        like(technique.decayed(w, strength, 0.1), w)
        Decays({technique: members}, columns).decay(w, 0.1)
    elif issubclass(technique, Constraint):
        for matrix, limit in zip(columns.matrices, technique.limits(members, columns), strict=True):
            technique.project(matrix.of(w), limit)
    elif issubclass(technique, WeightAverage):
        share = technique.share(technique.numbers(members, 5), 3)
        like(share.expand(4, 1), w[:, :1])
    like(w, before)
    if device == "cpu":
        assert torch.equal(w[3], before[3])


@pytest.mark.parametrize(("device", "dtype"), WHERE)
@pytest.mark.parametrize("kind", NETWORKS)
@pytest.mark.parametrize("name", [n for n, t in techniques().items() if t.family in LAYERS])
def test_layers(name: str, kind: str, device: str, dtype: torch.dtype) -> None:
    """Every layer that a technique puts into a network, in training and in eval mode."""
    if kind != "residual" and EXAMPLES[name].stages == (residual,):
        kind = "residual"
    spec, shape = NETWORKS[kind]
    agreeing = [{n: v for n, v in one.items() if n != "epsilon"} for one in EXAMPLES[name].settings]
    built = network(spec, shape, *({name: one} for one in agreeing), {})
    built.to(device, dtype)
    seen = []

    def check(_: nn.Module, given: tuple[Tensor, ...], found: Tensor) -> None:
        like(found, given[0])
        seen.append(found)

    for module in built.modules():
        if isinstance(module, RandomLayer | NormalizationLayer):
            module.register_forward_hook(check)
    x = rows(4, 7, *shape).to(device, dtype)
    # Random numbers are drawn where the streams are: on "meta" there are none.
    for mode in (True, False) if device == "cpu" else (False,):
        like(built.train(mode)(x), x.new_empty(4, 7, 3))
    assert seen


@pytest.mark.parametrize("name", members(BatchTechnique))
@pytest.mark.parametrize("classes", [2, 3])
def test_batches(name: str, classes: int) -> None:
    technique = techniques()[name]
    assert issubclass(technique, BatchTechnique)
    settings = stack(name)
    if name == "class_weights":
        settings = PerTrial((technique.model_validate({}), None, None, None))
    given = batch(IMAGE if issubclass(technique, ImageAugmentation) else TABLE, classes=classes)
    numbers = technique.numbers(settings, counted(given))
    found = technique.alter(given, numbers, stream(len(given.x)))
    like(found.x, given.x)
    like(found.soft(), given.soft())
    if found.weights is not None:
        like(found.weights, given.x[:, :, 0])


@pytest.mark.parametrize(("device", "dtype"), WHERE)
@pytest.mark.parametrize("name", members(Attack))
def test_attacks(name: str, device: str, dtype: torch.dtype) -> None:
    technique = techniques()[name]
    assert issubclass(technique, Attack)
    x = batch().x.to(device, dtype)
    epsilon = stack(name).numbers(lambda one: one.epsilon).to(device, dtype)
    like(technique.perturb(x, x, epsilon.view(4, 1, 1)), x)
