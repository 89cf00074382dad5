"""Configurations compared: final metrics and curves over their repeats and folds."""

import math
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from service.schemas.results import ConfigurationReport, Report, Spread
from service.views import numbers
from worker.storage.states import State
from worker.storage.tables import Job, TrialRow

Curve = list[float | None]


@dataclass(frozen=True)
class Line:
    """One configuration's curve."""

    name: str
    values: Curve


def report(job: Job, trials: Sequence[TrialRow]) -> Report:
    """Mean and standard deviation of each final metric, configuration by configuration."""
    entries = [_entry(number, members) for number, members in _groups(trials).items()]
    return Report(
        job=job.id,
        objective=job.objective,
        maximize=job.maximize,
        configurations=sorted(entries, key=lambda entry: _order(entry, job)),
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
    ranked = [entry.configuration for entry in report(job, trials).configurations]
    chosen = sorted(ranked[:most])
    return [
        Line(
            name=groups[number][0].name,
            values=_mean([series.get(trial.id, {}).get(metric, []) for trial in groups[number]]),
        )
        for number in chosen
    ]


def _groups(trials: Sequence[TrialRow]) -> dict[int, list[TrialRow]]:
    groups: dict[int, list[TrialRow]] = {}
    for trial in sorted(trials, key=lambda trial: trial.configuration):
        groups.setdefault(trial.configuration, []).append(trial)
    return groups


def _entry(number: int, members: Sequence[TrialRow]) -> ConfigurationReport:
    succeeded = [numbers(trial.metrics) for trial in members if trial.state == State.SUCCEEDED]
    names = dict.fromkeys(name for metrics in succeeded for name in metrics)
    spreads = {name: _spread([metrics.get(name) for metrics in succeeded]) for name in names}
    return ConfigurationReport(
        configuration=number,
        name=members[0].name,
        trials=len(members),
        succeeded=len(succeeded),
        failed=sum(trial.state == State.FAILED for trial in members),
        metrics={name: spread for name, spread in spreads.items() if spread is not None},
    )


def _spread(values: Sequence[float | None]) -> Spread | None:
    finite = [value for value in values if value is not None and math.isfinite(value)]
    if not finite:
        return None
    sd = statistics.stdev(finite) if len(finite) > 1 else None
    return Spread(mean=statistics.fmean(finite), sd=sd, n=len(finite))


def _order(entry: ConfigurationReport, job: Job) -> tuple[int, float, int]:
    # As the winner is chosen: a configuration with a failed member comes after those without.
    spread = entry.metrics.get(job.objective)
    if spread is None:
        return (entry.trials + 1, 0.0, entry.configuration)
    without = entry.trials - spread.n
    return (without, -spread.mean if job.maximize else spread.mean, entry.configuration)


def _mean(curves: Sequence[Curve]) -> Curve:
    return [
        None if any(value is None for value in epoch) else statistics.fmean(map(_float, epoch))
        for epoch in zip(*curves, strict=False)
    ]


def _float(value: float | None) -> float:
    return math.nan if value is None else value
