"""Weight decay, coupled or decoupled."""

from typing import Literal, final

from torch import Tensor

from worker.regularization.families.decay import Decay


@final
class WeightDecay(Decay):
    """Weights shrink a little at every update: w ← (1 − ηλ)·w, or g ← g + λw.

    `decoupled`: w ← (1 − ηλ)·w beside the optimizer's step, the same share for every weight.
    `coupled`: λw joins the gradient, as PyTorch's `weight_decay` does for SGD and Adam; Adam then
    rescales it, so that large and small weights shrink by the same amount. For g = 0, η = .1,
    λ = .5 and Adam, w = (1, 10) becomes (.95, 9.5) decoupled and (.9, 9.9) coupled.

    When: almost always in deep networks; `decoupled` under Adam, where `l2` is uneven.
    Start: 1e-2 decoupled under Adam (1e-5 to .1), 1e-4 coupled.
    Badly with: `l2` and `elastic_net`, which do the same again; `coupled` under Adam;
    `batch_norm` and `layer_norm`, under which it acts on the learning rate.
    Cost: one pass over the weights a step; nothing at prediction.
    Units: PyTorch's, λw, in units of the mean data loss of the target as preprocessed. The penalty
    `l2` adds 2λw: half the strength does the same under SGD, and has the same optimum.
    Shapes: w, λ ``[K, P]``; η ``[K, 1]``.
    Source: Hanson & Pratt 1988; decoupled: Loshchilov & Hutter 2019, arXiv:1711.05101.
    """

    method: Literal["decoupled", "coupled"] = "decoupled"
    """Beside the optimizer, or through it."""

    @staticmethod
    def coupled_gradient(w: Tensor, strength: Tensor) -> Tensor:
        """λw."""
        return strength * w

    @staticmethod
    def decayed(w: Tensor, strength: Tensor, step: float | Tensor) -> Tensor:
        """(1 − ηλ)·w."""
        return w * (1 - step * strength)

    def is_coupled(self) -> bool:
        """Whether the decay goes through the optimizer."""
        return self.method == "coupled"
