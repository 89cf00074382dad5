"""Linear, logistic and softmax regression: no hidden layer."""

from torch import Tensor, nn

from worker.networks.dense import Dense
from worker.networks.network import Network
from worker.networks.slots import Slots


class Linear(Network):
    """Scores are a linear function of the features; the task's loss makes it a regression."""

    def __init__(self, inputs: int, outputs: int, slots: Slots) -> None:
        super().__init__()
        self.input = slots.input(hidden_layers=0)
        self.layers = nn.ModuleList([Dense(slots.trials, inputs, outputs)])

    def forward(self, x: Tensor) -> Tensor:
        """``[K, B, F]`` → ``[K, B, O]``."""
        scores: Tensor = self.layers[0](self.input(x))
        return scores
