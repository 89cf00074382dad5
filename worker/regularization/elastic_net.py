"""Elastic net: lasso and ridge in one."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Annotated, Any, final

import torch
from pydantic import Field
from torch import Tensor

from worker.regularization.families.convex import ConvexTerms
from worker.regularization.families.penalty import InitialWeights, PenaltyTerms, SparsePenalty
from worker.regularization.per_trial import ParameterIndex, PerTrial
from worker.regularization.technique import search_range

Ratio = Annotated[float, Field(ge=0.0, le=1.0, json_schema_extra=search_range(0.0, 1.0))]


@final
class ElasticNet(SparsePenalty):
    """Elastic net: R(w) = λ·(ρ Σ|w| + (1 − ρ) Σw²), ∂R/∂w = λ·(ρ·sign(w) + 2(1 − ρ)·w).

    Removes weights as `l1` does, but keeps correlated ones together as `l2` does. With
    `method: proximal` small weights become exactly zero,
    prox(w) = sign(w)·max(|w| − ηλρ, 0) / (1 + 2ηλ(1 − ρ)); with `subgradient` none does.

    When: features are correlated, so that `l1` alone would keep one of a group at random.
    Start: 1e-4 with ρ = .5.
    Badly with: `l1`, `l2` and `weight_decay`, which it holds already.
    Cost: one pass over the weights a step; nothing at prediction.
    Units: λ in units of the mean data loss, on features as preprocessed; ρ = 1 is `l1` and ρ = 0 is
    `l2` of that strength, the square without a half. scikit-learn's `ElasticNet(alpha, l1_ratio=r)`
    halves the squared error, of a target in its own unit, and the square: with
    `preprocessing.target: none`, λ = alpha·(1 + r), ρ = 2r / (1 + r). With the default,
    `standardize`, and s = sd(y) of the training rows, n in the denominator:
    λ = alpha·(2r / s + 1 − r), ρ = 2r / (2r + s·(1 − r)). glmnet divides the target by s as well:
    with the default λ = lambda·(1 + r) / s, ρ = 2r / (1 + r).
    `LogisticRegression(C, l1_ratio=r)` sums over rows: λ = (1 + r) / (2·C·rows), ρ = 2r / (1 + r).
    The report of a job has its `equivalents`, computed from its data.
    Shapes: w, λ ``[K, P]``; ρ ``[K, 1]``; R ``[K]``.
    Source: Zou & Hastie 2005, J. R. Statist. Soc. B 67(2).
    """

    l1_ratio: Ratio = 0.5
    """ρ, the share of the L1 part; the rest is L2."""

    @classmethod
    def terms(cls, stack: PerTrial[Any], index: ParameterIndex) -> PenaltyTerms:
        """λ and ρ."""
        ratio = stack.numbers(lambda settings: settings.l1_ratio)[:, None]
        return PenaltyTerms(cls.strengths(stack, index), index, {"l1_ratio": ratio})

    def starting_value(self, blocks: Sequence[InitialWeights]) -> float:
        """ρ Σ E|w| + (1 − ρ) Σ E w²."""
        return sum(
            block.count * (self.l1_ratio * block.size + (1 - self.l1_ratio) * block.square)
            for block in blocks
        )

    def scales_with_weights(self) -> bool:
        """Its square does, where it goes through the optimizer."""
        return self.l1_ratio < 1 and self.method == "subgradient"

    @staticmethod
    def value(w: Tensor, terms: PenaltyTerms) -> Tensor:
        """λ·(ρ Σ|w| + (1 − ρ) Σw²)."""
        size = w.abs()
        entries = size * torch.lerp(size, torch.ones_like(size), terms.numbers["l1_ratio"])
        total: Tensor = torch.linalg.vecdot(terms.strength, entries)
        return total

    @staticmethod
    def gradient(w: Tensor, terms: PenaltyTerms) -> Tensor:
        """λ·(ρ·sign(w) + 2(1 − ρ)·w)."""
        return terms.strength * torch.lerp(2 * w, w.sign(), terms.numbers["l1_ratio"])

    @staticmethod
    def proximal(w: Tensor, terms: PenaltyTerms, step: float | Tensor) -> Tensor:
        """sign(w)·max(|w| − ηλρ, 0) / (1 + 2ηλ(1 − ρ))."""
        ratio, full = terms.numbers["l1_ratio"], step * terms.strength
        return w.sign() * (w.abs() - full * ratio).relu() / (1 + 2 * full * (1 - ratio))

    @staticmethod
    def convex(terms: PenaltyTerms) -> ConvexTerms:
        """a = λρ, b = λ(1 − ρ)."""
        strength, ratio = terms.strength.double(), terms.numbers["l1_ratio"].double()
        return replace(
            ConvexTerms.none(terms.strength),
            absolute=strength * ratio,
            square=strength * (1 - ratio),
        )
