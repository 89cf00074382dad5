"""A fleet's steps, against the loop that one would write in plain PyTorch.

The same initial weights and batches; ``torch.optim`` and autograd in float64; penalties, soft
thresholds and the clamp of max-norm written out here. 20 steps and more, over several epochs, with
a last batch that is smaller than the others. Penalties, proximal steps and constraints act in the
order of the update: optimizer, proximal step, projection; decoupled decay acts beside the
optimizer, as in ``torch.optim.AdamW``.
"""

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from itertools import product
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from tests.engine import batch_order, weights
from worker.data import Outline, Prepared, load_builtin, prepare
from worker.search import plan
from worker.spec import Builtin, JobSpec, Trial
from worker.training import FleetRun

HIDDEN = [8, 6]
DATA: dict[str, tuple[dict[str, Any], int, int]] = {
    "multiclass": ({"builtin": "wine"}, 32, 4),
    "binary": ({"builtin": "circle", "rows": 100}, 16, 4),
    "regression": ({"builtin": "diabetes"}, 100, 5),
}
"""Of each task a data set, its batch size and epochs: 20 steps each."""

SGD: dict[str, Any] = {"kind": "sgd", "learning_rate": 0.05, "momentum": 0.9}
ADAM: dict[str, Any] = {"kind": "adam", "learning_rate": 0.02, "beta2": 0.99}
ADAMW: dict[str, Any] = {"kind": "adamw", "learning_rate": 0.03}
OPTIMIZERS: dict[str, dict[str, Any]] = {
    "sgd": {**SGD, "learning_rate": 0.2, "momentum": 0.0},
    "momentum": SGD,
    "nesterov": {**SGD, "nesterov": True},
    "adam": ADAM,
    "adamw": ADAMW,
}
PROXIMAL_L1 = {"strength": 2e-2, "method": "proximal"}
WEAK_L1 = {"strength": 3e-3, "method": "proximal"}
TECHNIQUES: dict[str, dict[str, Any]] = {
    "none": {},
    "l2": {"l2": {"strength": 2e-2}},
    "l1": {"l1": {"strength": 1e-2}},
    "proximal l1": {"l1": PROXIMAL_L1},
    "proximal l1, max_norm": {"l1": WEAK_L1, "max_norm": {"norm": 0.7}},
    "proximal elastic_net": {
        "elastic_net": {"strength": 3e-2, "l1_ratio": 0.7, "method": "proximal", "biases": True}
    },
    "group_lasso": {"group_lasso": {"strength": 1e-2}},
    "group_lasso of units": {"group_lasso": {"strength": 1e-2, "groups": "units"}},
    "decoupled": {"weight_decay": {"strength": 0.3}},
    "coupled": {"weight_decay": {"strength": 0.03, "method": "coupled"}},
    "all": {
        "l1": WEAK_L1,
        "l2": {"strength": 2e-3},
        "weight_decay": {"strength": 0.02},
        "max_norm": {"norm": 0.7},
    },
}
REFUSED = {("adamw", "coupled")}
"""The service asks for `adam` instead."""


@dataclass(frozen=True)
class Trained:
    """A trial, what it began with, its batches, and what came of it."""

    trial: Trial
    prepared: Prepared
    initial: dict[str, Tensor]
    order: list[Tensor]
    """The rows of each epoch, in their order."""
    final: dict[str, Tensor]
    objectives: list[float | None]
    """The metric of each epoch."""


@cache
def trained(task: str, optimizer: str, schedule: str = "constant") -> dict[str, Trained]:
    """A fleet with one trial for each of the techniques, by their names."""
    dataset, batch, epochs = DATA[task]
    spec = JobSpec.model_validate(
        {
            "dataset": dataset,
            "network": {"kind": "mlp", "hidden": HIDDEN, "activation": "tanh"},
            "training": {
                "epochs": epochs,
                "batch_size": batch,
                "optimizer": OPTIMIZERS[optimizer],
                "schedule": {"kind": schedule},
            },
            "compare": [
                {"name": name, "regularization": settings}
                for name, settings in TECHNIQUES.items()
                if (optimizer, name) not in REFUSED
            ],
        }
    )
    assert isinstance(spec.dataset, Builtin)
    table, target = load_builtin(spec.dataset)
    prepared = prepare(table, spec, target)
    (planned,) = plan(spec, Outline.of(table, spec, target))
    run = FleetRun(planned.trials, prepared)
    initial = weights(run)
    order = [batch_order(run, epoch) for epoch in range(epochs)]
    reports = [report.metrics for report in run.epochs()]
    final = run.result().tensors
    return {
        trial.name: Trained(
            trial,
            prepared,
            {name: tensor[k] for name, tensor in initial.items()},
            [rows[k] for rows in order],
            {name: final[f"weights.{name}"][k] for name in initial},
            [metrics["objective"][k] for metrics in reports],
        )
        for k, trial in enumerate(planned.trials)
    }


