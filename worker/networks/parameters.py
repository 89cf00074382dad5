"""All weights of a fleet as one matrix: row k is trial k."""

import re
from collections.abc import Iterator, Sequence
from math import prod

import torch
from torch import Tensor

from worker.networks.activations import VECTORS
from worker.networks.network import Network
from worker.regularization import ParameterIndex, WeightMatrix

NO_LAYER = -1
"""Of a column that is no parameter, or none that a technique acts on."""
_EMBEDDING, _FREQUENCIES = "embedding.", "embedding.frequencies"


class Parameters:
    """The weights θ ``[K, P]`` of a network, and their gradient ``[K, P]``.

    The network's parameters are views into θ, so a penalty, an update or an average over all
    weights is one expression, and leaving trials behind is one choice of rows. P is a multiple of
    32, so that every trial's weights begin at a multiple of 16 bytes, and kernels do each of them
    alike wherever it stands: up to 31 columns at the end are no parameter, and stay 0. Without
    ``padded`` there are none.
    """

    def __init__(self, network: Network, *, padded: bool = True) -> None:
        named = list(network.named_parameters())
        trials = named[0][1].shape[0]
        device = named[0][1].device
        widths = [parameter[0].numel() for _, parameter in named]
        self.count = sum(widths)
        """How many parameters a trial has."""
        padding = -self.count % VECTORS if padded else 0
        self.values = torch.zeros(trials, self.count + padding, device=device)
        self.gradient = torch.zeros_like(self.values)
        self._padding = torch.zeros(trials, padding, device=device)
        self.slices: dict[str, tuple[slice, torch.Size]] = {}
        start = 0
        for (name, parameter), width in zip(named, widths, strict=True):
            columns, shape = slice(start, start + width), parameter.shape[1:]
            self.slices[name] = (columns, shape)
            view = self.values[:, columns].view(trials, *shape)
            view.copy_(parameter.data)
            parameter.data = view
            start += width
        self.index = self._describe()

    def collect(self, gradients: Sequence[Tensor]) -> Tensor:
        """Gradients by parameter, ``[K, …]`` each, as one matrix ``[K, P]``."""
        blocks = [gradient.flatten(1) for gradient in gradients]
        torch.cat([*blocks, self._padding], dim=1, out=self.gradient)
        return self.gradient

    def _describe(self) -> ParameterIndex:
        """Weight matrices have two dimensions or more a trial; the rest are biases and norms."""
        weight, layer = [], []
        for name, (columns, shape) in self.slices.items():
            width = columns.stop - columns.start
            weight += [len(shape) >= 2] * width
            # An embedding's frequencies are neither weights nor biases: nothing acts on them.
            layer += [NO_LAYER if name == _FREQUENCIES else layer_number(name)] * width
        matrices = tuple(
            matrix
            for name, (columns, shape) in self.slices.items()
            if len(shape) >= 2
            for matrix in _matrices(name, columns, tuple(shape))
        )
        weight += [False] * self._padding.shape[1]
        layer += [NO_LAYER] * self._padding.shape[1]
        device = self.values.device
        return ParameterIndex(
            torch.tensor(weight, device=device), torch.tensor(layer, device=device), matrices
        )

    def named(self, matrix: Tensor) -> dict[str, Tensor]:
        """A matrix ``[K, P]`` of weights by parameter name, ``[K, …]`` each."""
        return {
            name: matrix[:, columns].reshape(-1, *shape)
            for name, (columns, shape) in self.slices.items()
        }


def _matrices(name: str, columns: slice, shape: tuple[int, ...]) -> Iterator[WeightMatrix]:
    """That of a layer; of an embedding one for each number."""
    if not name.startswith(_EMBEDDING):
        yield WeightMatrix(columns, shape, layer_number(name))
        return
    numbers, *own = shape
    size = prod(own)
    for first in range(columns.start, columns.start + numbers * size, size):
        yield WeightMatrix(slice(first, first + size), tuple(own), 0, column=True)


def layer_number(name: str) -> int:
    """The number of the layer that a parameter belongs to: ``layers.2.weight`` → 2."""
    match = re.search(r"\d+", name)
    return int(match.group()) if match else 0
