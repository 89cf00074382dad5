"""Jobs: posted, checked, listed, read, cancelled, paused, resumed, retried, deleted."""

from typing import Annotated, Literal

from fastapi import APIRouter, Body, Header, Query, Request, Response

from service.bodies import CheckedRoute
from service.dependencies import JobId, PlainJobId, ServicesDep
from service.errors import problems
from service.examples import JOBS
from service.schemas.common import Limit, Listing
from service.schemas.jobs import JobState, JobSummary, JobView, Validation
from service.security.callers import Reader, Trainer
from service.threads import in_pool
from service.views import job_summary, job_view, stored_view
from service.waiting import Prefer, current
from worker.data import Prepared
from worker.errors import UnavailableError
from worker.spec import JobSpec
from worker.storage import deletion, jobs, waits
from worker.storage.limits import REPORT_SECONDS

router = APIRouter(prefix="/v1/jobs", tags=["Jobs"], route_class=CheckedRoute)

Spec = Annotated[JobSpec, Body(openapi_examples=JOBS)]
Key = Annotated[
    str | None,
    Header(
        alias="idempotency-key",
        min_length=1,
        max_length=255,
        description="A key of your choice. The same key with the same body gives the same job, "
        "however often it is sent, and the header `Idempotent-Replayed: true` when it was sent "
        "before; with another body it is refused.",
        examples=["2f1c6f0e-circle-1"],
    ),
]


@router.post(
    "",
    operation_id="create_job",
    summary="Train",
    status_code=202,
)
async def create_job(
    services: ServicesDep,
    caller: Trainer,
    request: Request,
    response: Response,
    spec: Spec,
    idempotency_key: Key = None,
    prefer: Prefer = None,
) -> JobView:
    """Accepts a training job. Once this is answered the job is stored and will be trained, whatever
    happens to this service or its workers; `Location` says where to follow it.

    Only `dataset` is required, and `target` unless the data set named one. The specification is
    checked against the data first, so whatever is wrong with it is said here.
    """
    accepted = await in_pool(
        "planning", services.intake.accept_once, spec, idempotency_key, caller=caller
    )
    job = accepted.job
    if accepted.replayed:
        response.headers["Idempotent-Replayed"] = "true"
    services.reconciler.nudge()
    response.headers["Location"] = f"/v1/jobs/{job.id}"
    try:
        return await current(services, caller, job.id, prefer, request, response)
    except UnavailableError:
        return job_view(job)  # it is stored, whatever happens to the database after that


@router.post(
    "/validate",
    operation_id="validate_job",
    summary="Check a job without training it",
)
def validate_job(services: ServicesDep, caller: Trainer, spec: Spec) -> Validation:
    """Checks a specification as `POST /v1/jobs` does, and says how its data are understood, what it
    would train, what it would cost, and what is worth knowing before. Its largest fleet is trained
    for a few steps on rows like its own, which takes up to half a second. Nothing is stored. What
    costs more than this service takes is refused, by both, as `limit_exceeded`: with the `measure`,
    its `value`, the `limit` and the `setting` that it is.
    """
    proposal = services.intake.preview(spec, caller=caller)
    outline = proposal.outline

    def some(train: int, held_out: int) -> Prepared:
        return services.tables.sample(spec, outline, train, held_out, tenant=caller.tenant)

    cost = proposal.cost
    return Validation(
        understood=outline.understood,
        advice=list(proposal.advice),
        trials=cost.trials,
        fleets=cost.fleets,
        parameters=cost.parameters,
        steps=cost.steps,
        estimate=services.estimator.estimate(proposal, some),
    )


@router.get("", operation_id="list_jobs", summary="List jobs", responses=problems(404))
def list_jobs(
    services: ServicesDep,
    caller: Reader,
    state: Annotated[
        JobState | None, Query(description="Only jobs in this state.", examples=["succeeded"])
    ] = None,
    limit: Limit = 20,
    after: Annotated[str | None, Query(description="The last id of the page before.")] = None,
) -> Listing[JobSummary]:
    """The jobs, newest first, in short: `GET /v1/jobs/{id}` has what was posted, and the advice."""
    with services.database.read() as session:
        page = jobs.job_page(session, state=state, limit=limit, after=after, tenant=caller.tenant)
        reasons = waits.reasons(session, page.items, services.settings.shares)
        data = [job_summary(row, waiting_for=reasons[row.id]) for row in page.items]
    return Listing(data=data, has_more=page.has_more)


