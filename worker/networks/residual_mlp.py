"""The residual network of dense layers."""

from collections.abc import Sequence
from math import prod

from torch import Tensor, nn

from worker.networks.activations import activation
from worker.networks.dense import Dense
from worker.networks.embedding import embed, inputs_of, widest
from worker.networks.network import Network
from worker.networks.slots import Slots
from worker.spec import ResidualMlpSpec


class ResidualMlp(Network):
    """One dense layer, then blocks h ← h + F(h) of two; norm and activation, then the output.

    F(h) = W₂·dropout(act(norm(W₁·act(norm(h))))). Layer n is followed by norm n, of even n after
    the sum with the shortcut. Where a technique asks for two branches, block b has a second one:
    ``twins`` of its two layers under the same numbers, behind the same first norm.
    """

    def __init__(
        self,
        spec: ResidualMlpSpec,
        shape: tuple[int, ...],
        outputs: int,
        slots: Slots,
        numbers: Sequence[int] | None = None,
    ) -> None:
        super().__init__()
        width, depth = spec.width, spec.depth
        self.embedding = embed(spec.embedding, slots.trials, prod(shape), numbers)
        inputs = inputs_of(self.embedding, prod(shape))
        self.widest = max(inputs, width, outputs, widest(self.embedding))
        self.lecun = spec.activation == "selu"
        self.activation = activation(spec.activation)
        self.input = slots.input(len(shape))
        widths = (inputs, *[width] * depth, outputs)
        self.layers = nn.ModuleList(
            Dense(slots.trials, widths[layer], widths[layer + 1], slots.weights(layer))
            for layer in range(depth + 1)
        )
        self.norms = nn.ModuleList(slots.normalization(width) for _ in range(depth))
        self.dropouts = nn.ModuleList(slots.hidden(block) for block in range(spec.blocks))
        self.branches = nn.ModuleList(slots.branch(block) for block in range(spec.blocks))
        self.merges = nn.ModuleList(
            merge for block in range(spec.blocks) for merge in slots.merge(block)
        )
        self.twins, self.twin_norms = nn.ModuleDict(), nn.ModuleDict()
        for layer in range(1, depth) if self.merges else ():
            self.twins[str(layer)] = Dense(slots.trials, width, width, slots.weights(layer))
            if layer % 2:
                self.twin_norms[str(layer)] = slots.normalization(width)

    def forward(self, x: Tensor) -> Tensor:
        """``[K, B, …]`` → ``[K, B, O]``."""
        h = self.input(x).flatten(2)
        if self.embedding is not None:
            h = self.embedding(h)
        h = self.layers[0](h)
        for block, branch in enumerate(self.branches):
            h = h + branch(self._branch(block, self.activation(self.norms[2 * block](h))))
        scores: Tensor = self.layers[-1](self.activation.over(self.norms[-1](h)))
        return scores

    def _branch(self, block: int, a: Tensor) -> Tensor:
        """F of a block, of its normed and activated input; of both branches where there are two."""
        one, two, dropout = 2 * block + 1, 2 * block + 2, self.dropouts[block]
        b = dropout(self.activation.over(self.norms[one](self.layers[one](a))))
        added: Tensor = self.layers[two](b)
        if self.merges:
            norm, twins = self.twin_norms[str(one)], self.twins
            b = dropout(self.activation.over(norm(twins[str(one)](a))))
            added = self.merges[block](added, twins[str(two)](b))
        return added
