"""The report of a search: from rows to the pure report, and from that to a body."""

from collections.abc import Sequence
from typing import Any, Literal

import orjson
from sqlalchemy.orm import Session

from service.comparison import mean_curve, spread_of
from service.schemas.search import (
    BaselineView,
    BinView,
    CandidateView,
    CurveView,
    FieldReport,
    HintView,
    OneStandardError,
    ProfileBin,
    RefitView,
    SearchReportView,
    SurfaceView,
)
from worker.search.report.axes import axes as axes_of
from worker.search.report.axes import overrides
from worker.search.report.records import Axis, Record
from worker.search.report.report import Choice, SearchReport, Simplest, report
from worker.search.report.surface import Bin, Surface
from worker.spec import SearchSpec
from worker.storage import queries
from worker.storage.queries import Group
from worker.storage.tables import Job, TrialRow

SHOWN = 100
"""Configurations that a report lists one by one, the best."""
LOSSES = ("train_loss", "validation_loss")


def search_report(session: Session, job: Job) -> tuple[SearchReportView, list[TrialRow]]:
    """The report, and the trials of the configurations that are to be listed, best first."""
    search = SearchSpec.model_validate_json(orjson.dumps(job.spec["search"]))
    # A space is stored field by field: names such as "default" are written out at the POST.
    axes = axes_of(search.space) if isinstance(search.space, dict) else []
    groups = queries.groups(session, job)
    records = [_record(axes, group) for group in groups]
    found = report(_varied(axes, records), records, maximize=job.maximize)
    curves = []
    if found.winner is not None and found.median is not None:
        curves.append(_curve(session, job, "best", found.winner.record.configuration))
        curves.append(_curve(session, job, "median", found.median.configuration))
    best = [record.configuration for record in found.order[:SHOWN]]
    others = [group.number for group in groups if not group.values]
    shown = [*best, *others[: SHOWN - len(best)]]
    view = _view(found, curves)
    if search.refit:
        view.refits = [
            _refit(number, rows) for number, rows in queries.refitted(session, job).items()
        ]
    if (measured := queries.baseline(session, job)) is not None:
        view.baseline = BaselineView.model_validate(measured)
    return view, queries.trials_of(session, job, shown)


def _record(axes: Sequence[Axis], group: Group) -> Record:
    return Record(
        configuration=group.number,
        overrides=overrides(axes, group.overrides),
        values=tuple(group.values),
        missing=group.trials - len(group.values),
        halved=group.halved,
    )


def _refit(number: int, rows: Sequence[TrialRow]) -> RefitView:
    names = dict.fromkeys(name for row in rows for name in row.metrics)
    columns = {name: [row.metrics.get(name) for row in rows] for name in names}
    return RefitView(
        configuration=number,
        name=rows[0].name,
        metrics={
            name: spread
            for name, column in columns.items()
            if (spread := spread_of(column)) is not None
        },
    )


def _varied(axes: Sequence[Axis], records: Sequence[Record]) -> list[Axis]:
    """Without fields that have the same value everywhere: they can say nothing."""
    seen = [
        {str(record.overrides.get(axis.path)) for record in records if record.values}
        for axis in axes
    ]
    return [axis for axis, values in zip(axes, seen, strict=True) if len(values) > 1]


def _curve(session: Session, job: Job, role: Literal["best", "median"], number: int) -> CurveView:
    """The means over a configuration's trials; they end where the first of the trials stopped."""
    wanted = dict.fromkeys([*LOSSES, job.objective])
    series = [
        queries.trial_series(session, trial) for trial in queries.trials_of(session, job, [number])
    ]
    metrics = {
        name: mean_curve([one[name] for one in series])
        for name in wanted
        if series and all(name in one for one in series)
    }
    return CurveView(role=role, configuration=number, metrics=metrics)


def _view(found: SearchReport, curves: list[CurveView]) -> SearchReportView:
    shares = found.importance.shares if found.importance else {}
    fields = [
        FieldReport(
            path=axis.path,
            kind=axis.kind,
            importance=shares.get(axis.path),
            profile=[
                ProfileBin(**_bin(part), mean=cell.mean, best=cell.best, count=cell.count)
                for part, cell in profile
            ],
        )
        for axis, profile in zip(found.axes, found.profiles, strict=True)
    ]
    return SearchReportView(
        finished=len(found.order),
        winner=found.winner and _candidate(found.winner),
        one_standard_error=_simplest(found.simplest),
        fields=sorted(fields, key=lambda field: -(field.importance or 0.0)),
        interactions=found.importance and found.importance.interactions,
        fit=found.importance and found.importance.fit,
        surface=found.surface and _surface(found.surface),
        curves=curves,
        hints=[HintView(**vars(hint)) for hint in found.hints],
        refits=[],
        baseline=None,
    )


def _candidate(choice: Choice) -> CandidateView:
    return CandidateView(
        configuration=choice.record.configuration,
        overrides=dict(choice.record.overrides),
        mean=choice.mean,
        standard_error=choice.error,
        interval=choice.interval,
        n=len(choice.record.values),
    )


def _simplest(found: Simplest) -> OneStandardError:
    return OneStandardError(
        choice=found.choice and _candidate(found.choice),
        limit=found.limit,
        within=found.within,
        note=found.note,
    )


def _surface(found: Surface) -> SurfaceView:
    def of(attribute: str) -> list[list[Any]]:
        return [[getattr(cell, attribute) for cell in row] for row in found.cells]

    return SurfaceView(
        x=found.x.path,
        y=found.y.path,
        x_log=found.x.log,
        y_log=found.y.log,
        x_bins=[BinView(**_bin(part)) for part in found.x_bins],
        y_bins=[BinView(**_bin(part)) for part in found.y_bins],
        mean=of("mean"),
        best=of("best"),
        count=of("count"),
    )


def _bin(part: Bin) -> dict[str, Any]:
    return {"low": part.low, "high": part.high, "value": part.value}
