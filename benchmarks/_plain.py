"""Each technique as it is written in plain PyTorch: a module, an optimizer, a loop."""

import copy
import math
from collections.abc import Callable, Iterator

import torch
from fleet import PENALTY, P, Problem
from torch import Tensor, nn
from torch.nn import functional

RATE, STRENGTH = 0.001, 1e-4
AMOUNT = {
    "label_smoothing": 0.1, "adversarial": 0.05, "max_norm": 3.0, "confidence_penalty": 0.1,
    "jacobian": 0.01, "ema": 0.999,
}  # fmt: skip


class DropConnectLinear(nn.Linear):
    """Drops each weight, by one mask a batch."""

    def forward(self, x: Tensor) -> Tensor:
        """``x (M ⊙ W)ᵀ / (1 − p) + b``."""
        return functional.linear(x, functional.dropout(self.weight, P, self.training), self.bias)


class NoisyLinear(nn.Linear):
    """Adds noise to its weights, once a batch."""

    def forward(self, x: Tensor) -> Tensor:
        """``x (W + σε)ᵀ + b``."""
        weight = self.weight + 0.01 * torch.randn_like(self.weight)
        return functional.linear(x, weight, self.bias)


class Noise(nn.Module):
    """Adds noise to what passes."""

    def forward(self, x: Tensor) -> Tensor:
        """``x + σε``."""
        return x + 0.1 * torch.randn_like(x)


def module(problem: Problem, technique: str) -> nn.Sequential:
    """The network with what the technique puts into it."""
    layers: list[nn.Module] = [Noise()] if technique == "noise_input" else []
    pairs = list(zip(problem.widths, problem.widths[1:], strict=False))
    for number, (inputs, outputs) in enumerate(pairs):
        last = number == len(pairs) - 1
        kind = nn.Linear
        if technique == "drop_connect" and not last:
            kind = DropConnectLinear
        elif technique == "noise_weights":
            kind = NoisyLinear
        layers.append(kind(inputs, outputs))
        if last:
            break
        if technique == "batch_norm":
            layers.append(nn.BatchNorm1d(outputs))
        elif technique == "layer_norm":
            layers.append(nn.LayerNorm(outputs))
        layers.append(nn.SELU() if technique == "alpha_dropout" else nn.ReLU())
        if technique == "noise_activations":
            layers.append(Noise())
        if technique == "alpha_dropout":
            layers.append(nn.AlphaDropout(P))
        elif technique != "drop_connect":
            layers.append(nn.Dropout(P))
    return nn.Sequential(*layers)


def steps(problem: Problem, technique: str) -> Iterator[None]:
    """Endless steps of one network, its batches at hand."""
    model = module(problem, technique)
    decay = 0.0 if technique == "weight_decay" else 2 * PENALTY
    optimizer: torch.optim.Optimizer
    if technique == "weight_decay":
        optimizer = torch.optim.AdamW(model.parameters(), lr=RATE, weight_decay=0.01)
    else:
        optimizer = torch.optim.Adam(model.parameters(), lr=RATE, weight_decay=decay)
    weights = [w for w in model.parameters() if w.dim() > 1]
    average = copy.deepcopy(list(model.parameters()))
    x, y = torch.from_numpy(problem.x), torch.from_numpy(problem.y)
    batches = list(zip(x.split(problem.batch), y.split(problem.batch), strict=True))
    rare = torch.ones(problem.classes)
    number = 0
    while True:
        for features, labels in batches:
            number += 1
            optimizer.zero_grad()
            loss = _loss(problem, technique, model, features, labels, rare)
            loss = loss + _penalty(technique, weights)
            loss.backward()  # type: ignore[no-untyped-call]
            optimizer.step()
            loss.item()
            with torch.no_grad():
                _afterwards(technique, list(model.parameters()), weights, average, number)
            yield


