"""Dropout."""

from typing import Annotated, final

from pydantic import Field
from torch import Tensor

from worker.regularization.families.dropout import ActivationDropout
from worker.regularization.technique import DropProbability


@final
class Dropout(ActivationDropout):
    """Drops each unit with probability p in training: h' = M ⊙ h / (1 − p), M ~ Bernoulli(1 − p).

    The survivors are scaled up in training, so nothing is scaled at inference ("inverted
    dropout"): in eval mode the layer is the identity. Acts after each hidden layer, never after
    the output. Start at .5 for hidden layers (.2 to .5), .1 for the input (.1 to .3).

    Example: h = [1, 2, 3], M = [1, 0, 1], p = .5 gives [2, 0, 6].

    Shapes: h, M ``[K, B, F]``; p ``[K]``. p is resolved to 1 / 65,536.
    Source: Srivastava et al. 2014, JMLR 15, https://jmlr.org/papers/v15/srivastava14a.html
    """

    p: (
        DropProbability
        | Annotated[tuple[DropProbability, ...], Field(strict=False, min_length=1, max_length=64)]
    ) = 0.5
    """Probability of dropping a hidden unit: one for all hidden layers, or one for each."""
    input_p: DropProbability = 0.0
    """Probability of dropping an input feature."""

    def rates(self, hidden_layers: int) -> tuple[float, ...]:
        """p at the input, then after each hidden layer."""
        hidden = self.p if isinstance(self.p, tuple) else (self.p,) * hidden_layers
        return (self.input_p, *hidden)

    @staticmethod
    def drop(h: Tensor, keep: Tensor, p: Tensor) -> Tensor:
        """M ⊙ h / (1 − p)."""
        return h * (keep / (1 - p))
