"""Configurations compared: final metrics and curves over their repeats and folds."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from service.attribution import attributions
from service.schemas.results import Report
from service.views import network_report
from worker.results.comparison import ConfigurationReport, Spread
from worker.results.ranking import UNSCORED, Rank, competes, rank
from worker.results.search import SearchReport
from worker.results.sparsity import SparsityReport
from worker.statistics import mean, standard_deviation
from worker.storage.states import State
from worker.storage.tables import Job, TrialRow

Curve = list[float | None]


@dataclass(frozen=True)
class Line:
    """One configuration's curve."""

    name: str
    values: Curve


def compare(job: Job, trials: Sequence[TrialRow], search: SearchReport | None = None) -> Report:
    """Final metrics, what is left of the networks, and what each technique bought."""
    groups = _groups(trials)
    configurations = [
        entry.model_copy(update={"network": _network(groups[entry.configuration])})
        for entry in _ranked(job, groups)
    ]
    return Report(
        job=job.id,
        objective=job.objective,
        maximize=job.maximize,
        configurations=configurations,
        attribution=attributions(job, groups),
        search=search,
    )


def lines(
    job: Job,
    trials: Sequence[TrialRow],
    series: Mapping[str, Mapping[str, Curve]],
    metric: str,
    most: int,
) -> list[Line]:
    """The mean curve of each configuration, in the order posted; of many, the best ones.

    A curve ends where the first of its trials stopped: a mean over those that are left would
    jump, and would not be the mean of the configuration.
    """
    groups = _groups(trials)
    ranked = [entry.configuration for entry in _ranked(job, groups)]
    chosen = sorted(ranked[:most])
    return [
        Line(
            name=groups[number][0].name,
            values=mean_curve(
                [series.get(trial.id, {}).get(metric, []) for trial in groups[number]]
            ),
        )
        for number in chosen
    ]


def _ranked(job: Job, groups: Mapping[int, Sequence[TrialRow]]) -> list[ConfigurationReport]:
    order = sorted(groups, key=lambda number: _rank(number, groups[number], job))
    return [_entry(number, groups[number]) for number in order]


def _rank(number: int, members: Sequence[TrialRow], job: Job) -> Rank:
    scores = [trial.score for trial in members if trial.score < UNSCORED]
    return rank(
        number,
        scores,
        missing=len(members) - len(scores),
        halved=any(trial.halved_at is not None for trial in members),
        competes=competes(members[0].settings),
    )


def _network(members: Sequence[TrialRow]) -> SparsityReport | None:
    """Of the first that has one: members come best first."""
    return next((report for trial in members if (report := network_report(trial))), None)


def _groups(trials: Sequence[TrialRow]) -> dict[int, list[TrialRow]]:
    groups: dict[int, list[TrialRow]] = {}
    for trial in sorted(trials, key=lambda trial: trial.configuration):
        groups.setdefault(trial.configuration, []).append(trial)
    return groups


def _entry(number: int, members: Sequence[TrialRow]) -> ConfigurationReport:
    succeeded = [trial.metrics for trial in members if trial.state == State.SUCCEEDED]
    names = dict.fromkeys(name for metrics in succeeded for name in metrics)
    spreads = {name: spread_of([metrics.get(name) for metrics in succeeded]) for name in names}
    return ConfigurationReport(
        configuration=number,
        name=members[0].name,
        without=(members[0].settings.get("without") or {}).get("technique"),
        trials=len(members),
        succeeded=len(succeeded),
        failed=sum(trial.state == State.FAILED for trial in members),
        metrics={name: spread for name, spread in spreads.items() if spread is not None},
    )


def spread_of(values: Sequence[float | None]) -> Spread | None:
    """Mean, standard deviation and number of those that are finite; none without any."""
    finite = [value for value in values if value is not None and math.isfinite(value)]
    if not finite:
        return None
    return Spread(mean=mean(finite), sd=standard_deviation(finite), n=len(finite))


def mean_curve(curves: Sequence[Curve]) -> Curve:
    """The mean of each epoch; it ends where the first of the curves ends."""
    return [
        None if any(value is None for value in epoch) else mean(map(_float, epoch))
        for epoch in zip(*curves, strict=False)
    ]


def _float(value: float | None) -> float:
    return math.nan if value is None else value
