"""The update rules against torch's own, with numbers shared and with numbers of each trial."""

from typing import Any

import pytest
import torch

from worker.spec import AdamSpec, SgdSpec
from worker.training.numbers import per_trial_number
from worker.training.optimizers import build_optimizer

SGD = {"sgd": {}, "momentum": {"momentum": 0.9}, "nesterov": {"momentum": 0.9, "nesterov": True}}


def follow(specs: list[Any], references: list[torch.optim.Optimizer]) -> None:
    """Walk 20 random gradients with both, and compare the weights."""
    torch.manual_seed(0)
    rows = [group["params"][0] for r in references for group in r.param_groups]
    w = torch.stack([row.detach().clone() for row in rows])
    optimizer = build_optimizer(specs, w)
    for number in range(1, 21):
        gradient = torch.randn_like(w)
        for row, reference, part in zip(rows, references, gradient, strict=True):
            row.grad = part.clone()
            reference.step()
        optimizer.step(w, gradient, per_trial_number([s.learning_rate for s in specs], w), number)
    torch.testing.assert_close(w, torch.stack([row.detach() for row in rows]))


@pytest.mark.parametrize("settings", SGD.values(), ids=SGD)
def test_sgd_is_torchs(settings: dict[str, Any]) -> None:
    """One rule for both trials."""
    specs = [SgdSpec.model_validate({"kind": "sgd", "learning_rate": 0.1, **settings})] * 2
    weights = [torch.randn(7, requires_grad=True) for _ in specs]
    follow(specs, [torch.optim.SGD([w], lr=0.1, **settings) for w in weights])


def test_sgd_mixes_rules() -> None:
    """Each trial its own momentum and rate."""
    specs = [
        SgdSpec.model_validate({"kind": "sgd", "learning_rate": rate, **settings})
        for rate, settings in zip((0.1, 0.2, 0.05), SGD.values(), strict=True)
    ]
    weights = [torch.randn(7, requires_grad=True) for _ in specs]
    references: list[torch.optim.Optimizer] = [
        torch.optim.SGD([w], lr=s.learning_rate, momentum=s.momentum, nesterov=s.nesterov)
        for w, s in zip(weights, specs, strict=True)
    ]
    follow(specs, references)


@pytest.mark.parametrize("rates", [(0.01, 0.01), (0.01, 0.1)], ids=["shared", "own"])
def test_adam_is_torchs(rates: tuple[float, float]) -> None:
    """Shared rates take a path of their own; both must be right."""
    specs = [AdamSpec(learning_rate=rate) for rate in rates]
    weights = [torch.randn(7, requires_grad=True) for _ in specs]
    follow(specs, [torch.optim.Adam([w], lr=rate) for w, rate in zip(weights, rates, strict=True)])


def test_adam_mixes_betas() -> None:
    """Each trial its own moments."""
    specs = [AdamSpec(beta1=0.8, beta2=0.95), AdamSpec(beta1=0.95, epsilon=1e-4)]
    weights = [torch.randn(7, requires_grad=True) for _ in specs]
    references: list[torch.optim.Optimizer] = [
        torch.optim.Adam([w], lr=0.001, betas=(s.beta1, s.beta2), eps=s.epsilon)
        for w, s in zip(weights, specs, strict=True)
    ]
    follow(specs, references)


def test_adam_has_the_same_bits_in_any_company() -> None:
    """With rates and moments of its own or of all; a row is a whole number of kernels' steps."""
    specs = [AdamSpec(beta1=0.8, beta2=0.95), *[AdamSpec(epsilon=e) for e in (1e-8, 1e-8, 1e-4)]]
    rates, (trials, width) = [0.1, 0.02, 0.3, 0.04], (len(specs), 96)
    torch.manual_seed(0)
    start, gradients = torch.randn(trials, width), torch.randn(5, trials, width)

    def walked(rows: list[int]) -> torch.Tensor:
        w = start[rows].clone()
        optimizer = build_optimizer([specs[row] for row in rows], w)
        rate = per_trial_number([rates[row] for row in rows], w)
        for number, gradient in enumerate(gradients, start=1):
            optimizer.step(w, gradient[rows].clone(), rate, number)
        return w

    together = walked([0, 1, 2, 3])
    for rows in ([0], [1], [2], [3], [2, 1]):
        assert torch.equal(walked(rows), together[rows])
