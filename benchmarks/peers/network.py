"""The network that every server of the benchmark serves: batch norm and dropout, in eval mode."""

from itertools import pairwise

import torch
from torch import nn

CLASSES = [f"c{number}" for number in range(10)]


def network(widths: tuple[int, ...] = (20, 256, 256, 10)) -> nn.Sequential:
    """A dense network with weights of its own, as textbooks write it."""
    torch.manual_seed(0)
    torch.set_num_threads(1)
    layers: list[nn.Module] = []
    for inputs, outputs in pairwise(widths[:-1]):
        layers += [nn.Linear(inputs, outputs), nn.BatchNorm1d(outputs), nn.ReLU(), nn.Dropout(0.2)]
    return nn.Sequential(*layers, nn.Linear(widths[-2], widths[-1])).eval()


def answers(module: nn.Module, instances: list[list[float]]) -> list[dict[str, object]]:
    """What a row's answer is everywhere: the class, and the probability of each."""
    with torch.no_grad():
        probabilities = module(torch.tensor(instances)).softmax(1)
    return [
        {"label": CLASSES[best], "probabilities": dict(zip(CLASSES, row, strict=True))}
        for best, row in zip(probabilities.argmax(1).tolist(), probabilities.tolist(), strict=True)
    ]
