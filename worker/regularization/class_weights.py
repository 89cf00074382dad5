"""Class weights."""

from dataclasses import replace
from difflib import get_close_matches
from typing import Annotated, Literal, Self, final

import torch
from pydantic import Field
from torch import Tensor

from worker.regularization.batch import Batch, Classes
from worker.regularization.families.batch import TargetTechnique
from worker.regularization.per_trial import Numbers, PerTrial
from worker.regularization.random_streams import Stream
from worker.regularization.technique import DataFacts, Misfit, NetworkFacts

Weight = Annotated[float, Field(gt=0.0, le=1e6)]


@final
class ClassWeights(TargetTechnique):
    """Counts the rows of each class by a weight of its own: L = Σ w_y·L(row) / B.

    `balanced`: w_c = n/(C·n_c), so that all classes weigh the same however rare. Given weights are
    divided by their mean over the training rows, so that the loss, and with it the meaning of λ
    and of the learning rate, keeps its size. A class that is not named counts 1 before that.
    Reported losses are of unweighted rows. n, n_c: the training rows of the trial's split, and
    those of class c.

    When: classes are unequal and balanced accuracy or the recall of the rare one matters; errors
    have different prices.
    Start: `balanced`.
    Badly with: accuracy as the measure, and probabilities that must be calibrated: both ask for
    the classes as frequent as they are.
    Cost: none that can be measured.
    Units: relative; scikit-learn's `class_weight`, divided by the mean weight of a training row
    (`balanced` has 1): with given weights, what is C there is C·mean here.
    Shapes: y ``[K, B]``; w ``[K, C]``; row weights ``[K, B]``.
    Source: King & Zeng 2001, Political Analysis 9(2).
    """

    weights: (
        Literal["balanced"] | Annotated[dict[str, Weight], Field(min_length=1, max_length=10_000)]
    ) = "balanced"
    """`balanced`, or a weight for each class by its name: `{"good": 1, "bad": 5}`."""

    def of(self, names: tuple[str, ...], counts: Tensor) -> Tensor:
        """``[C]``: the weight of each class, given its training rows ``[C]``."""
        counts = counts.double()
        if isinstance(self.weights, str):
            weights = 1 / counts.clamp(min=1)
        else:
            given = [self.weights.get(name, 1.0) for name in names]
            weights = torch.tensor(given, dtype=torch.float64, device=counts.device)
        return (weights * counts.sum() / (weights @ counts)).float()

    def mean(self, names: tuple[str, ...], counts: Tensor) -> float:
        """The mean weight of a row as posted, given the classes' training rows ``[C]``; 1 of
        `balanced`, which is divided by it already.
        """
        if isinstance(self.weights, str):
            return 1.0
        given = torch.tensor([self.weights.get(name, 1.0) for name in names], dtype=torch.float64)
        return float(given @ counts.double() / counts.sum())

    def fits(self, network: NetworkFacts, data: DataFacts) -> Misfit | None:
        """Classes, of which those that are weighed must be some."""
        misfit = super().fits(network, data)
        if misfit is not None or isinstance(self.weights, str):
            return misfit
        for name in self.weights:
            if name not in data.classes:
                close = get_close_matches(name, data.classes) or data.classes[:10]
                return Misfit(
                    f"The target has no class {name!r}; did you mean "
                    f"{', '.join(map(repr, close))}?",
                    field=f"weights.{name}",
                )
        return None

    @classmethod
    def numbers(cls, stack: PerTrial[Self], classes: Classes) -> Numbers:
        """w ``[K, C]``, 1 where it is off."""
        weights = torch.ones_like(classes.counts, dtype=torch.float32)
        for row, settings in enumerate(stack.members):
            if settings is not None:
                weights[row] = settings.of(classes.names, classes.counts[row])
        return {"weights": weights}

    @staticmethod
    def alter(batch: Batch, numbers: Numbers, random: Stream) -> Batch:
        """w_y for each row, times its own weight."""
        weights = numbers["weights"].gather(1, batch.y.long())
        return replace(batch, weights=weights if batch.weights is None else weights * batch.weights)
