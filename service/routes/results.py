"""Results of a job: trials, metrics, checkpoints, charts, reports."""

from typing import Annotated, Literal

from fastapi import APIRouter, Query, Response
from sqlalchemy.orm import Session

from service import charts, comparison
from service.dependencies import JobId, Services, ServicesDep
from service.errors import problems
from service.markdown_report import markdown
from service.operations import Operation
from service.path_report import path_report
from service.schemas.common import Limit, Listing
from service.schemas.jobs import CheckpointView, TrialView
from service.schemas.results import Chart, CurvesView, MetricsView, Report
from service.search_report import listed_trials, refits_of, search_report
from service.security.callers import Reader
from service.views import checkpoint_view, trial_view
from worker.caller import Caller
from worker.storage import jobs, queries
from worker.storage.limits import REPORT_SECONDS
from worker.storage.tables import Job

NO_CURVES = (
    "No curves are kept of this trial: there are none of a regression, of a trial that has not "
    "succeeded, of jobs of earlier releases, and of large fleets but for their best trials."
)

router = APIRouter(prefix="/v1/jobs/{id}", tags=["Results"], route_class=Operation)

Kind = Annotated[
    charts.PictureKind,
    Query(
        description="What to draw. `curves`: the objective over the epochs, validation rows full "
        "and training rows dashed, mean and ± 1 standard deviation over repeats and folds. "
        "`training`: the training loss of each configuration. `path`: weights, zeros and loss "
        "over log λ. `surface`: a search's objective over two fields. `attribution`: what each "
        "technique does. `confusion`, `calibration`, `roc`, `precision_recall`: how a classifier "
        "answers. `importance`: what each column is worth. A kind that the job does not have is "
        "refused, with those that it has.",
        examples=["curves"],
    ),
]
Metric = Annotated[
    str | None,
    Query(
        max_length=100,
        description="Of `curves` and `training`: the metric to draw, one that each epoch has; "
        "the objective and `train_loss` unless given. Of `attribution`: the metric that is "
        "attributed, the objective unless given. Other kinds do not look at it.",
        examples=["validation_loss"],
    ),
]
Most = Annotated[
    int,
    Query(
        ge=1,
        le=100,
        description="Of `curves` and `training`: most configurations to draw, the best. Of "
        "`path`: most weights, the largest; of `importance`: most columns. Other kinds do not look "
        "at it.",
        examples=[12],
    ),
]
OfTrial = Annotated[
    str | None,
    Query(
        description="Of `confusion`, `calibration`, `roc` and `precision_recall`: a trial's id; "
        "the best trial unless given."
    ),
]
OfPart = Annotated[
    charts.PartName | None,
    Query(
        description="Of the same kinds: the rows. `test` unless given, or what there is.",
        examples=["validation"],
    ),
]
Width = Annotated[int, Query(ge=480, le=1600, description="Width in pixels.", examples=[800])]
Height = Annotated[
    int | None,
    Query(
        ge=360,
        le=1600,
        description="Height in pixels; as the kind needs it unless given.",
        examples=[500],
    ),
]
Density = Annotated[
    int,
    Query(
        ge=1,
        le=2,
        description="Dots for each pixel, in both directions: 2 for screens with fine dots.",
        examples=[1],
    ),
]


@router.get(
    "/trials",
    operation_id="list_trials",
    summary="The leaderboard",
    responses=problems(404),
)
def list_trials(
    services: ServicesDep,
    caller: Reader,
    job_id: JobId,
    limit: Limit = 20,
    after: Annotated[str | None, Query(description="The last id of the page before.")] = None,
) -> Listing[TrialView]:
    """The trials of a job, best first by its objective; those without a result come last."""
    with services.database.read() as session:
        job = jobs.find_job(session, job_id, tenant=caller.tenant)
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
    caller: Reader,
    job_id: JobId,
    trial: Annotated[
        str | None, Query(description="A trial's id; the best trial unless given.")
    ] = None,
) -> CurvesView:
    """How a trained classifier answers the rows that are held out, at most 100 points a curve.

    They are kept of the 32 trials of each fleet with the smallest loss.
    """
    with services.database.read() as session:
        job = jobs.find_job(session, job_id, tenant=caller.tenant)
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
    caller: Reader,
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
        row = jobs.trial(
            session, jobs.find_job(session, job_id, tenant=caller.tenant), trial, param="trial"
        )
        series = queries.trial_series(session, row)
    length = max((len(values) for values in series.values()), default=0)
    fitted = None if row.report is None else row.report.fitted
    return MetricsView(
        job=job_id,
        trial=row.id,
        name=row.name,
        epochs=list(range(1, length + 1)),
        metrics=series,
        train_rows=None if fitted is None else fitted.measured,
    )


@router.get(
    "/checkpoints",
    operation_id="list_checkpoints",
    summary="The checkpoints of a job",
    responses=problems(404),
)
def list_checkpoints(
    services: ServicesDep, caller: Reader, job_id: JobId
) -> Listing[CheckpointView]:
    """The checkpoints that are kept, newest first: two for each fleet."""
    with services.database.read() as session:
        rows = jobs.checkpoints(session, jobs.find_job(session, job_id, tenant=caller.tenant).id)
    return Listing(data=[checkpoint_view(row) for row in rows], has_more=False)


