"""What holds for every penalty: its gradient, its proximal step, its fleet."""

from typing import Any

import pytest
import torch
from torch import Tensor

from tests.weights import weights
from worker.regularization import L2, PerTrial
from worker.regularization.elastic_net import ElasticNet
from worker.regularization.families.penalty import Penalties, Penalty, PenaltyTerms
from worker.regularization.group_lasso import GroupLasso
from worker.regularization.l1 import L1

SETTINGS: list[Penalty] = [
    L1(strength=0.3),
    L2(strength=0.3),
    ElasticNet(strength=0.3, l1_ratio=0.25),
    GroupLasso(strength=0.3, groups="inputs"),
    GroupLasso(strength=0.3, groups="units", biases=True),
    GroupLasso(strength=0.3, layers=(0,)),
]


def priced(*settings: Penalty | None) -> tuple[Tensor, PenaltyTerms]:
    """Weights of as many trials, and the terms of a penalty on them."""
    w, columns = weights(len(settings))
    technique = next(type(one) for one in settings if one is not None)
    return w, technique.terms(PerTrial(settings), columns)


@pytest.mark.parametrize("settings", SETTINGS, ids=repr)
def test_gradient_is_the_derivative_of_the_value(settings: Penalty) -> None:
    w, terms = priced(settings, None)
    w.requires_grad_()
    (expected,) = torch.autograd.grad(settings.value(w, terms).sum(), w)
    torch.testing.assert_close(settings.gradient(w.detach(), terms), expected)
    assert settings.value(w, terms)[1] == 0


@pytest.mark.parametrize("settings", SETTINGS, ids=repr)
def test_the_proximal_step_minimizes(settings: Penalty) -> None:
    """½(v − w)² + η·R(v) is least at prox(w): no small change of it is better."""
    w, terms = priced(settings)
    w, step = w.double(), torch.tensor([[0.7]], dtype=torch.float64)
    terms = PenaltyTerms(
        terms.strength.double(), terms.index, {n: t.double() for n, t in terms.numbers.items()}
    )

    def cost(v: Tensor) -> Tensor:
        return 0.5 * (v - w).square().sum(1) + step[:, 0] * settings.value(v, terms)

    found = settings.proximal(w, terms, step)
    assert cost(found) < cost(w)
    generator = torch.Generator().manual_seed(1)
    for size in (1e-1, 1e-3, 1e-5):
        for _ in range(20):
            noise = torch.randn(w.shape, generator=generator, dtype=torch.float64)
            assert cost(found) <= cost(found + size * noise)


def test_elastic_net_joins_l1_and_l2() -> None:
    """ρ = 1 is l1 and ρ = 0 is l2, of the same strength; between them the mixture."""
    w, columns = weights(1)

    def of(settings: Penalty) -> tuple[Tensor, Tensor, Tensor]:
        terms = settings.terms(PerTrial((settings,)), columns)
        step = settings.proximal(w, terms, 0.5)
        return settings.value(w, terms), settings.gradient(w, terms), step

    for pair in [(1.0, L1(strength=0.2)), (0.0, L2(strength=0.2))]:
        for found, expected in zip(
            of(ElasticNet(strength=0.2, l1_ratio=pair[0])), of(pair[1]), strict=True
        ):
            torch.testing.assert_close(found, expected)
    mixed = of(ElasticNet(strength=0.2, l1_ratio=0.25))[0]
    torch.testing.assert_close(mixed, of(L1(strength=0.05))[0] + of(L2(strength=0.15))[0])


def test_group_lasso_by_hand() -> None:
    """λ Σ √|g|·‖w_g‖ over the rows, or the columns, of W."""
    w, columns = weights(2)
    settings = (GroupLasso(strength=0.1), GroupLasso(strength=0.1, groups="units"))
    terms = GroupLasso.terms(PerTrial(settings), columns)
    blocks = [matrix.of(w) for matrix in columns.matrices]
    inputs = sum(b[0].norm(dim=1).sum() * b.shape[2] ** 0.5 for b in blocks) * 0.1
    units = sum(b[1].norm(dim=0).sum() * b.shape[1] ** 0.5 for b in blocks) * 0.1
    torch.testing.assert_close(GroupLasso.value(w, terms), torch.stack([inputs, units]))


