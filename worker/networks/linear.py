"""Linear, logistic and softmax regression: no hidden layer."""

from collections.abc import Sequence
from math import prod
from typing import cast

from torch import Tensor, nn

from worker.networks.dense import Dense
from worker.networks.network import Network
from worker.networks.slots import Slots
from worker.spec import LinearSpec


class Linear(Network):
    """Scores are a linear function of the features; the task's loss makes it a regression."""

    sequential = True

    def __init__(
        self, spec: LinearSpec, shape: tuple[int, ...], outputs: int, slots: Slots
    ) -> None:
        super().__init__()
        self.intercept = spec.intercept
        inputs = prod(shape)
        self.widest = inputs
        self.input = slots.input(len(shape))
        self.layers = nn.ModuleList([Dense(slots.trials, inputs, outputs, slots.weights(0))])

    def forward(self, x: Tensor) -> Tensor:
        """``[K, B, …]`` → ``[K, B, O]``."""
        scores: Tensor = self.layers[0](self.input(x).flatten(2))
        if not self.intercept:  # the bias is 0, and this keeps it there: it has no derivative
            scores = scores - (self._bias - self._bias.detach()).unsqueeze(1)
        return scores

    def initialize(self, seeds: Sequence[int], sigmas: Sequence[float] | None = None) -> None:
        """Draw the initial weights; an intercept that is not wanted is 0."""
        super().initialize(seeds, sigmas)
        if not self.intercept:
            nn.init.zeros_(self._bias)

    @property
    def _bias(self) -> Tensor:
        return cast(Dense, self.layers[0]).bias
