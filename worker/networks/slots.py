"""What a fleet's techniques put into a network, position by position."""

from collections.abc import Iterator, Sequence
from typing import Any, TypeVar

import torch
from torch import Generator, nn

from worker.regularization import BatchNorm, Regularization, Stack, Technique, techniques
from worker.regularization.batch_norm import BatchNormLayer
from worker.regularization.families.dropout import ActivationDropout, DropoutLayer
from worker.regularization.families.noise import NoiseLayer
from worker.regularization.noise import Noise

F = TypeVar("F", bound=Technique)


def stacks(
    family: type[F], regularizations: Sequence[Regularization], device: torch.device | str = "cpu"
) -> dict[type[F], Stack[Any]]:
    """The techniques of a family that any trial has on, each stacked over all trials."""
    found: dict[type[F], Stack[Any]] = {}
    for name, technique in techniques().items():
        if issubclass(technique, family):
            stack: Stack[Any] = Stack(tuple(getattr(r, name) for r in regularizations), device)
            if stack:
                found[technique] = stack
    return found


class Slots:
    """Fills a network's empty places. A place that no trial fills holds an identity.

    Layers at one place come in the order that the literature gives: normalization before the
    activation, dropout after it; noise on the input before dropout on the input. ``structure``
    are the trials that decide which layers with weights exist, when they are more than these (a
    fleet that some have left keeps its layout).
    """

    def __init__(
        self,
        regularizations: Sequence[Regularization],
        generator: Generator,
        structure: Sequence[Regularization] | None = None,
    ) -> None:
        self._regularizations = tuple(regularizations)
        self._generator = generator
        self._structure = tuple(structure or regularizations)

    @property
    def trials(self) -> int:
        """K."""
        return len(self._regularizations)

    def input(self, hidden_layers: int, dimensions: int = 3) -> nn.Module:
        """Before the first layer: noise, then dropout."""
        noises = stacks(Noise, self._regularizations)
        scales = [(noise, stack.numbers(lambda s: s.input)) for noise, stack in noises.items()]
        layers: list[nn.Module] = [
            NoiseLayer(noise, scale, dimensions, self._generator)
            for noise, scale in scales
            if scale.any()
        ]
        return _chain([*layers, *self._dropouts(0, hidden_layers, dimensions)])

    def normalization(self, features: int) -> nn.Module:
        """Between a layer and its activation."""
        if not stacks(BatchNorm, self._structure):
            return nn.Identity()
        return BatchNormLayer(Stack(tuple(r.batch_norm for r in self._regularizations)), features)

    def dropout(self, layer: int, hidden_layers: int, dimensions: int = 3) -> nn.Module:
        """After the activation of hidden layer ``layer``, counted from 0."""
        return _chain(list(self._dropouts(layer + 1, hidden_layers, dimensions)))

    def _dropouts(self, place: int, hidden_layers: int, dimensions: int) -> Iterator[DropoutLayer]:
        for technique, stack in stacks(ActivationDropout, self._regularizations).items():
            p = stack.numbers(lambda settings: settings.rates(hidden_layers)[place])
            if p.any():
                yield DropoutLayer(technique, p, dimensions, self._generator)


def _chain(layers: Sequence[nn.Module]) -> nn.Module:
    if not layers:
        return nn.Identity()
    return layers[0] if len(layers) == 1 else nn.Sequential(*layers)
