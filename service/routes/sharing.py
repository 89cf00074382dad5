"""Exports of a job: its curves for other tools, its report as one page."""

from typing import Annotated

from fastapi import APIRouter, Query, Response

from service.dependencies import JobId, ServicesDep
from service.errors import problems
from service.exports import JobExportFormat, curves_of, exported
from service.html_report import CONTENT_POLICY, html_report
from service.operations import Operation
from service.routes.results import report_in
from service.security.callers import Reader
from worker.storage import jobs
from worker.storage.limits import REPORT_SECONDS
from worker.storage.types import utc_now

router = APIRouter(prefix="/v1/jobs/{id}", tags=["Results"], route_class=Operation)

BINARY = {"schema": {"type": "string", "format": "binary"}}
CSV = "trial,name,configuration,repeat,fold,epoch,train_loss\ntrl_1,none,0,0,,1,0.31\n"


@router.get(
    "/export",
    operation_id="export_job",
    summary="The curves for other tools",
    response_class=Response,
    responses={
        200: {
            "description": "The file.",
            "content": {
                "text/csv": {"schema": {"type": "string"}, "example": CSV},
                "application/zip": BINARY,
            },
        },
        **problems(404),
    },
)
def export_job(
    services: ServicesDep,
    caller: Reader,
    job_id: JobId,
    form: Annotated[
        JobExportFormat,
        Query(
            alias="format",
            description="`csv`: a line a trial and epoch, a column a metric. `tensorboard`: a zip "
            "with a folder of event files for each trial, to be unpacked below the `--logdir`. "
            "`mlflow`: a zip with the folder `mlruns`, a run for each trial.",
            examples=["csv"],
        ),
    ] = "csv",
    top: Annotated[
        int, Query(ge=1, le=1000, description="Most trials, the best.", examples=[100])
    ] = 100,
) -> Response:
    """The metrics of the best trials, epoch by epoch, while the job runs and afterwards. Epochs are
    not timed one by one: files that want a time have them evenly between the job's begin and end.
    At most half a million values; of more, ask for fewer trials. docs/client.md shows each at work.
    """
    with services.database.read(statement=REPORT_SECONDS) as session:
        job = jobs.find_job(session, job_id, tenant=caller.tenant)
        trials = curves_of(session, job, top, utc_now())
    file = exported(form, job.id, job.name, trials)
    headers = {"Content-Disposition": f'attachment; filename="{file.name}"'}
    return Response(file.content, media_type=file.media_type, headers=headers)


@router.get(
    "/report.html",
    operation_id="get_report_page",
    summary="The comparison as a page",
    response_class=Response,
    responses={
        200: {
            "description": "The page.",
            "content": {"text/html": {"schema": {"type": "string"}}},
        },
        **problems(404),
    },
)
def get_report_page(services: ServicesDep, caller: Reader, job_id: JobId) -> Response:
    """The same as one file to send by mail: the verdict first, then the job's pictures and tables.
    It holds no script and refers to nothing outside of itself.
    """
    with services.database.read(statement=REPORT_SECONDS) as session:
        job = jobs.find_job(session, job_id, tenant=caller.tenant)
        report = report_in(services, session, job)
        text = html_report(session, services.artefacts, job, report)
    headers = {"Content-Security-Policy": CONTENT_POLICY}
    return Response(text, media_type="text/html", headers=headers)
