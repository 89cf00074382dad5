"""DropConnect."""

from typing import ClassVar, final

from torch import Tensor

from worker.regularization.families.dropout import WeightDropout
from worker.regularization.ramp import Ramp
from worker.regularization.technique import (
    DataFacts,
    DropProbability,
    Layers,
    Misfit,
    NetworkFacts,
    layers_beyond,
)


@final
class DropConnect(WeightDropout):
    """Drops each weight with probability p in training: h = x (M ⊙ W) / (1 − p) + b.

    One mask a step, shared by the rows of its batch; biases stay. The mean over masks is the
    answer of eval mode, which uses W as it is; Wan et al. sample a Gaussian of the same mean
    there. Acts on every layer but the output (in a `linear` network on its only one). It is not
    DropPath, which is `stochastic_depth` here.

    When: wide dense layers; where `dropout` is too coarse.
    Start: .5 for dense layers; .2 for others.
    Badly with: `dropout`, which drops the same paths again; `batch_norm`, whose running averages
    are then of noisier units; small layers.
    Cost: one random number a weight and step, more than `dropout` where layers are wider than
    batches; nothing at prediction.
    Units: p is the probability of dropping a weight; the paper's p is of keeping.
    Shapes: W, M ``[K, in, out]``, of convolutions ``[K, out, in, …]``; p ``[K]``.
    Source: Wan et al. 2013, ICML, https://proceedings.mlr.press/v28/wan13.html
    """

    usual_p: ClassVar[tuple[float, float]] = (0.1, 0.5)

    p: DropProbability = 0.5
    """Probability of dropping a weight."""
    layers: Layers | None = None
    """Drop weights of these layers only, numbered from 0 at the input; all but the output unless
    given."""
    schedule: Ramp | None = None
    """What share of p applies in each epoch; all of it unless given."""

    def fits(self, network: NetworkFacts, data: DataFacts) -> Misfit | None:
        """Wherever the layers exist that it is to act on."""
        return layers_beyond(self.layers, network)

    def rates(self, depth: int) -> tuple[float, ...]:
        """p in the layers it acts on, 0 in the others."""
        layers = range(max(depth, 1)) if self.layers is None else self.layers
        return tuple(self.p if layer in layers else 0.0 for layer in range(depth + 1))

    @staticmethod
    def mask_shape(h: Tensor) -> tuple[int, ...]:
        """One entry a weight."""
        return tuple(h.shape)