def _loss(
    problem: Problem, technique: str, model: nn.Module, x: Tensor, y: Tensor, rare: Tensor
) -> Tensor:
    value: Callable[[Tensor, Tensor], Tensor] = problem.loss
    if technique in ("mixup", "cutmix", "cutout"):
        return _mixed(problem, technique, model, x, y)
    if technique == "label_smoothing":
        scores = model(x)
        if problem.widths[-1] > 1:
            return functional.cross_entropy(scores, y, label_smoothing=0.1)
        return functional.binary_cross_entropy_with_logits(scores[:, 0], y * 0.9 + 0.05)
    if technique == "class_weights":
        scores = model(x)
        if problem.widths[-1] > 1:
            return functional.cross_entropy(scores, y, weight=rare)
        return functional.binary_cross_entropy_with_logits(scores[:, 0], y.float(), rare[y])
    if technique == "confidence_penalty":
        scores = model(x)
        logits = scores if scores.shape[1] > 1 else torch.cat([scores, -scores], 1)
        log = functional.log_softmax(logits, 1)
        return value(scores, y) + 0.1 * (log.exp() * log).sum(1).mean()
    if technique == "adversarial":
        x = x.clone().requires_grad_()
        clean = value(model(x), y)
        (slope,) = torch.autograd.grad(clean, x, retain_graph=True)
        return (clean + value(model((x + 0.05 * slope.sign()).detach()), y)) / 2
    if technique == "jacobian":
        x = x.clone().requires_grad_()
        scores = model(x)
        v = functional.normalize(torch.randn_like(scores), dim=1)
        (slope,) = torch.autograd.grad((scores * v).sum(), x, create_graph=True)
        return value(scores, y) + 0.01 * slope.square().sum(1).mean() * scores.shape[1] / 2
    return value(model(x), y)


def _mixed(problem: Problem, technique: str, model: nn.Module, x: Tensor, y: Tensor) -> Tensor:
    share = float(torch.distributions.Beta(0.2, 0.2).sample())
    others = torch.randperm(len(x))
    if technique == "mixup":
        mixed = share * x + (1 - share) * x[others]
    else:
        columns = torch.rand(x.shape[1]) < share
        mixed = torch.where(columns, x, x[others] if technique == "cutmix" else torch.zeros(()))
    scores = model(mixed)
    if technique == "cutout":
        return problem.loss(scores, y)
    return share * problem.loss(scores, y) + (1 - share) * problem.loss(scores, y[others])


def _penalty(technique: str, weights: list[nn.Parameter]) -> Tensor | float:
    match technique:
        case "l1":
            return STRENGTH * sum(w.abs().sum() for w in weights)
        case "elastic_net":
            return STRENGTH * sum(w.abs().sum() + w.square().sum() for w in weights)
        case "group_lasso":
            return STRENGTH * sum(math.sqrt(len(w)) * w.norm(dim=0).sum() for w in weights)
        case "orthogonality":
            return STRENGTH * sum(_distance(w) for w in weights)
    return 0.0


def _distance(w: Tensor) -> Tensor:
    gram = w @ w.T if w.shape[0] <= w.shape[1] else w.T @ w
    return (gram - torch.eye(len(gram))).square().sum()


def _afterwards(
    technique: str,
    parameters: list[nn.Parameter],
    weights: list[nn.Parameter],
    average: list[nn.Parameter],
    number: int,
) -> None:
    if technique == "max_norm":
        for w in weights:
            w.mul_((3.0 / w.norm(dim=1, keepdim=True).clamp(min=1e-12)).clamp(max=1.0))
    elif technique == "l1_proximal":
        for w in weights:
            w.copy_(w.sign() * (w.abs() - RATE * STRENGTH).relu())
    elif technique == "ema":
        torch._foreach_lerp_(average, parameters, 0.001)
    elif technique == "lookahead" and number % 5 == 0:
        torch._foreach_lerp_(average, parameters, 0.5)
        torch._foreach_copy_(parameters, average)
