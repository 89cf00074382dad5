"""Configurations measured on the same rows and resamples, and what differs between them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from worker.appraisal.contenders import Contender
from worker.appraisal.differences import (
    UNKNOWN,
    Paired,
    SeedPart,
    common,
    corrected,
    fold_seeds,
    paired,
    together,
)
from worker.appraisal.resampling import Resamples, RowMetrics, Sampled, resampled_metrics
from worker.appraisal.rows import HeldOut, RowScores
from worker.metrics import is_maximized
from worker.results import ConfigurationIntervals, Difference, Judgement, MetricInterval, Role

MOST_PAIRS = 2_000_000_000
"""Pairs of rows times resamples times networks whose AUC is measured."""
_SHARES = ("accuracy", "balanced_accuracy")
_LEAST = {"loss": 0.0, "rmse": 0.0, "mae": 0.0}
_WITHIN = ("accuracy", "balanced_accuracy", "auc", "f1")


Floats = NDArray[np.float64]


def more_is_better(metric: str) -> bool:
    """Of a metric of rows, such as ``accuracy``."""
    return is_maximized(f"validation_{metric}")


@dataclass(frozen=True, eq=False)
class Measured:
    """A configuration on N rows."""

    name: str
    number: int | None
    scores: RowScores
    metrics: Mapping[str, Sampled]
    rows: RowMetrics
    units: int
    """What was drawn from: rows, unless some were drawn together."""
    wander: Mapping[str, float] = field(default_factory=dict)
    """As of its trials, root mean square; empty where it is not known of each."""

    def report(self) -> ConfigurationIntervals:
        """Its metrics with their intervals; without those that are not defined."""
        known = {name: self._interval(name, one) for name, one in self.metrics.items()}
        return ConfigurationIntervals(
            configuration=self.number or 0,
            name=self.name,
            networks=len(self.scores.scores),
            metrics={name: one for name, one in known.items() if one is not None},
            corrected={},
        )

    def _interval(self, name: str, metric: Sampled) -> MetricInterval | None:
        value, found = metric.value, metric.interval(self.units)
        if not np.isfinite(value):
            return None
        if name in _SHARES and value in (0.0, 1.0):
            # Resamples of rows that are all alike are alike.
            unseen = rare(self.units)
            low, high = (1.0 - unseen, 1.0) if value else (0.0, unseen)
            return MetricInterval(value=value, low=low, high=high)
        if found is None:
            return None
        least = 0.0 if name in _WITHIN else _LEAST.get(name, -np.inf)
        most = 1.0 if name in (*_WITHIN, "r2") else np.inf
        low, high = np.clip(found, least, most).tolist()
        return MetricInterval(value=value, low=low, high=high)


def rare(units: int) -> float:
    """The share of rows that would not be seen once in so many with 2.5 %.

    Source: Clopper & Pearson 1934, Biometrika 26(4).
    """
    return float(-np.expm1(np.log(0.025) / units))


class RowMeasures:
    """N rows and their resamples, on which configurations are measured."""

    def __init__(
        self, held: HeldOut, networks: int, further: str, *, chooses: bool = False
    ) -> None:
        """Begin.

        Args:
            held: the rows.
            networks: how many are measured.
            further: a metric that is asked for.
            chooses: whether the rows chose among the configurations.
        """
        self.held, self._further = held, further
        self.resamples = Resamples(len(held), numbers=held.units)
        work = len(held) ** 2 / 4 * len(self.resamples) * networks
        self._of_pairs = work <= MOST_PAIRS * (10 if further == "auc" else 1)
        self._chooses = chooses

    def measure(
        self, name: str, number: int | None, scores: RowScores, contender: Contender | None = None
    ) -> Measured:
        """Measure what a configuration says of the rows."""
        metrics = RowMetrics(scores, auc=self._of_pairs, further=self._further)
        trials = () if contender is None else contender.trials
        names = set.intersection(*(set(one.wander) for one in trials)) if trials else set()
        wander = {
            metric: float(np.sqrt(np.mean([one.wander[metric] ** 2 for one in trials])))
            for metric in names
        }
        found = resampled_metrics(metrics, self.resamples, unseen=self._chooses)
        return Measured(name, number, scores, found, metrics, self.resamples.units, wander)


class PairedComparison:
    """Configurations on the same rows, the winner first."""

    def __init__(
        self,
        configurations: Sequence[Measured],
        *,
        chosen_here: bool,
        competing: int,
    ) -> None:
        """Begin.

        Args:
            configurations: those that competed, the winner first.
            chosen_here: whether these rows chose the winner.
            competing: from how many.
        """
        self.configurations = configurations
        self.winner = configurations[0]
        self._chosen_here = chosen_here and competing > 1
        self._competing = max(competing, len(configurations))
        self._wide: dict[str, float] = {}

    def with_correction(self, chooses: str) -> ConfigurationIntervals:
        """The winner's metrics, and where these rows chose it, as other rows would find them."""
        report = self.winner.report()
        if not self._chosen_here or len(self.configurations) < 2:
            return report
        by = [one.metrics[chooses] for one in self.configurations]
        found = {}
        for name in report.metrics:
            of_all = [one.metrics[name] for one in self.configurations]
            fresh = corrected(by, of_all, maximize=more_is_better(chooses))
            if fresh is not None:
                value, low, high = fresh
                found[name] = MetricInterval(value=value, low=low, high=high)
        return report.model_copy(update={"corrected": found})

    def against(
        self, other: Measured, metric: str, role: Role, *, technique: str | None = None
    ) -> Difference | None:
        """The winner less another one of them, or another network; none without a common one."""
        wide = 1.0
        if self._chosen_here and role == "contender":
            wide = self._among_all(metric)
        elif self._chosen_here and role != "without":
            wide = self._to(other, metric)
        return self.difference(other, metric, role, together=wide, technique=technique)

    def without(self, left_out: Mapping[str, Measured], metric: str) -> list[Difference]:
        """The winner less itself without each of its techniques; their intervals hold together."""
        known = [one.metrics[metric] for one in left_out.values()]
        wide = together(*_apart(self.winner.metrics[metric], known)) if known else 1.0
        found = [
            self.difference(one, metric, "without", together=wide, technique=technique)
            for technique, one in left_out.items()
        ]
        return [one for one in found if one is not None]

    def difference(
        self,
        other: Measured,
        metric: str,
        role: Role,
        *,
        together: float = 1.0,
        technique: str | None = None,
    ) -> Difference | None:
        """The winner less another, with an interval so many times as wide as of one alone."""
        winner = self.winner
        pairs = common(winner.scores.places, other.scores.places)
        if role in ("constant", "boosting") and winner.scores.held.fold is not None:
            pairs = [(number, 0) for number in range(len(winner.scores.places))]
        if not pairs or metric not in winner.metrics or metric not in other.metrics:
            return None
        seeds, source = _seeds(winner, other, metric, pairs)
        found = paired(winner.metrics[metric], other.metrics[metric], pairs, winner.units, seeds)
        ends = found.interval(together)
        if ends is None:
            return None
        low, high = ends
        if metric in _SHARES and low == high != 0:
            # All rows say the same, and so do all resamples of them.
            apart = 2 * rare(winner.units)
            low, high = max(-1.0, low - apart), min(1.0, high + apart)
        maximize = more_is_better(metric)
        return Difference(
            name=winner.name,
            other=other.number,
            other_name=other.name,
            role=role,
            technique=technique,
            metric=metric,
            maximize=maximize,
            difference=found.value,
            low=low,
            high=high,
            verdict=_judged(low, high, maximize=maximize),
            pairs=len(pairs),
            seeds=source,
        )

    def _among_all(self, metric: str) -> float:
        """All pairs of configurations: any may be the best, and any that it is compared with."""
        if metric not in self._wide:
            known = [one.metrics[metric] for one in self.configurations]
            parts = [_apart(one, known[number + 1 :]) for number, one in enumerate(known[:-1])]
            whole = np.concatenate([part for part, _ in parts])
            self._wide[metric] = self._together(whole, np.hstack([part for _, part in parts]))
        return self._wide[metric]

    def _to(self, other: Measured, metric: str) -> float:
        """Each configuration against one: any may be the best."""
        known = [one.metrics[metric] for one in self.configurations if one is not other]
        return self._together(*_apart(other.metrics[metric], known))

    def _together(self, whole: Floats, resampled: Floats) -> float:
        # Those that are looked at may be some of all.
        return together(
            whole, resampled, looked_at=len(self.configurations), chosen_from=self._competing
        )

    @cached_property
    def is_chosen_here(self) -> bool:
        """Whether these rows chose the winner among several."""
        return self._chosen_here


