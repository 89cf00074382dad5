"""The report of a search, from the rows of its job."""

import threading
from collections.abc import Mapping, Sequence
from typing import Literal

import orjson
from sqlalchemy.orm import Session

from worker.results import Group, LearningCurve, Refit, SearchReport, mean_curve, spreads
from worker.search.report import ConfigurationResult, axes_of, in_order, median, summarize
from worker.spec import SearchSpec, without_off
from worker.storage import queries
from worker.storage.states import State
from worker.storage.tables import Job, TrialRow

SHOWN = 100
"""Configurations that a report lists one by one, the best."""
LOSSES = ("train_loss", "validation_loss")
MOST_KEPT = 64


class KeptReports:
    """What searches found that have succeeded, and so never changes; of the last that were asked.

    A forest is fitted for the importances of their fields, and pictures, pages and reports of a job
    are asked for together.
    """

    def __init__(self, most: int = MOST_KEPT) -> None:
        self._most = most
        self._lock = threading.Lock()
        self._reports: dict[str, SearchReport] = {}

    def of(self, job: Job) -> SearchReport | None:
        """The report of a job, if it is kept."""
        with self._lock:
            return self._reports.get(job.id)

    def keep(self, job: Job, report: SearchReport) -> None:
        """Keep it, if the job has succeeded; those that came first make room."""
        if job.state != State.SUCCEEDED:
            return
        with self._lock:
            self._reports[job.id] = report
            while len(self._reports) > self._most:
                self._reports.pop(next(iter(self._reports)))


KEPT = KeptReports()


def search_report(session: Session, job: Job) -> tuple[SearchReport, list[TrialRow]]:
    """The report, and the trials of the configurations that are to be listed, best first."""
    kept = KEPT.of(job)
    groups = queries.groups(session, job, overrides=kept is None)
    if kept is not None:
        return kept, queries.trials_of(session, job, _shown(in_order([], groups), groups))
    search = SearchSpec.model_validate_json(orjson.dumps(job.spec["search"]))
    # A space is stored field by field: names such as "default" are written out at the POST.
    axes = axes_of(search.space) if isinstance(search.space, dict) else []
    order = in_order(axes, groups)
    report = summarize(
        axes,
        order,
        maximize=job.maximize,
        objective=job.objective,
        method=search.method,
        curves=_curves(session, job, order),
        refits=refits_of(queries.refitted(session, job)) if search.refit else (),
        baseline=queries.baseline(session, job),
        regularization=without_off(job.spec).get("regularization"),
    )
    KEPT.keep(job, report)
    return report, queries.trials_of(session, job, _shown(order, groups))


def listed_trials(session: Session, job: Job) -> list[TrialRow]:
    """The same trials of a search without its report, which takes many times as long."""
    groups = queries.groups(session, job, overrides=False)
    return queries.trials_of(session, job, _shown(in_order([], groups), groups))


def _shown(order: Sequence[ConfigurationResult], groups: Sequence[Group]) -> list[int]:
    best = [result.configuration for result in order[:SHOWN]]
    others = [group.number for group in groups if not group.scores]
    return [*best, *others[: SHOWN - len(best)]]


def refits_of(trials: Mapping[int, Sequence[TrialRow]]) -> list[Refit]:
    """Each refit configuration's metrics over its repeats, from its trials by its number."""
    return [
        Refit(
            configuration=number,
            name=repeats[0].name,
            metrics=spreads([trial.metrics for trial in repeats]),
        )
        for number, repeats in trials.items()
    ]


def _curves(
    session: Session, job: Job, order: Sequence[ConfigurationResult]
) -> list[LearningCurve]:
    if not order:
        return []
    return [
        _curve(session, job, "best", order[0].configuration),
        _curve(session, job, "median", median(order).configuration),
    ]


def _curve(
    session: Session, job: Job, role: Literal["best", "median"], number: int
) -> LearningCurve:
    """The means over a configuration's trials; they end where the first of the trials stopped."""
    names = dict.fromkeys([*LOSSES, job.objective])
    series = [
        queries.trial_series(session, trial) for trial in queries.trials_of(session, job, [number])
    ]
    metrics = {
        name: mean_curve([curves[name] for curves in series])
        for name in names
        if series and all(name in curves for curves in series)
    }
    return LearningCurve(role=role, configuration=number, metrics=metrics)
