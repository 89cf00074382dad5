"""The settings of one technique over all trials of a fleet, as tensors."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Generic, TypeVar

import torch
from torch import Tensor

from worker.regularization.technique import Technique

T = TypeVar("T", bound=Technique)

Numbers = dict[str, Tensor]
"""What a technique needs of its settings over the fleet, by name; a row for each trial."""


@dataclass(frozen=True)
class WeightMatrix:
    """Where one layer's weights lie among the P columns, and which of their axes is which."""

    columns: slice
    """Its columns, in order."""
    shape: tuple[int, ...]
    """Of one trial: ``(in, out)`` of a dense layer, ``(out, in, …)`` of a convolution."""
    layer: int
    """Number of the layer, from 0 at the input."""
    column: bool = False
    """Whether all of its inputs are made of one number, as in an embedding."""

    def of(self, matrix: Tensor) -> Tensor:
        """A view of ``[K, P]`` as ``[K, in, out]``; of a convolution ``[K, in, …, out]``."""
        view = matrix[:, self.columns].view(-1, *self.shape)
        return view if len(self.shape) == 2 else view.movedim(1, -1)


@dataclass(frozen=True)
class ParameterIndex:
    """What the P columns of a fleet's weight matrix ``[K, P]`` are."""

    weight: Tensor
    """``[P]`` bool: an entry of a weight matrix, not of a bias or a normalization."""
    layer: Tensor
    """``[P]`` int64: number of the layer it belongs to, from 0 at the input; below 0 of none."""
    matrices: tuple[WeightMatrix, ...] = ()
    """The weight matrices, from the input on."""
    inputs: Mapping[str, slice] = field(default_factory=dict)
    """The inputs of each column of the data, by its name."""

    def input_factors(self, factors: Mapping[str, float]) -> Tensor:
        """``[P]``: the factor of each column's weights in the first layer, 1 elsewhere.

        Raises:
            ValueError: a column has no inputs, or the first layer is none of the inputs.
        """
        whole = torch.ones(1, self.weight.numel(), device=self.weight.device)
        first = next((matrix for matrix in self.matrices if matrix.layer == 0), None)
        size = max((place.stop for place in self.inputs.values()), default=0)
        if first is None or first.shape[0] != size or len(first.shape) != 2:
            raise ValueError("penalty factors need a first layer with a row for each input")
        view = first.of(whole)
        for name, factor in factors.items():
            if name not in self.inputs:
                raise ValueError(f"no input belongs to a column {name!r}")
            view[:, self.inputs[name]] = factor
        return whole[0]

    def chosen(self, *, biases: bool, layers: Sequence[int] | None) -> Tensor:
        """``[P]`` bool: the columns a technique acts on."""
        mask = self.layer >= 0 if biases else self.weight.clone()
        if layers is not None:
            mask &= torch.isin(self.layer, torch.tensor(list(layers), device=self.layer.device))
        return mask


@dataclass(frozen=True)
class PerTrial(Generic[T]):
    """K settings of one technique. A trial without it takes a neutral value: strength 0, p 0."""

    members: tuple[T | None, ...]
    device: torch.device | str = "cpu"

    def numbers(self, read: Callable[[T], float], off: float = 0.0) -> Tensor:
        """``[K]`` float32: a number of each trial's settings, ``off`` where the technique is."""
        values = [off if member is None else read(member) for member in self.members]
        return torch.tensor(values, dtype=torch.float32, device=self.device)

    def on(self, test: Callable[[T], bool] = lambda _: True) -> Tensor:
        """``[K]`` bool: the trials that have the technique, and pass the test."""
        values = [member is not None and test(member) for member in self.members]
        return torch.tensor(values, dtype=torch.bool, device=self.device)

    def only_value(self, read: Callable[[T], float], off: float) -> float:
        """A number that all trials with the technique agree in; ``off`` where none has it.

        Raises:
            ValueError: they do not agree.
        """
        values = {read(member) for member in self.members if member is not None}
        if len(values) > 1:
            raise ValueError(f"trials of one fleet must agree in this number, not have {values}")
        return values.pop() if values else off

    def only(self, test: Callable[[T], bool]) -> "PerTrial[T]":
        """The same stack with the technique off in every trial that fails the test."""
        kept = tuple(m if m is not None and test(m) else None for m in self.members)
        return replace(self, members=kept)

    def __bool__(self) -> bool:
        """Whether any trial has the technique."""
        return any(member is not None for member in self.members)
