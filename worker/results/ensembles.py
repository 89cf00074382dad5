"""What a job's networks answer together: the ensemble, its members, and why it was chosen."""

from typing import Annotated, Literal

from pydantic import Field

from worker.results.trial import Metrics
from worker.schema import Stored

EnsembleKind = Literal["unregularized", "winner", "folds", "all", "top", "greedy"]
"""What may answer: the network without techniques, or the winner, each by itself, of several refits
their mean; the networks of the winner's folds; those of all configurations, of the best, or of a
greedy selection."""


class EnsembleConfiguration(Stored):
    """A configuration whose networks take part in an ensemble."""

    configuration: Annotated[int, Field(examples=[91])]
    """Its number within the job."""
    name: Annotated[str, Field(examples=["91: dropout.p=0.31"])]
    """Its name."""
    networks: Annotated[int, Field(examples=[5])]
    """How many networks of it there are: one for each repeat and fold, or each refit."""
    weight: Annotated[float, Field(examples=[0.12])]
    """Its share of the mean, divided among its networks alike."""
    temperature: Annotated[float, Field(examples=[1.3])]
    """What its logits are divided by, fitted on the rows that choose; 1 of a regression, and of
    snapshot ensembles."""
    loss: Annotated[float, Field(examples=[0.52])]
    """Its own loss on the rows that choose, calibrated."""


class EnsembleMetrics(Stored):
    """Metrics on two kinds of rows."""

    choosing: Annotated[Metrics, Field(examples=[{"balanced_accuracy": 0.74}])]
    """On the rows that chose: validation rows, or those of all folds, each answered by the networks
    that were not trained on it. They flatter what was chosen by them."""
    test: Annotated[Metrics | None, Field(examples=[{"balanced_accuracy": 0.72}])]
    """On the test rows; null where there are none."""

    def by_part(self) -> Metrics:
        """All of them by the names that a trial's have."""
        return {
            f"{part}_{name}": value
            for part, metrics in (("validation", self.choosing), ("test", self.test or {}))
            for name, value in metrics.items()
        }


class Ensemble(Stored):
    """Networks of one or several configurations that answer as their mean: of classes the mean of
    their probabilities, of a regression of their values.
    """

    method: Annotated[EnsembleKind, Field(examples=["all"])]
    """How its members were chosen."""
    networks: Annotated[int, Field(examples=[80])]
    """How many networks answer together."""
    members: list[EnsembleConfiguration]
    """Their configurations, those with the largest share first."""
    metrics: EnsembleMetrics
    """How good its answers are."""


class ChoiceCandidate(Stored):
    """Something that could be served, and its loss on the rows that choose."""

    method: Annotated[EnsembleKind, Field(examples=["all"])]
    """What it is."""
    networks: Annotated[int, Field(examples=[80])]
    """How many networks would answer; of a winner that is trained once more, all its refits."""
    loss: Annotated[float, Field(examples=[0.521])]
    """Its loss, of classes after calibration."""
    standard_error: Annotated[float | None, Field(examples=[0.019])]
    """Of that loss, over rows."""
    behind: Annotated[float, Field(examples=[0.004])]
    """How much more that is than the least of all candidates."""
    behind_error: Annotated[float | None, Field(examples=[0.006])]
    """The standard error of that difference, which is paired: both answer the same rows."""


class Choice(Stored):
    """Which of several answers is served: on the rows that may choose, the simplest of those that
    are within one standard error of the best.
    """

    by: Annotated[
        Literal["log_loss", "balanced_log_loss", "squared_error"],
        Field(examples=["balanced_log_loss"]),
    ]
    """What they are compared by. `log_loss`: −log p(true class), in nats; `balanced_log_loss`: the
    same, all classes weighing the same; `squared_error`: in units of the target's variance."""
    rows: Annotated[int, Field(examples=[800])]
    """How many rows chose."""
    candidates: list[ChoiceCandidate]
    """The simplest first."""
    chosen: Annotated[EnsembleKind, Field(examples=["all"])]
    """What is served."""
    distinct: Annotated[bool | None, Field(examples=[True])]
    """Whether it is better than the network without techniques by more than two standard errors of
    the difference; null where it is that, or where there is none."""
    why: Annotated[str, Field(examples=["The mean of all configurations has the least loss."])]
    """The reason, in words."""
