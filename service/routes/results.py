"""What comes of a job: trials, metrics, events, checkpoints, charts, the comparison."""

from collections.abc import Sequence
from typing import Annotated

from fastapi import APIRouter, Query, Response

from service import charts, comparison
from service.dependencies import JobId, Services, ServicesDep
from service.errors import problems
from service.operations import Operation
from service.path_report import path_report
from service.schemas.common import Limit, Listing
from service.schemas.jobs import CheckpointView, EventView, TrialView
from service.schemas.results import Chart, CurvesView, MetricsView, Report
from service.search_report import search_report
from service.views import checkpoint_view, trial_view
from worker.errors import NotFoundError
from worker.storage import events, jobs, queries
from worker.storage.limits import REPORT_SECONDS
from worker.storage.tables import Job

NO_CURVES = (
    "No curves are kept of this trial: there are none of a regression, of a trial that has not "
    "succeeded, of jobs of earlier releases, and of large fleets but for their best trials."
)

router = APIRouter(prefix="/v1/jobs/{id}", tags=["Results"], route_class=Operation)

Metric = Annotated[
    str,
    Query(
        max_length=100,
        description="Which metric to draw. `train_loss` is the data loss in eval mode, without "
        "penalty, dropout and noise, so that configurations can be compared.",
        examples=["train_loss"],
    ),
]
Most = Annotated[
    int, Query(ge=1, le=100, description="Most configurations to draw, the best.", examples=[12])
]


@router.get(
    "/trials",
    operation_id="list_trials",
    summary="The leaderboard",
    responses=problems(404),
)
def list_trials(
    services: ServicesDep,
    job_id: JobId,
    limit: Limit = 20,
    after: Annotated[str | None, Query(description="The last id of the page before.")] = None,
) -> Listing[TrialView]:
    """The trials of a job, best first by its objective; those without a result come last."""
    with services.database.read() as session:
        job = jobs.find_job(session, job_id)
        page = jobs.leaderboard(session, job, limit=limit, after=after)
    return Listing(data=[trial_view(row) for row in page.items], has_more=page.has_more)


@router.get(
    "/curves",
    operation_id="get_curves",
    summary="Confusion matrix, ROC, precision and recall, calibration",
    responses=problems(404),
)
def get_curves(
    services: ServicesDep,
    job_id: JobId,
    trial: Annotated[
        str | None, Query(description="A trial's id; the best trial unless given.")
    ] = None,
) -> CurvesView:
    """How a trained classifier answers the rows that are held out, at most 100 points a curve.

    They are kept of the 32 trials of each fleet with the smallest loss.
    """
    with services.database.read() as session:
        job = jobs.find_job(session, job_id)
        row = jobs.trial(session, job, trial, param="trial")
    curves = None if row.report is None else row.report.curves
    if curves is None:
        return CurvesView(
            job=job_id,
            trial=row.id,
            name=row.name,
            classes=[],
            positive=None,
            threshold=None,
            parts={},
            note=NO_CURVES,
        )
    return CurvesView(job=job_id, trial=row.id, name=row.name, **dict(curves))


@router.get(
    "/metrics",
    operation_id="get_metrics",
    summary="The metrics of a trial, epoch by epoch",
    responses=problems(404),
)
def get_metrics(
    services: ServicesDep,
    job_id: JobId,
    trial: Annotated[
        str | None,
        Query(
            description="A trial's id; the best trial unless given.",
        ),
    ] = None,
) -> MetricsView:
    """One array a metric, one entry an epoch, while the job runs and afterwards."""
    with services.database.read() as session:
        row = jobs.trial(session, jobs.find_job(session, job_id), trial, param="trial")
        series = queries.trial_series(session, row)
    length = max((len(values) for values in series.values()), default=0)
    return MetricsView(
        job=job_id, trial=row.id, name=row.name, epochs=list(range(1, length + 1)), metrics=series
    )


