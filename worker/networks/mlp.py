"""The multilayer perceptron."""

from itertools import pairwise

from torch import Tensor, nn

from worker.networks.activations import activation
from worker.networks.dense import Dense
from worker.networks.network import Network
from worker.networks.slots import Slots
from worker.spec import MlpSpec


class Mlp(Network):
    """Dense layers, each followed by normalization, activation and dropout; then the output."""

    def __init__(self, spec: MlpSpec, inputs: int, outputs: int, slots: Slots) -> None:
        super().__init__()
        depth = len(spec.hidden)
        widths = (inputs, *spec.hidden, outputs)
        self.lecun = spec.activation == "selu"
        self.activation = activation(spec.activation)
        self.input = slots.input(depth)
        self.layers = nn.ModuleList(
            Dense(slots.trials, width, following)
            for width, following in pairwise(widths)
        )
        self.norms = nn.ModuleList(slots.normalization(width) for width in spec.hidden)
        self.dropouts = nn.ModuleList(slots.dropout(layer, depth) for layer in range(depth))

    def forward(self, x: Tensor) -> Tensor:
        """``[K, B, F]`` → ``[K, B, O]``."""
        *hidden, output = self.layers
        h = self.input(x)
        for dense, norm, dropout in zip(hidden, self.norms, self.dropouts, strict=True):
            h = dropout(self.activation(norm(dense(h))))
        scores: Tensor = output(h)
        return scores
