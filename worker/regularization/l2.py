"""L2: ridge."""

from collections.abc import Sequence
from dataclasses import replace
from typing import ClassVar, final

import torch
from torch import Tensor

from worker.regularization.families.convex import ConvexTerms
from worker.regularization.families.penalty import InitialWeights, PenaltyTerms, ProximalPenalty


@final
class L2(ProximalPenalty):
    """Ridge penalty: R(w) = λ Σw², ∂R/∂w = 2λw.

    Keeps weights small and spread; none becomes zero. It goes through the optimizer, so Adam
    rescales it: under Adam, `weight_decay` with `method: decoupled` decays evenly.

    When: always worth trying in a neural network; together with `dropout` in deep ones.
    Start: 1e-4 (1e-4 to 1e-2); more for small data, less for large.
    Badly with: `weight_decay` and `elastic_net`, which do the same again; `batch_norm` and
    `layer_norm`, under which it no longer bounds the function and acts on the learning rate; Adam.
    Cost: one pass over the weights a step; nothing at prediction.
    Units: λ in units of the mean data loss, without a half, on features as preprocessed: PyTorch's
    `weight_decay` adds λw, so λ here is half of it. scikit-learn's `Ridge(alpha)` sums over rows:
    λ = alpha / rows, whatever the unit of the target; `LogisticRegression(C)`:
    λ = 1 / (2·C·rows). glmnet's lambda (alpha = 0) is λ·sd(y) of a regression, sd of the training
    rows with n in the denominator, and 2λ of classes. `MLPRegressor(alpha)` divides by the rows of
    a batch: λ = alpha / batch_size with a standardized target; `MLPClassifier(alpha)`:
    λ = alpha / (2·batch_size). The report of a job has its `equivalents`, computed from its data.
    Shapes: w ``[K, P]``, λ ``[K, P]``, R ``[K]``.
    Source: Hoerl & Kennard 1970, Technometrics 12(1).
    """

    degree: ClassVar[int | None] = 2

    def starting_value(self, blocks: Sequence[InitialWeights]) -> float:
        """Σ E w²."""
        return sum(block.count * block.square for block in blocks)

    def scales_with_weights(self) -> bool:
        """2λw, always."""
        return True

    @staticmethod
    def value(w: Tensor, terms: PenaltyTerms) -> Tensor:
        """λ Σw²."""
        total: Tensor = torch.linalg.vecdot(terms.strength, w.square())
        return total

    @staticmethod
    def gradient(w: Tensor, terms: PenaltyTerms) -> Tensor:
        """2λw."""
        return (terms.strength * w).mul_(2)

    @classmethod
    def gradient_by_degree(cls, w: Tensor, terms: PenaltyTerms) -> Tensor:
        """λw."""
        return terms.strength * w

    @staticmethod
    def proximal(w: Tensor, terms: PenaltyTerms, step: float | Tensor) -> Tensor:
        """w / (1 + 2ηλ)."""
        return w / (1 + 2 * step * terms.strength)

    @staticmethod
    def convex(terms: PenaltyTerms) -> ConvexTerms:
        """b = λ."""
        return replace(ConvexTerms.none(terms.strength), square=terms.strength.double())
