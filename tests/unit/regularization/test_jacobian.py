"""Jacobian regularization: against the whole Jacobian, and what it makes of a network."""

from typing import Any

import pytest
import torch
from torch import Generator, Tensor, nn

from tests.fleets import fleet, trained
from worker.regularization import PerTrial
from worker.regularization.families.output import OutputPenalties
from worker.regularization.jacobian import Jacobian


class Directions:
    """Normal numbers of a place, the same for all trials."""

    def __init__(self, place: str = "", rows: int = 1) -> None:
        self.place = place

    def at(self, name: str, /) -> "Directions":
        return Directions(f"{self.place}/{name}")

    def normal(self, rows: int | None, /, *shape: int) -> Tensor:
        generator = Generator().manual_seed(sum(self.place.encode()))
        return torch.randn(1, rows or 1, *shape, generator=generator)


def whole(network: nn.Module, x: Tensor) -> Tensor:
    """½‖J‖²_F of each row of one trial, from the whole Jacobian."""
    rows = []
    for row in x:
        jacobian = torch.autograd.functional.jacobian(network, row)
        rows.append(jacobian.square().sum() / 2)
    return torch.stack(rows)


def small(outputs: int) -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(4, 6), nn.Tanh(), nn.Linear(6, outputs)).double()


def test_one_output_is_exact() -> None:
    network = small(1)
    x = torch.randn(1, 5, 4, dtype=torch.float64).requires_grad_()
    scores = network(x)
    found = Jacobian.value(x, scores, torch.randn(1, 5, 1, dtype=torch.float64))
    torch.testing.assert_close(found[0], whole(network, x[0].detach()))


def test_the_mean_over_directions_is_the_frobenius_norm() -> None:
    """4,000 directions for each row: within four standard errors."""
    network = small(3)
    row = torch.randn(1, 1, 4, dtype=torch.float64)
    x = row.expand(1, 4000, 4).clone().requires_grad_()
    direction = torch.randn(1, 4000, 3, dtype=torch.float64)
    found = Jacobian.value(x, network(x), direction).detach()[0]
    error = float(found.std()) / 4000**0.5
    assert float(found.mean()) == pytest.approx(float(whole(network, row[0])), abs=4 * error)


def test_its_gradient_is_that_of_the_whole_jacobian() -> None:
    """Second derivatives, by the weights: one output, where the estimate is exact."""
    network = small(1)
    x = torch.randn(1, 5, 4, dtype=torch.float64).requires_grad_()
    value = Jacobian.value(x, network(x), torch.ones(1, 5, 1, dtype=torch.float64)).mean()
    found = torch.autograd.grad(value, list(network.parameters()), allow_unused=True)

    def exact() -> Tensor:
        rows = [
            torch.autograd.functional.jacobian(network, row, create_graph=True).square().sum() / 2
            for row in x[0].detach()
        ]
        return torch.stack(rows).mean()

    expected = torch.autograd.grad(exact(), list(network.parameters()), allow_unused=True)
    for one, other in zip(found, expected, strict=True):
        assert (one is None) == (other is None)  # the output's bias moves no slope
        if one is not None and other is not None:
            torch.testing.assert_close(one, other)


def test_trials_with_fewer_projections_take_the_first() -> None:
    """Strength and projections of each trial, beside others, are what they are alone."""
    settings = (Jacobian(strength=0.1, projections=3), None, Jacobian(strength=0.2))
    x = torch.randn(1, 6, 4).expand(3, 6, 4).clone().requires_grad_()
    weight = torch.randn(1, 4, 3).expand(3, 4, 3)
    together = OutputPenalties({Jacobian: PerTrial(settings)}, Directions())
    assert together.by_slope
    found = together.value(x, (x @ weight).tanh())
    assert found[1] == 0
    for trial in (0, 2):
        alone = OutputPenalties({Jacobian: PerTrial((settings[trial],))}, Directions())
        row = x[trial : trial + 1].detach().requires_grad_()
        torch.testing.assert_close(alone.value(row, (row @ weight[:1]).tanh())[0], found[trial])


def test_a_schedule_gives_a_share_of_the_strength() -> None:
    settings = Jacobian.model_validate({"strength": 0.4, "schedule": {"kind": "linear"}})
    penalties = OutputPenalties({Jacobian: PerTrial((settings,))}, Directions())
    x = torch.randn(1, 6, 4).requires_grad_()
    full = penalties.value(x, x.tanh()).item()
    for epoch, share in ((0, 0.0), (2, 0.5), (4, 1.0)):
        penalties.start_epoch(epoch, 5)
        assert penalties.value(x, x.tanh()).item() == pytest.approx(share * full)


def slopes(run: Any) -> list[float]:
    """The mean ½‖J‖² of each trial's scores over some training rows."""
    engine = run.engine
    x = next(iter(engine.data.batches("train", 32))).x
    x = x.detach().clone().requires_grad_()
    engine.network.eval()
    scores = engine.answer(x)
    total = torch.zeros(len(scores))
    for output in range(scores.shape[2]):
        (slope,) = torch.autograd.grad(scores[..., output].sum(), x, retain_graph=True)
        total += slope.square().flatten(1).sum(1)
    return total.tolist()


@pytest.mark.parametrize("builtin", ["wine", "diabetes"])
def test_scores_move_less_with_the_inputs(builtin: str) -> None:
    settings = [{}, {"jacobian": {"strength": 0.5, "projections": 2}}]
    run = trained(
        fleet(
            dataset={"builtin": builtin},
            training={"epochs": 10},
            compare=[{"name": str(n), "regularization": r} for n, r in enumerate(settings)],
        )
    )
    off, on = slopes(run)
    assert on < 0.8 * off
