"""A comparison of configurations: their metrics, and what each technique bought."""

import math
from collections.abc import Sequence
from typing import Annotated, Literal

from pydantic import Field

from worker.results.equivalents import Equivalent
from worker.results.sparsity import SparsityReport
from worker.results.trial import Metrics
from worker.schema import Record
from worker.statistics import interval, mean, standard_deviation

Verdict = Literal["helps", "hurts", "unclear", "untested"]
Curve = list[float | None]
"""One value an epoch; none where there is none."""

HEADLINES = ("balanced_accuracy", "accuracy", "rmse")
"""Metrics that are compared beside the objective, of the rows that are furthest from training."""
PARTS = ("test", "validation", "train")


class Spread(Record):
    """A metric over the repeats and folds of one configuration."""

    mean: Annotated[float, Field(examples=[0.061])]
    """Arithmetic mean."""
    sd: Annotated[float | None, Field(examples=[0.004])]
    """Standard deviation, n − 1 in the denominator; none for a single value."""
    n: Annotated[int, Field(examples=[5])]
    """Number of values."""


class ConfigurationReport(Record):
    """One configuration of a comparison."""

    configuration: Annotated[int, Field(examples=[3])]
    """Its number within the job."""
    name: Annotated[str, Field(examples=["dropout"])]
    """Its name."""
    trials: Annotated[int, Field(examples=[5])]
    """Its repeats and folds."""
    succeeded: Annotated[int, Field(examples=[5])]
    """Those of them that succeeded; the metrics are over these."""
    failed: Annotated[int, Field(examples=[0])]
    """Those of them that failed."""
    metrics: Annotated[
        dict[str, Spread], Field(examples=[{"validation_loss": {"mean": 0.06, "sd": 0.01, "n": 5}}])
    ]
    """Mean and standard deviation of each final metric."""
    without: Annotated[str | None, Field(examples=[None])] = None
    """The technique that it leaves out, in an attribution; such a configuration cannot win."""
    network: SparsityReport | None = None
    """What is left of the network of its best trial: zeros, dead units, unused columns."""
    equivalents: Annotated[list[Equivalent], Field(default_factory=list)]
    """The objective of its best trial as scikit-learn's and glmnet's parameters, computed from its
    training rows; empty where these libraries have no such estimator, and before the end."""


class Effect(Record):
    """One metric with a technique and without it, paired over repeats and folds."""

    metric: Annotated[str, Field(examples=["validation_loss"])]
    """The metric."""
    maximize: Annotated[bool, Field(examples=[False])]
    """Whether more of it is better."""
    mean_with: Annotated[float, Field(examples=[0.061])]
    """Its mean with the technique."""
    mean_without: Annotated[float, Field(examples=[0.085])]
    """Its mean without."""
    difference: Annotated[float, Field(examples=[-0.024])]
    """With minus without, the mean over the pairs."""
    interval: Annotated[tuple[float, float] | None, Field(examples=[[-0.031, -0.017]])]
    """95 % interval of that mean, by Student's t; none for a single pair."""
    pairs: Annotated[int, Field(examples=[5])]
    """Repeats and folds that succeeded both with it and without."""
    verdict: Annotated[Verdict, Field(examples=["helps"])]
    """`helps` or `hurts` where the interval lies on one side of 0, `unclear` where it holds 0,
    `untested` where there is none."""


class Attribution(Record):
    """What one technique bought a configuration: the same training without it."""

    configuration: Annotated[int, Field(examples=[0])]
    """Number of the complete configuration."""
    name: Annotated[str, Field(examples=["base"])]
    """Its name."""
    technique: Annotated[str, Field(examples=["dropout"])]
    """The technique that was left out."""
    without: Annotated[int, Field(examples=[3])]
    """Number of the configuration without it."""
    effects: list[Effect]
    """The objective, and the main metrics of the test rows, or the validation rows without any.
    Empty while trials are running, or where none succeeded."""
    note: Annotated[str | None, Field(examples=[None])]
    """What the intervals do not say."""


def spreads(metrics: Sequence[Metrics]) -> dict[str, Spread]:
    """Each metric over some trials; without those that no trial has a finite value of."""
    names = dict.fromkeys(name for row in metrics for name in row)
    by_name: dict[str, Spread] = {}
    for name in names:
        values = [row.get(name) for row in metrics]
        finite = [value for value in values if value is not None and math.isfinite(value)]
        if finite:
            by_name[name] = Spread(mean=mean(finite), sd=standard_deviation(finite), n=len(finite))
    return by_name


def mean_curve(curves: Sequence[Curve]) -> Curve:
    """The mean of each epoch; it ends where the first of the curves ends.

    A mean over those that are left would jump, and would not be the mean of the configuration.
    """
    epochs = [
        [value for value in values if value is not None] for values in zip(*curves, strict=False)
    ]
    return [mean(values) if len(values) == len(curves) else None for values in epochs]


Pair = tuple[Metrics, Metrics]
"""Metrics with a technique and without it, of the same repeat and fold."""


def effects(pairs: Sequence[Pair], objective: str, *, maximize: bool) -> list[Effect]:
    """What a technique did to the objective, and to the headlines of the outermost rows.

    Args:
        pairs: of the repeats and folds that succeeded both with it and without.
        objective: the metric that decides.
        maximize: whether more of the objective is better; of other metrics, more accuracy is.
    """
    measured = []
    for name in _compared(pairs, objective):
        both = [(with_it.get(name), without.get(name)) for with_it, without in pairs]
        values = [
            (a, b)
            for a, b in both
            if a is not None and b is not None and math.isfinite(a) and math.isfinite(b)
        ]
        if values:
            better_high = maximize if name == objective else name.endswith("accuracy")
            measured.append(_effect(name, better_high, values))
    return measured


def _compared(pairs: Sequence[Pair], objective: str) -> list[str]:
    known = {name for with_it, _ in pairs for name in with_it}
    for part in PARTS:
        named = [name for headline in HEADLINES if (name := f"{part}_{headline}") in known]
        if named:
            return list(dict.fromkeys([objective, *named]))
    return [objective]


def _effect(name: str, maximize: bool, values: Sequence[tuple[float, float]]) -> Effect:
    differences = [with_it - without for with_it, without in values]
    ends = interval(differences)
    return Effect(
        metric=name,
        maximize=maximize,
        mean_with=mean(with_it for with_it, _ in values),
        mean_without=mean(without for _, without in values),
        difference=mean(differences),
        interval=ends,
        pairs=len(values),
        verdict=_verdict(ends, maximize),
    )


def _verdict(ends: tuple[float, float] | None, maximize: bool) -> Verdict:
    if ends is None:
        return "untested"
    low, high = ends
    if low <= 0 <= high:
        return "unclear"
    return "helps" if (low > 0) == maximize else "hurts"


def caveat(pairs: int, *, folds: bool) -> str:
    """What the intervals of an attribution do not say."""
    if pairs < 2:
        return (
            f"{pairs} pair of trials: no interval. Ask for repeats: 5 or more, or for folds, to "
            "tell an effect from chance."
        )
    if folds:
        return "Folds share training rows, so that the interval is somewhat too narrow."
    return (
        "Over repeats of one split: the interval is about initial weights, batches and masks, not "
        "about other rows. Folds would tell of those."
    )
