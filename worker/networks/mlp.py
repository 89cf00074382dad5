"""The multilayer perceptron."""

from collections.abc import Sequence
from itertools import pairwise
from math import prod

from torch import Tensor, nn

from worker.networks.activations import activation
from worker.networks.chain import DenseChain
from worker.networks.dense import Dense
from worker.networks.embedding import embed, inputs_of, widest
from worker.networks.network import Network
from worker.networks.slots import Slots
from worker.spec import MlpSpec


class Mlp(Network):
    """Dense layers, each followed by normalization, activation and dropout; then the output."""

    sequential = True

    def __init__(
        self,
        spec: MlpSpec,
        shape: tuple[int, ...],
        outputs: int,
        slots: Slots,
        numbers: Sequence[int] | None = None,
    ) -> None:
        super().__init__()
        inputs = prod(shape)
        self.embedding = embed(spec.embedding, slots.trials, inputs, numbers)
        widths = (inputs_of(self.embedding, inputs), *spec.hidden, outputs)
        self.widest = max(*widths, widest(self.embedding))
        self.lecun = spec.activation == "selu"
        self.activation = activation(spec.activation)
        self.input = slots.input(len(shape))
        self.layers = nn.ModuleList(
            Dense(slots.trials, width, following, slots.weights(layer))
            for layer, (width, following) in enumerate(pairwise(widths))
        )
        self.norms = nn.ModuleList(slots.normalization(width) for width in spec.hidden)
        self.dropouts = nn.ModuleList(slots.hidden(place) for place in range(spec.dropout_sites))

    def forward(self, x: Tensor) -> Tensor:
        """``[K, B, …]`` → ``[K, B, O]``."""
        *hidden, output = self.layers
        h = self.input(x).flatten(2)
        if self.embedding is not None:
            h = self.embedding(h)
        for dense, norm, dropout in zip(hidden, self.norms, self.dropouts, strict=True):
            h = dropout(self.activation.over(norm(dense(h))))
        scores: Tensor = output(h)
        return scores

    def by_hand(self) -> DenseChain | None:
        """A chain, unless something between the layers does not say its derivative."""
        layers = [layer for layer in self.layers if isinstance(layer, Dense)]
        return DenseChain.of(
            self.input, layers, self.norms, self.dropouts, self.activation, self.embedding
        )