@pytest.mark.parametrize(("groups", "axis"), [("inputs", 1), ("units", 0)])
def test_group_lasso_removes_whole_groups(groups: Any, axis: int) -> None:
    """A group is zero throughout or nowhere; biases stay."""
    settings = GroupLasso(strength=1.0, groups=groups)
    w, terms = priced(settings)
    found = settings.proximal(w, terms, 0.9)
    silent = [(m.of(found)[0] == 0) for m in terms.index.matrices]
    assert any(zero.any() for zero in silent)
    assert not all(zero.all() for zero in silent)
    for zero in silent:
        assert torch.equal(zero.all(axis), zero.any(axis))
    assert torch.equal(found[:, ~terms.index.weight], w[:, ~terms.index.weight])


def test_a_fleet_takes_each_penalty_by_its_method() -> None:
    """The objective holds R whatever the method; its gradient joins, or weights shrink by ηλ."""
    w, columns = weights(3)
    settings = (L1(strength=0.2), L1(strength=0.3, method="proximal"), None)
    penalties = Penalties({L1: PerTrial(settings)}, columns)
    norm = w[:, columns.weight].abs().sum(1)
    loss, gradient = torch.tensor([1.0, 2.0, 3.0]), torch.zeros_like(w)
    objective = penalties.add_gradient(w, gradient, loss)
    torch.testing.assert_close(objective, loss + torch.tensor([0.2, 0.3, 0.0]) * norm)
    torch.testing.assert_close(gradient[0], 0.2 * w[0].sign() * columns.weight)
    assert not gradient[1:].any()

    before, step = w.clone(), torch.tensor([[0.5], [0.7], [0.9]])
    penalties.shrink(w, step)
    assert torch.equal(w[[0, 2]], before[[0, 2]])
    threshold = 0.7 * 0.3 * columns.weight
    expected = before[1].sign() * (before[1].abs() - threshold).clamp(min=0)
    torch.testing.assert_close(w[1], expected)
    assert (w[1] == 0).any()


def test_penalties_together_are_one_proximal_step() -> None:
    """The solver's joint step minimizes the sum of l1, l2 and group_lasso."""
    w, columns = weights(1)
    w = w.double()
    members: list[Penalty] = [L2(strength=0.4), L1(strength=0.2), GroupLasso(strength=0.1)]
    penalties = Penalties({type(m): PerTrial((m,)) for m in members}, columns)
    step = torch.tensor([[0.7]], dtype=torch.float64)

    def cost(v: Tensor) -> Tensor:
        terms = [(m, m.terms(PerTrial((m,)), columns)) for m in members]
        total = sum(m.value(v.float(), p).double() for m, p in terms)
        return 0.5 * (v - w).square().sum(1) + step[:, 0] * total

    found = penalties.convex(w).proximal(w, step)
    generator = torch.Generator().manual_seed(1)
    for _ in range(50):
        noise = torch.randn(w.shape, generator=generator, dtype=torch.float64)
        assert cost(found) <= cost(found + 1e-2 * noise)


def test_a_convolution_is_grouped_by_channel() -> None:
    """W is (out, in, …): inputs are its second axis, units its first."""
    from tests.techniques import network
    from worker.networks import Parameters

    built = network({"kind": "cnn"}, (2, 8, 8), {})
    parameters = Parameters(built)
    matrix = next(m for m in parameters.index.matrices if len(m.shape) > 2)
    view = matrix.of(parameters.values)
    assert view.shape[1] == 2
    assert view.shape[-1] == matrix.shape[0]
    before = parameters.values.clone()
    view[:, 0] = 0
    assert (parameters.values != before).sum() == view[0, 0].numel()
