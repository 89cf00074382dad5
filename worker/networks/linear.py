"""Linear, logistic and softmax regression: no hidden layer."""

from math import prod

from torch import Tensor, nn

from worker.networks.dense import Dense
from worker.networks.network import Network
from worker.networks.slots import Slots


class Linear(Network):
    """Scores are a linear function of the features; the task's loss makes it a regression."""

    sequential = True

    def __init__(self, shape: tuple[int, ...], outputs: int, slots: Slots) -> None:
        super().__init__()
        inputs = prod(shape)
        self.widest = inputs
        self.input = slots.input(len(shape))
        self.layers = nn.ModuleList([Dense(slots.trials, inputs, outputs, slots.weights(0))])

    def forward(self, x: Tensor) -> Tensor:
        """``[K, B, …]`` → ``[K, B, O]``."""
        scores: Tensor = self.layers[0](self.input(x).flatten(2))
        return scores
