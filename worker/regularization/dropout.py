"""Dropout."""

from typing import final

from torch import Tensor

from worker.regularization.families.dropout import ActivationDropout


@final
class Dropout(ActivationDropout):
    """Drops each unit with probability p in training: h' = M ⊙ h / (1 − p), M ~ Bernoulli(1 − p).

    The survivors are scaled up in training, so nothing is scaled at inference ("inverted
    dropout"): in eval mode the layer is the identity. Acts after normalization and activation of
    each hidden layer (in residual blocks between the two layers), never after the output.

    When: networks large for their data; with `l2`, or with `max_norm` and a large learning rate.
    Start: .5 for hidden layers (.2 to .5); .1 for the input (.1 to .3).
    Badly with: `batch_norm`, which needs it less: use mild p; `alpha_dropout` and `cutout`, which
    drop the same again; SELU, whose normalization it breaks; small networks.
    Cost: a mask a layer and step, up to a third of the step of a small network on a CPU; more
    epochs until it has converged; nothing at prediction.
    Units: p is the probability of dropping, as PyTorch's `Dropout(p)`; the paper's p is of keeping.
    Example: h = [1, 2, 3], M = [1, 0, 1], p = .5 gives [2, 0, 6].

    Shapes: h, M ``[K, B, F]``; p ``[K]``. p is resolved to 1 / 65,536.
    Source: Srivastava et al. 2014, JMLR 15, https://jmlr.org/papers/v15/srivastava14a.html
    """

    @staticmethod
    def mask_shape(h: Tensor) -> tuple[int, ...]:
        """One entry a unit."""
        return tuple(h.shape)
