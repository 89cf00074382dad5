"""Group lasso: whole features or whole units to zero."""

import math
from collections.abc import Iterator, Sequence
from functools import partial
from typing import Any, ClassVar, Literal, final

import torch
from torch import Tensor

from worker.regularization.families.convex import ConvexTerms
from worker.regularization.families.penalty import InitialWeights, PenaltyTerms, SparsePenalty
from worker.regularization.per_trial import ParameterIndex, PerTrial
from worker.regularization.technique import DataFacts, Misfit, NetworkFacts

GROUPS = ("inputs", "units")
SINGLE = "single"
"""Columns that are groups of one: biases, where they were asked for."""


@final
class GroupLasso(SparsePenalty):
    """Group lasso: R(w) = λ Σ_g √|g|·‖w_g‖₂, ∂R/∂w_g = λ√|g|·w_g / ‖w_g‖.

    The groups of a layer are, with `inputs`, all weights that leave one of its inputs: at layer 0
    a feature is used or not at all; with `units`, all weights that enter one of its units, so
    that a unit falls silent. √|g| makes groups of different sizes comparable. With
    `method: proximal` (the default here, for whole groups are its purpose) a group becomes
    exactly zero: prox(w_g) = w_g·max(1 − ηλ√|g| / ‖w_g‖, 0).

    When: whole features shall go, or whole units: a network that is smaller, not only sparser.
    Start: 1e-4; `layers: [0]` with `inputs` selects features.
    Badly with: `l1` and `elastic_net`, which thin out groups one by one; `batch_norm` with
    `groups: units`, which scales a small unit up again; Adam with `method: subgradient`.
    Cost: two passes over the weights a step; nothing at prediction.
    Units: λ in units of the mean data loss, on features and target as preprocessed. A λ that is
    given with half the squared error counts twice here, and is divided by sd(y) with the default,
    `preprocessing.target: standardize`. Biases, where asked for, are groups of one.
    Shapes: w, λ ``[K, P]``; norms of groups ``[K, in]`` or ``[K, out]``; R ``[K]``.
    Source: Yuan & Lin 2006, J. R. Statist. Soc. B 68(1); for networks: Scardapane et al. 2017,
    arXiv:1607.00485.
    """

    degree: ClassVar[int | None] = 1

    method: Literal["subgradient", "proximal"] = "proximal"
    """`subgradient`: its subgradient joins the loss's; groups come near 0, none reach it.
    `proximal`: after each update, prox(w) with step η·λ; groups become exactly 0."""
    groups: Literal["inputs", "units"] = "inputs"
    """`inputs`: all weights that leave one input of a layer. `units`: all that enter one unit."""

    def fits(self, network: NetworkFacts, data: DataFacts) -> Misfit | None:
        """Wherever a penalty fits; factors are of `inputs` alone."""
        if self.factors is not None and self.groups == "units":
            return Misfit(
                "A unit's group has weights of all columns, so that factors do not apply; leave "
                "them out, or set groups to inputs.",
                "factors",
            )
        return super().fits(network, data)

    @classmethod
    def terms(cls, stack: PerTrial[Any], index: ParameterIndex) -> PenaltyTerms:
        """λ, and for each kind of group the trials that have it."""
        numbers: dict[str, Tensor] = {}
        for kind in GROUPS:
            trials = stack.on(partial(_has_groups, kind=kind))
            if trials.any():
                numbers[kind] = trials.float()[:, None]
        if any(member is not None and member.biases for member in stack.members):
            numbers[SINGLE] = (~index.weight).float()[None]
        return PenaltyTerms(cls.strengths(stack, index), index, numbers)

    def starting_value(self, blocks: Sequence[InitialWeights]) -> float:
        """Σ √|g|·E‖w_g‖ ≈ Σ |g|·√E w², above it by less than a tenth."""
        return sum(block.count * math.sqrt(block.square) for block in blocks)

    @staticmethod
    def value(w: Tensor, terms: PenaltyTerms) -> Tensor:
        """λ Σ √|g|·‖w_g‖."""
        total = w.new_zeros(len(w))
        for _, block, strength, axes in _blocks(w, w, terms):
            total += (strength * _norm(block, axes)).flatten(1).sum(1)
        if SINGLE in terms.numbers:
            total += torch.linalg.vecdot(terms.strength * terms.numbers[SINGLE], w.abs())
        return total

    @staticmethod
    def gradient(w: Tensor, terms: PenaltyTerms) -> Tensor:
        """λ√|g|·w_g / ‖w_g‖; 0 for a group that is 0."""
        gradient = torch.zeros_like(w)
        for target, block, strength, axes in _blocks(gradient, w, terms):
            target += block * (strength / _norm(block, axes))
        if SINGLE in terms.numbers:
            gradient += terms.strength * terms.numbers[SINGLE] * w.sign()
        return gradient

    @staticmethod
    def proximal(w: Tensor, terms: PenaltyTerms, step: float | Tensor) -> Tensor:
        """w_g·max(1 − ηλ√|g| / ‖w_g‖, 0)."""
        shrunk = w.clone()
        for target, block, strength, axes in _blocks(shrunk, w, terms):
            size = step if isinstance(step, float) else step.view(-1, *[1] * (block.dim() - 1))
            target *= (1 - size * strength / _norm(block, axes)).relu()
        if SINGLE in terms.numbers:
            threshold = step * terms.strength * terms.numbers[SINGLE]
            shrunk = shrunk.sign() * (shrunk.abs() - threshold).relu()
        return shrunk

    @staticmethod
    def convex(terms: PenaltyTerms) -> ConvexTerms:
        """c = λ√|g|; a = λ of biases, which are groups of one."""
        none = ConvexTerms.none(terms.strength)
        absolute, group, number = none.absolute.clone(), none.group.clone(), none.number.clone()
        first = 0
        for matrix in terms.index.matrices:
            block, strength = matrix.of(group), matrix.of(terms.strength.double())
            for kind in (kind for kind in GROUPS if kind in terms.numbers):
                axis = 1 if kind == "inputs" else block.dim() - 1
                count = block.shape[axis]
                on = terms.numbers[kind].view(-1, *[1] * (block.dim() - 1)).double()
                block += on * strength * (block[0].numel() // count) ** 0.5
                numbers = first + torch.arange(count, device=group.device)
                wide = numbers.view(*[1] * axis, -1, *[1] * (block.dim() - 1 - axis))
                matrix.of(number)[...] = torch.where(on > 0, wide, matrix.of(number))
            first += max(block.shape[1], block.shape[-1])
        if SINGLE in terms.numbers:
            absolute += terms.strength * terms.numbers[SINGLE]
        return ConvexTerms(absolute, none.square, group, number)


def _has_groups(settings: GroupLasso, kind: str) -> bool:
    return settings.groups == kind


def _norm(block: Tensor, axes: tuple[int, ...]) -> Tensor:
    """‖w_g‖, never quite 0, so that it divides."""
    norm: Tensor = torch.linalg.vector_norm(block, dim=axes, keepdim=True)
    return norm.clamp(min=torch.finfo(block.dtype).tiny)


def _blocks(
    target: Tensor, w: Tensor, terms: PenaltyTerms
) -> Iterator[tuple[Tensor, Tensor, Tensor, tuple[int, ...]]]:
    """Each layer's part of two matrices ``[K, P]``, its λ√|g|, and the axes within a group."""
    for matrix in terms.index.matrices:
        block, strength = matrix.of(w), matrix.of(terms.strength)
        for kind in GROUPS:
            if kind in terms.numbers:
                groups = 1 if kind == "inputs" else block.dim() - 1
                axes = tuple(axis for axis in range(1, block.dim()) if axis != groups)
                size = block[0].numel() // block.shape[groups]
                if matrix.column and kind == "inputs":  # they are one input
                    axes, size = tuple(range(1, block.dim())), block[0].numel()
                on = terms.numbers[kind].view(-1, *[1] * (block.dim() - 1))
                of_group = strength.amax(axes, keepdim=True)  # the same throughout a layer
                yield matrix.of(target), block, of_group * on * size**0.5, axes