@router.get("/{id}", operation_id="get_job", summary="Read a job", responses=problems(404, 422))
async def get_job(
    services: ServicesDep,
    caller: Reader,
    request: Request,
    response: Response,
    job_id: JobId,
    include: Annotated[
        Literal["resolved"] | None,
        Query(
            description="`resolved`: the complete specification too, defaults included.",
            examples=["resolved"],
        ),
    ] = None,
    prefer: Prefer = None,
) -> JobView:
    """A job: how far it is, what came of it. With `Prefer: wait=N` the answer waits for its end.

    `spec` is what was posted; with `include=resolved`, `resolved` is all that is trained: defaults,
    the space that a search of `default` or `auto` came to, and every row that was named.
    """
    return await current(
        services, caller, job_id, prefer, request, response, resolved=include == "resolved"
    )


@router.post(
    "/{id}/cancel", operation_id="cancel_job", summary="Cancel a job", responses=problems(404, 409)
)
def cancel_job(services: ServicesDep, caller: Trainer, job_id: PlainJobId) -> JobView:
    """What is queued or paused is cancelled at once; what runs ends within about a second. What has
    finished of it is kept. Cancelling twice changes nothing; a job that has ended otherwise cannot
    be cancelled.
    """
    with services.database.write(statement=REPORT_SECONDS) as session:
        view = stored_view(
            session,
            jobs.request_cancel(session, job_id, tenant=caller.tenant),
            services.settings.shares,
        )
    services.collector.nudge()
    return view


@router.post(
    "/{id}/pause", operation_id="pause_job", summary="Pause a job", responses=problems(404, 409)
)
def pause_job(services: ServicesDep, caller: Trainer, job_id: PlainJobId) -> JobView:
    """What is queued is not begun; what runs writes a checkpoint and stops within about a second.
    Then the job is `paused`, until it is resumed or cancelled. Nothing is lost, and the final
    weights are those of a job that was never paused. Time in which it is paused does not count
    against its search's `budget_seconds`. Pausing twice changes nothing.
    """
    with services.database.write(statement=REPORT_SECONDS) as session:
        return stored_view(
            session,
            jobs.request_pause(session, job_id, tenant=caller.tenant),
            services.settings.shares,
        )


@router.post(
    "/{id}/resume",
    operation_id="resume_job",
    summary="Resume a paused job",
    responses=problems(404, 409),
)
def resume_job(services: ServicesDep, caller: Trainer, job_id: PlainJobId) -> JobView:
    """Lets a paused job go on from its checkpoints. A job that is not paused is answered as it
    is.
    """
    with services.database.write(statement=REPORT_SECONDS) as session:
        view = stored_view(
            session,
            jobs.request_resume(session, job_id, tenant=caller.tenant),
            services.settings.shares,
        )
    services.reconciler.nudge()
    return view


@router.post(
    "/{id}/retry",
    operation_id="retry_job",
    summary="Train a job once more",
    status_code=202,
    responses=problems(404, 409),
)
def retry_job(
    services: ServicesDep,
    caller: Trainer,
    response: Response,
    job_id: PlainJobId,
    idempotency_key: Key = None,
) -> JobView:
    """Accepts a job that failed or was cancelled once more, as a new job: what has ended never
    changes. The new job has the specification of the old one, to the last default and choice of a
    search, and names it in `retry_of`; all of it is trained, from the start. `Location` says where
    to follow it.
    """
    accepted = services.intake.retry(job_id, idempotency_key, caller=caller)
    if accepted.replayed:
        response.headers["Idempotent-Replayed"] = "true"
    services.reconciler.nudge()
    response.headers["Location"] = f"/v1/jobs/{accepted.job.id}"
    try:
        with services.database.read() as session:
            return stored_view(session, accepted.job, services.settings.shares)
    except UnavailableError:
        return job_view(accepted.job)


@router.delete(
    "/{id}",
    operation_id="delete_job",
    summary="Delete a job",
    status_code=204,
    response_class=Response,
    responses=problems(404, 409),
)
def delete_job(services: ServicesDep, caller: Trainer, job_id: PlainJobId) -> None:
    """Deletes a job that has ended, with its trials, metrics, log and files. The version of a model
    that it made stays, with its file, and answers as before. Refused while the job has not ended:
    cancel it first. A request with its `Idempotency-Key` makes a new job from then on.
    """
    with services.database.write() as session:
        deletion.delete_job(session, job_id, tenant=caller.tenant)
    services.collector.nudge()