def _apart(one: Sampled, others: Sequence[Sampled]) -> tuple[Floats, Floats]:
    """The means over networks of some configurations less another's, ``[D]`` and ``[B, D]``."""
    whole = np.array([other.value for other in others]) - one.value
    resampled = np.stack([other.resampled.mean(1) for other in others], axis=1)
    return whole, resampled - one.resampled.mean(1)[:, None]


def _judged(low: float, high: float, *, maximize: bool) -> Judgement:
    if low <= 0 <= high:
        return "unclear"
    return "better" if (low > 0) == maximize else "worse"


def _seeds(
    one: Measured, other: Measured, metric: str, pairs: Sequence[tuple[int, int]]
) -> tuple[SeedPart, str]:
    """The part of the seeds in one pair, as known from elsewhere; and from what it is known."""
    fold = one.scores.held.fold
    places = [one.scores.places[number] for number, _ in pairs]
    source = "repeats" if len({repeat for repeat, _ in places}) > 1 else "folds"
    if fold is not None:
        first, second = pairs[0]
        of_loss = fold_seeds(one.rows.losses[first], other.rows.losses[second], fold)
        by_rows = paired(one.metrics["loss"], other.metrics["loss"], pairs[:1], one.units)
        if not of_loss.variance or not by_rows.row_variance:
            return UNKNOWN, source
        of_metric: Paired = paired(one.metrics[metric], other.metrics[metric], pairs[:1], one.units)
        share = of_metric.row_variance / by_rows.row_variance
        return SeedPart(of_loss.variance * share, of_loss.degrees), source
    # What has no seeds, such as a constant answer, does not wander.
    wandering = [each for each in (one, other) if each.number is not None]
    if not all("loss" in each.wander for each in wandering):
        return UNKNOWN, source if len(pairs) > 1 else "unknown"
    variance = 0.0
    for each in wandering:
        known = metric if metric in each.wander else "loss"
        variance += each.wander[known] ** 2
    return SeedPart(variance), source if len(pairs) > 1 else "epochs"