@router.get(
    "/chart",
    operation_id="get_chart",
    summary="A Chart.js configuration",
    responses=problems(404, 409),
)
def get_chart(
    services: ServicesDep,
    caller: Reader,
    job_id: JobId,
    kind: Kind = "curves",
    metric: Metric = None,
    top: Most = 12,
    trial: OfTrial = None,
    part: OfPart = None,
) -> Chart:
    """A picture of what came of the job, for Chart.js 4 without plug-ins: docs/pictures.md."""
    wanted = charts.Wanted(kind=kind, metric=metric, top=top, trial=trial, part=part)
    return charts.chartjs(_picture(services, caller, job_id, wanted))


@router.get(
    "/chart.png",
    operation_id="get_chart_picture",
    summary="The chart as PNG",
    response_class=Response,
    responses={
        200: {
            "description": "The picture.",
            "content": {"image/png": {"schema": {"type": "string", "format": "binary"}}},
        },
        **problems(404, 409),
    },
)
def get_chart_picture(
    services: ServicesDep,
    caller: Reader,
    job_id: JobId,
    kind: Kind = "curves",
    metric: Metric = None,
    top: Most = 12,
    trial: OfTrial = None,
    part: OfPart = None,
    width: Width = 800,
    height: Height = None,
    density: Density = 1,
) -> Response:
    """The same picture as a PNG of `width` × `height` pixels, times `density`."""
    wanted = charts.Wanted(kind=kind, metric=metric, top=top, trial=trial, part=part)
    picture = _picture(services, caller, job_id, wanted)
    content = _draw(picture, "png", width, height, density)
    return Response(content, media_type="image/png")


@router.get(
    "/chart.svg",
    operation_id="get_chart_drawing",
    summary="The chart as SVG",
    response_class=Response,
    responses={
        200: {
            "description": "The picture.",
            "content": {"image/svg+xml": {"schema": {"type": "string"}}},
        },
        **problems(404, 409),
    },
)
def get_chart_drawing(
    services: ServicesDep,
    caller: Reader,
    job_id: JobId,
    kind: Kind = "curves",
    metric: Metric = None,
    top: Most = 12,
    trial: OfTrial = None,
    part: OfPart = None,
    width: Width = 800,
    height: Height = None,
) -> Response:
    """The same picture as an SVG, whose letters are outlines: it looks the same everywhere."""
    wanted = charts.Wanted(kind=kind, metric=metric, top=top, trial=trial, part=part)
    picture = _picture(services, caller, job_id, wanted)
    content = _draw(picture, "svg", width, height, 1)
    return Response(content, media_type="image/svg+xml")


@router.get(
    "/report", operation_id="get_report", summary="The comparison as data", responses=problems(404)
)
def get_report(
    services: ServicesDep,
    caller: Reader,
    job_id: JobId,
    search: Annotated[
        bool,
        Query(
            description="`false` leaves out what a search found, `search` and `path`: of a "
            "thousand configurations they take many times as long as all the rest.",
            examples=[True],
        ),
    ] = True,
) -> Report:
    """Mean and standard deviation of each final metric over the repeats and folds of each
    configuration, best first; what is left of the network of its best trial; for a job with
    `attribute`, what each technique bought; and for a search, what it found so far: the winner and
    the simplest configuration that is as good, the importance of each searched field, the objective
    over two of them, learning curves, what to search next, and of a path its weights.
    """
    with services.database.read(statement=REPORT_SECONDS) as session:
        job = jobs.find_job(session, job_id, tenant=caller.tenant)
        return report_in(services, session, job, search=search)


@router.get(
    "/report.md",
    operation_id="get_report_markdown",
    summary="The comparison as Markdown",
    response_class=Response,
    responses={
        200: {
            "description": "The report.",
            "content": {"text/markdown": {"schema": {"type": "string"}}},
        },
        **problems(404),
    },
)
def get_report_markdown(services: ServicesDep, caller: Reader, job_id: JobId) -> Response:
    """The same for a pull request: the verdict, the configurations with 95 % intervals, their
    differences on the same rows, what each column is worth, and what was advised.
    """
    with services.database.read(statement=REPORT_SECONDS) as session:
        job = jobs.find_job(session, job_id, tenant=caller.tenant)
        text = markdown(report_in(services, session, job), name=job.name, advice=job.advice)
    return Response(text, media_type="text/markdown")


def report_in(services: Services, session: Session, job: Job, *, search: bool = True) -> Report:
    """The report of a job as its row and its trials are now; perhaps with what a search found."""
    if job.spec.get("search") is None:
        return comparison.report_of(job, jobs.trials(session, job))
    if not search:
        refits = refits_of(queries.refitted(session, job))
        report = comparison.report_of(job, listed_trials(session, job))
        return report.model_copy(update={"refits": refits})
    searched, trials = search_report(session, job)
    path = path_report(session, services.artefacts, job)
    return comparison.report_of(job, trials, searched).model_copy(update={"path": path})


def _picture(
    services: Services, caller: Caller, job_id: str, wanted: charts.Wanted
) -> charts.Picture:
    with services.database.read(statement=REPORT_SECONDS) as session:
        job = jobs.find_job(session, job_id, tenant=caller.tenant)
        return charts.picture_of(session, services.artefacts, job, wanted)


def _draw(
    picture: charts.Picture,
    form: Literal["png", "svg"],
    width: int,
    height: int | None,
    density: int,
) -> bytes:
    # Imported where it is used: it takes half a second, and most requests draw nothing.
    from service.charts.drawing import draw

    return draw(picture, form, width=width, height=height or picture.height, density=density)
