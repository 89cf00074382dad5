"""L1: the lasso."""

from collections.abc import Sequence
from dataclasses import replace
from typing import ClassVar, final

import torch
from torch import Tensor

from worker.regularization.families.convex import ConvexTerms
from worker.regularization.families.penalty import InitialWeights, PenaltyTerms, SparsePenalty


@final
class L1(SparsePenalty):
    """Lasso penalty: R(w) = λ Σ|w|, ∂R/∂w = λ·sign(w).

    Drives weights towards zero one by one; with `method: proximal` they become exactly zero,
    prox(w) = sign(w)·max(|w| − ηλ, 0), which selects features. With `subgradient`, the form
    most textbooks print, weights hover around zero and none is removed.

    When: few of many features matter, or a small model is wanted; linear models above all.
    Start: 1e-4 (1e-4 to 1e-2). 1e-2 on all 2,751 parameters of a 2-50-50-1 network outweighs the
    data loss: 1e-3 is fine there, 3e-3 collapses to the majority class.
    Badly with: `elastic_net`, which holds it already; Adam with `method: subgradient`, which
    rescales the penalty's gradient, so that λ means something else than under SGD.
    Cost: one pass over the weights a step; nothing at prediction.
    Units: λ in units of the mean data loss, on features as preprocessed. scikit-learn's
    `Lasso(alpha)` halves the squared error, of a target in its own unit: λ = 2·alpha / sd(y) with
    the default, `preprocessing.target: standardize` (sd of the training rows, n in the
    denominator), and λ = 2·alpha with `none`. glmnet's lambda is the same alpha.
    `LogisticRegression(C, l1_ratio=1)` sums over rows, so λ = 1 / (C·rows). The report of a job
    has its `equivalents`, computed from its data.
    Shapes: w ``[K, P]``, λ ``[K, P]``, R ``[K]``.
    Source: Tibshirani 1996, J. R. Statist. Soc. B 58; soft threshold: Donoho 1995.
    """

    degree: ClassVar[int | None] = 1

    def starting_value(self, blocks: Sequence[InitialWeights]) -> float:
        """Σ E|w|."""
        return sum(block.count * block.size for block in blocks)

    @staticmethod
    def value(w: Tensor, terms: PenaltyTerms) -> Tensor:
        """λ Σ|w|."""
        total: Tensor = torch.linalg.vecdot(terms.strength, w.abs())
        return total

    @staticmethod
    def gradient(w: Tensor, terms: PenaltyTerms) -> Tensor:
        """λ·sign(w)."""
        return w.sign().mul_(terms.strength)

    @staticmethod
    def proximal(w: Tensor, terms: PenaltyTerms, step: float | Tensor) -> Tensor:
        """Soft threshold: sign(w)·max(|w| − ηλ, 0)."""
        return w.sign() * (w.abs() - step * terms.strength).relu()

    @staticmethod
    def convex(terms: PenaltyTerms) -> ConvexTerms:
        """a = λ."""
        return replace(ConvexTerms.none(terms.strength), absolute=terms.strength.double())