@router.get(
    "/events",
    operation_id="list_events",
    summary="The log of a job",
    responses=problems(404),
)
def list_events(
    services: ServicesDep,
    job_id: JobId,
    after: Annotated[
        int,
        Query(
            ge=0,
            lt=2**63,
            description="The last event's id that you have read.",
            examples=[0],
        ),
    ] = 0,
    limit: Limit = 100,
) -> Listing[EventView]:
    """The events of a job after a given one, oldest first."""
    with services.database.read() as session:
        job = jobs.find_job(session, job_id)
        page = events.event_page(session, job.id, after=after, limit=limit)
    return Listing(
        data=[EventView.model_validate(row) for row in page.items], has_more=page.has_more
    )


@router.get(
    "/checkpoints",
    operation_id="list_checkpoints",
    summary="The checkpoints of a job",
    responses=problems(404),
)
def list_checkpoints(services: ServicesDep, job_id: JobId) -> Listing[CheckpointView]:
    """The checkpoints that are kept, newest first: two for each fleet."""
    with services.database.read() as session:
        rows = jobs.checkpoints(session, jobs.find_job(session, job_id).id)
    return Listing(data=[checkpoint_view(row) for row in rows], has_more=False)


@router.get(
    "/chart", operation_id="get_chart", summary="A Chart.js configuration", responses=problems(404)
)
def get_chart(
    services: ServicesDep, job_id: JobId, metric: Metric = "train_loss", top: Most = 12
) -> Chart:
    """The curve of each configuration, the mean over its repeats and folds."""
    job, lines = _lines(services, job_id, metric, top)
    return charts.chartjs(lines, title=_title(job, metric), label=_label(metric))


@router.get(
    "/chart.png",
    operation_id="get_chart_picture",
    summary="The chart as a picture",
    response_class=Response,
    responses={
        200: {
            "description": "The picture.",
            "content": {"image/png": {"schema": {"type": "string", "format": "binary"}}},
        },
        **problems(404),
    },
)
def get_chart_picture(
    services: ServicesDep, job_id: JobId, metric: Metric = "train_loss", top: Most = 12
) -> Response:
    """The same curves as a PNG."""
    job, lines = _lines(services, job_id, metric, top)
    content = charts.png(lines, title=_title(job, metric), label=_label(metric))
    return Response(content, media_type="image/png")


@router.get(
    "/report", operation_id="get_report", summary="The comparison as data", responses=problems(404)
)
def get_report(services: ServicesDep, job_id: JobId) -> Report:
    """Mean and standard deviation of each final metric over the repeats and folds of each
    configuration, best first; what is left of the network of its best trial; for a job with
    `attribute`, what each technique bought; and for a search, what it found so far: the winner and
    the simplest configuration that is as good, the importance of each searched field, the objective
    over two of them, learning curves, what to search next, and of a path its weights.
    """
    with services.database.read(statement=REPORT_SECONDS) as session:
        job = jobs.find_job(session, job_id)
        if job.spec.get("search") is None:
            return comparison.report_of(job, jobs.trials(session, job))
        searched, trials = search_report(session, job)
        path = path_report(session, services.artefacts, job)
        report = comparison.report_of(job, trials, searched)
    return report.model_copy(update={"path": path})


def _lines(
    services: Services, job_id: str, metric: str, most: int
) -> tuple[Job, Sequence[comparison.Line]]:
    with services.database.read(statement=REPORT_SECONDS) as session:
        job = jobs.find_job(session, job_id)
        if job.spec.get("search") is None:
            rows = jobs.trials(session, job)
        else:  # thousands, of which a few are drawn
            best = queries.best_first(session, job)[:most]
            rows = queries.trials_of(session, job, [group.number for group in best])
        series = queries.series(session, rows)
    known = sorted({name for curves in series.values() for name in curves})
    if known and metric not in known:
        raise NotFoundError(
            f"Job {job_id} has no metric {metric!r}; it has {', '.join(known)}.", param="metric"
        )
    return job, comparison.lines(job, rows, series, metric, most)


def _title(job: Job, metric: str) -> str:
    return f"{_label(metric)}: {job.name}" if job.name else _label(metric)


def _label(metric: str) -> str:
    return metric.replace("_", " ").capitalize()