class Reference:
    """One trial in plain PyTorch."""

    def __init__(self, given: Trained) -> None:
        self.given, self.settings = given, given.trial.regularization
        self.layers = [
            nn.Linear(*given.initial[f"layers.{n}.weight"].shape, dtype=torch.float64)
            for n in range(len(HIDDEN) + 1)
        ]
        with torch.no_grad():
            for number, layer in enumerate(self.layers):
                layer.weight.copy_(given.initial[f"layers.{number}.weight"].T)
                layer.bias.copy_(given.initial[f"layers.{number}.bias"])
        self.optimizer = self._optimizer(given.trial.training.optimizer)
        self.objectives: list[float] = []

    def _optimizer(self, spec: Any) -> torch.optim.Optimizer:
        """Weight matrices and biases as two groups: decay leaves the biases alone."""
        decay = self.settings.weight_decay
        strength = 0.0 if decay is None else decay.strength
        groups: Any = [
            {"params": [layer.weight for layer in self.layers], "weight_decay": strength},
            {"params": [layer.bias for layer in self.layers], "weight_decay": 0.0},
        ]
        coupled = decay is not None and decay.method == "coupled"
        self._decay_by_hand = 0.0 if coupled or decay is None else decay.strength
        if spec.kind == "sgd":
            if not coupled:  # torch has no SGD with decoupled decay
                groups[0]["weight_decay"] = 0.0
            return torch.optim.SGD(
                groups, lr=spec.learning_rate, momentum=spec.momentum, nesterov=spec.nesterov
            )
        self._decay_by_hand = 0.0
        rule = torch.optim.Adam if coupled else torch.optim.AdamW
        return rule(groups, lr=spec.learning_rate, betas=(spec.beta1, spec.beta2), eps=spec.epsilon)

    def train(self) -> "Reference":
        training = self.given.trial.training
        for epoch, order in enumerate(self.given.order):
            share = 1.0
            if training.schedule.kind == "cosine":
                share = (1 + math.cos(math.pi * epoch / training.epochs)) / 2
            rate = training.optimizer.learning_rate * share  # type: ignore[union-attr]
            for group in self.optimizer.param_groups:
                group["lr"] = rate
            losses = [self.step(rows, rate) for rows in order.split(training.batch_size)]
            self.objectives.append(sum(losses) / len(losses))
        return self

    def step(self, rows: Tensor, rate: float) -> float:
        """One update; the loss with all penalties before it."""
        self.optimizer.zero_grad()
        loss = self.data_loss(rows) + self.smooth_penalty()
        loss.backward()
        with torch.no_grad():
            objective = loss + self.proximal_penalty()
            for layer in self.layers:
                layer.weight *= 1 - rate * self._decay_by_hand
            self.optimizer.step()
            self.shrink(rate)
            self.clamp()
        return float(objective)

    def data_loss(self, rows: Tensor) -> Tensor:
        x = torch.from_numpy(self.given.prepared.x)[0].double()[rows]
        y = torch.from_numpy(self.given.prepared.y)[0][rows]
        for layer in self.layers[:-1]:
            x = torch.tanh(layer(x))
        scores = self.layers[-1](x)
        losses: dict[str, Callable[[], Tensor]] = {
            "multiclass": lambda: functional.cross_entropy(scores, y),
            "binary": lambda: functional.binary_cross_entropy_with_logits(scores[:, 0], y.double()),
            "regression": lambda: functional.mse_loss(scores[:, 0], y.double()),
        }
        return losses[self.given.prepared.target.task]()

    def smooth_penalty(self) -> Tensor:
        """What the optimizer sees: λ Σw², and λ Σ|w| by its subgradient."""
        total = torch.zeros((), dtype=torch.float64)
        if self.settings.l2 is not None:
            total = total + self.settings.l2.strength * sum(
                (layer.weight**2).sum() for layer in self.layers
            )
        if self.settings.l1 is not None and self.settings.l1.method == "subgradient":
            total = total + self.settings.l1.strength * sum(
                layer.weight.abs().sum() for layer in self.layers
            )
        return total

    def proximal_penalty(self) -> float:
        """What acts after the optimizer, and is part of the objective all the same."""
        total = 0.0
        l1, net, group = self.settings.l1, self.settings.elastic_net, self.settings.group_lasso
        for layer in self.layers:
            if l1 is not None and l1.method == "proximal":
                total += l1.strength * float(layer.weight.abs().sum())
            if net is not None:
                for w in (layer.weight, layer.bias):
                    lasso, ridge = float(w.abs().sum()), float((w**2).sum())
                    total += net.strength * (net.l1_ratio * lasso + (1 - net.l1_ratio) * ridge)
            if group is not None:
                for w in self.groups(layer.weight, group.groups):
                    total += group.strength * math.sqrt(w.numel()) * float(w.norm())
        return total

    def shrink(self, rate: float) -> None:
        """Proximal steps: soft thresholds of weights, and of the norms of groups."""
        l1, net, group = self.settings.l1, self.settings.elastic_net, self.settings.group_lasso
        for layer in self.layers:
            if l1 is not None and l1.method == "proximal":
                soft_threshold(layer.weight, rate * l1.strength)
            if net is not None:
                for w in (layer.weight, layer.bias):
                    soft_threshold(w, rate * net.strength * net.l1_ratio)
                    w /= 1 + 2 * rate * net.strength * (1 - net.l1_ratio)
            if group is not None:
                for w in self.groups(layer.weight, group.groups):
                    threshold = rate * group.strength * math.sqrt(w.numel())
                    norm = float(w.norm())
                    w *= max(1 - threshold / norm, 0.0) if norm else 0.0

    @staticmethod
    def groups(weight: Tensor, kind: str) -> Iterator[Tensor]:
        """Views of a matrix [out, in]: what leaves each input, or what enters each unit."""
        yield from weight.unbind(1 if kind == "inputs" else 0)

    def clamp(self) -> None:
        """The norm of what enters a unit is at most c; one beyond it lands a millionth inside."""
        if self.settings.max_norm is None:
            return
        for layer in self.layers:
            for w in layer.weight:
                norm, bound = float(w.norm()), self.settings.max_norm.norm
                if norm > bound:
                    w *= bound * (1 - 1e-6) / norm


