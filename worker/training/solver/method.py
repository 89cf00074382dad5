"""Trials of one fold that are solved in one way."""

from abc import ABC, abstractmethod

import torch
from torch import Tensor

from worker.regularization.families import ConvexTerms
from worker.training.solver.rows import TrainingRows


class SolverMethod(ABC):
    """K trials of one fold, with their penalties and the weights of their rows.

    Columns are measured in units of their root mean square, unless a group of weights lies across
    columns: its norm is one of the weights as they are.
    """

    def __init__(self, rows: TrainingRows, terms: ConvexTerms, weights: Tensor | None) -> None:
        self.rows, self.terms, self.weights = rows, terms, weights
        self.scale = rows.scale.expand_as(terms.square).clone()
        across = self._across()
        self.scale[across] = 1.0
        self.start = rows.start(len(self.scale), weights)
        first = rows.gradient(self.start, weights) / self.scale
        self.reference = first.abs().amax(1).clamp(min=torch.finfo(torch.float32).tiny)
        """The largest entry of the gradient with the intercept alone, ``[K]``."""

    @abstractmethod
    def advance(self, state: dict[str, Tensor]) -> dict[str, Tensor]:
        """One iteration: what changes of the trials' state, by name."""

    def loss(self, w: Tensor) -> Tensor:
        """f ``[K]``."""
        return self.rows.loss(w, self.weights)

    def _across(self) -> Tensor:
        """``[K]`` bool: trials with a group whose columns are of different scales."""
        inside = self.terms.group > 0
        numbers = self.terms.number
        means = torch.zeros_like(self.scale).scatter_reduce(
            1, numbers, self.scale, "amax", include_self=False
        )
        return (inside & (means.gather(1, numbers) != self.scale)).any(1)
