"""Jobs: posted, checked, listed, read, cancelled."""

from typing import Annotated, Literal

from fastapi import APIRouter, Body, Header, Query, Request, Response

from service.bodies import CheckedRoute
from service.dependencies import JobId, PlainJobId, ServicesDep
from service.errors import problems
from service.examples import JOBS
from service.schemas.common import Limit, Listing
from service.schemas.jobs import JobState, JobSummary, JobView, Validation
from service.threads import in_pool
from service.views import job_summary, job_view, stored_view
from service.waiting import Prefer, current, wanted_seconds
from worker.data import Prepared, sample
from worker.spec import JobSpec
from worker.storage import jobs

router = APIRouter(prefix="/v1/jobs", tags=["Jobs"], route_class=CheckedRoute)

Spec = Annotated[JobSpec, Body(openapi_examples=JOBS)]


@router.post(
    "",
    operation_id="create_job",
    summary="Train",
    status_code=202,
)
async def create_job(
    services: ServicesDep,
    request: Request,
    response: Response,
    spec: Spec,
    idempotency_key: Annotated[
        str | None,
        Header(
            min_length=1,
            max_length=255,
            description="A key of your choice. The same key with the same body gives the same job, "
            "however often it is sent, and the header `Idempotent-Replayed: true` when it was sent "
            "before; with another body it is refused.",
            examples=["2f1c6f0e-circle-1"],
        ),
    ] = None,
    prefer: Prefer = None,
) -> JobView:
    """Accepts a training job. Once this is answered the job is stored and will be trained, whatever
    happens to this service or its workers; `Location` says where to follow it.

    Only `dataset` is required, and `target` unless the data set named one. The specification is
    checked against the data first, so whatever is wrong with it is said here.
    """
    accepted = await in_pool("planning", services.intake.accept_once, spec, idempotency_key)
    job = accepted.job
    if accepted.replayed:
        response.headers["Idempotent-Replayed"] = "true"
    services.reconciler.nudge()
    response.headers["Location"] = f"/v1/jobs/{job.id}"
    if accepted.replayed or wanted_seconds(prefer):
        return await current(services, job.id, prefer, request, response)
    return job_view(job)


@router.post(
    "/validate",
    operation_id="validate_job",
    summary="Check a job without training it",
)
def validate_job(services: ServicesDep, spec: Spec) -> Validation:
    """Checks a specification as `POST /v1/jobs` does, and says how its data are understood, what it
    would train, what it would cost, and what is worth knowing before. Its largest fleet is trained
    for a few steps on some of the rows, which takes up to half a second. Nothing is stored. What
    costs more than this service takes is refused, by both, as `limit_exceeded`: with the `measure`,
    its `value`, the `limit` and the `setting` that it is.
    """
    proposal = services.intake.propose(spec)
    outline = proposal.outline

    def some(train: int, held_out: int) -> Prepared:
        table, _ = services.tables.get(spec.dataset, spec.reading)
        return sample(table, spec, outline, train=train, held_out=held_out)

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
    state: Annotated[
        JobState | None, Query(description="Only jobs in this state.", examples=["succeeded"])
    ] = None,
    limit: Limit = 20,
    after: Annotated[str | None, Query(description="The last id of the page before.")] = None,
) -> Listing[JobSummary]:
    """The jobs, newest first, in short: `GET /v1/jobs/{id}` has what was posted, and the advice."""
    with services.database.read() as session:
        page = jobs.job_page(session, state=state, limit=limit, after=after)
        return Listing(data=[job_summary(row) for row in page.items], has_more=page.has_more)


@router.get("/{id}", operation_id="get_job", summary="Read a job", responses=problems(404, 422))
async def get_job(
    services: ServicesDep,
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
        services, job_id, prefer, request, response, resolved=include == "resolved"
    )


@router.post(
    "/{id}/cancel", operation_id="cancel_job", summary="Cancel a job", responses=problems(404, 409)
)
def cancel_job(services: ServicesDep, job_id: PlainJobId) -> JobView:
    """What is queued is cancelled at once; what runs ends within about a second. Cancelling twice
    changes nothing; a job that has ended otherwise cannot be cancelled.
    """
    with services.database.write() as session:
        return stored_view(session, jobs.request_cancel(session, job_id))