def soft_threshold(w: Tensor, threshold: float) -> None:
    """sign(w)·max(|w| − t, 0), in place."""
    w.copy_(
        torch.where(w > threshold, w - threshold, torch.where(w < -threshold, w + threshold, 0))
    )


def agree(given: Trained) -> Reference:
    """The weights after the last step, and the objective of each epoch."""
    reference = Reference(given).train()
    assert len(given.order) > 1
    assert sum(len(r.split(given.trial.training.batch_size)) for r in given.order) == 20
    for number, layer in enumerate(reference.layers):
        expected = {"weight": layer.weight.detach().T, "bias": layer.bias.detach()}
        for kind, values in expected.items():
            torch.testing.assert_close(
                given.final[f"layers.{number}.{kind}"].double(), values, rtol=1e-6, atol=1e-6
            )
    assert given.objectives == pytest.approx(reference.objectives, rel=2e-6)
    return reference


@pytest.mark.parametrize(
    ("optimizer", "technique"),
    [pair for pair in product(OPTIMIZERS, TECHNIQUES) if pair not in REFUSED],
)
def test_each_update_is_that_of_plain_torch(optimizer: str, technique: str) -> None:
    agree(trained("multiclass", optimizer)[technique])


@pytest.mark.parametrize("task", ["binary", "regression"])
def test_so_it_is_for_other_losses_and_a_rate_that_falls(task: str) -> None:
    for given in trained(task, "adam", "cosine").values():
        agree(given)


def test_the_techniques_were_at_work() -> None:
    """Thresholds that reached weights and a bound that was met: else nothing was compared."""
    fleet = trained("multiclass", "momentum")
    assert (fleet["proximal l1"].final["layers.0.weight"] == 0).any()
    for name in ("all", "proximal l1, max_norm"):
        settings = fleet[name].trial.regularization.max_norm
        assert settings is not None
        norms = torch.cat([fleet[name].final[f"layers.{n}.weight"].norm(dim=0) for n in range(3)])
        assert (norms <= settings.norm).all()
        assert (norms > settings.norm * (1 - 1e-5)).any()
