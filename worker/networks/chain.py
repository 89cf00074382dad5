"""Backpropagation through a chain of dense layers, by hand: half the time of autograd's.

Most of a small network's step is not arithmetic but the bookkeeping around it. This is the one
place where a derivative is written out. Networks with more between a dense layer and the next than
an activation and a mask (normalization, noise, dropped weights) go through autograd instead.
"""

from collections.abc import Iterable, Sequence
from itertools import zip_longest

from torch import Tensor, nn

from worker.networks.activations import Activation
from worker.networks.dense import Dense, affine, back, outer
from worker.networks.embedding import Embedding
from worker.regularization import Dropout
from worker.regularization.families import (
    DropoutLayer,
)
from worker.spec import MlpSpec, Trial


class DenseChain:
    """hₗ₊₁ = a(hₗWₗ + bₗ) ⊙ Mₗ for the hidden layers, scores = hW + b; forward, then backward.

    Shapes: h ``[K, B, in]``; W ``[K, in, out]``; b ``[K, out]``; M ``[K, B, out]``, none for 1;
    scores ``[K, B, O]``.
    """

    def __init__(
        self,
        layers: Sequence[Dense],
        activation: Activation,
        dropouts: Iterable[nn.Module],
        embedding: Embedding | None = None,
    ) -> None:
        self._embedding = embedding
        self._weights = [layer.weight.data for layer in layers]
        self._biases = [layer.bias.data for layer in layers]
        self._activation = activation
        self._dropouts = [d if isinstance(d, DropoutLayer) else None for d in dropouts]

    @staticmethod
    def fits(
        layers: Sequence[Dense], norms: Iterable[nn.Module], dropouts: Iterable[nn.Module]
    ) -> bool:
        """Whether nothing stands between the layers but what this class knows."""
        between = [*(layer.disturb for layer in layers), *norms]
        return all(isinstance(module, nn.Identity) for module in between) and all(
            isinstance(module, nn.Identity)
            or (isinstance(module, DropoutLayer) and module.technique is Dropout)
            for module in dropouts
        )

    def forward(self, h: Tensor) -> Tensor:
        """Scores, in training mode; keeps what the way back needs."""
        apply_, apply = self._activation.apply_, self._activation.apply
        if self._embedding is not None:
            h = self._embedding.remember(h)
        self._tape: list[tuple[Tensor, Tensor, Tensor, Tensor | None]] = []
        for weight, bias, dropout in zip_longest(
            self._weights[:-1], self._biases[:-1], self._dropouts
        ):
            z = affine(h, weight, bias)
            y = apply(z) if apply_ is None else apply_(z)
            if dropout is None:
                self._tape.append((h, z, y, None))
                h = y
                continue
            mask = dropout.mask(y).mul_(dropout.scale)
            # A derivative that is read off y is 0 where y was dropped: only the scale is left.
            self._tape.append((h, z, y, mask if apply_ is None else dropout.scale))
            h = y * mask if apply_ is None else y.mul_(mask)
        self._last = h
        return affine(h, self._weights[-1], self._biases[-1])

    def backward(self, g: Tensor) -> list[Tensor]:
        """From ∂L/∂scores to ∂L/∂W and ∂L/∂b of every layer, in the order W₀, b₀, W₁, b₁, …

        Those of an embedding come before.
        """
        gradients = [g.sum(1), outer(self._last, g)]
        for weight, (h, z, y, factor) in zip(self._weights[:0:-1], self._tape[::-1], strict=True):
            g = back(g, weight)
            if factor is not None:
                g.mul_(factor)
            g = self._activation.derive(g, z, y)
            gradients += [g.sum(1), outer(h, g)]
        gradients.reverse()
        if self._embedding is None or not self._embedding.learns:
            return gradients
        return self._embedding.backward(back(g, self._weights[0])) + gradients


def by_hand(trial: Trial) -> bool:
    """Whether a fleet of trials like this one is differentiated by hand, without building it.

    What ``DenseChain.fits`` says of a network's modules and ``TrainingLoss`` of the batch and of
    precision, read off the specification.
    """
    network = trial.network
    if not isinstance(network, MlpSpec) or trial.training.precision != "float32":
        return False
    return not any(
        technique.needs_autograd(network) for _, technique in trial.regularization.techniques()
    )
