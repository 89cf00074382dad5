"""The events of a job: a page of its log, or all that happens, as it happens."""

from typing import Annotated

from fastapi import APIRouter, Header, Query, Request, Response

from service.dependencies import JobId, Services, ServicesDep
from service.errors import problems
from service.live import EventStream, wants_events
from service.operations import Operation
from service.schemas.common import Limit, Listing
from service.schemas.jobs import EventView
from service.security.callers import Reader
from service.threads import in_pool
from worker.caller import Caller
from worker.storage import events, jobs

router = APIRouter(prefix="/v1/jobs/{id}", tags=["Results"], route_class=Operation)


@router.get(
    "/events",
    operation_id="list_events",
    summary="The log of a job, or its events as they happen",
    response_model=Listing[EventView],
    responses={
        200: {
            "description": "A page of the log; as text/event-stream, the events as they happen.",
            "content": {"text/event-stream": {"schema": {"type": "string"}}},
        },
        **problems(404),
    },
)
async def list_events(
    services: ServicesDep,
    request: Request,
    caller: Reader,
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
    last_event_id: Annotated[
        int | None,
        Header(
            ge=0,
            lt=2**63,
            description="Of a stream, in place of `after`: what browsers send when they come back.",
            examples=[17],
        ),
    ] = None,
) -> Response:
    """The lines of a job's log after a given one, oldest first, as a JSON page; or, with `Accept:
    text/event-stream`, these and what follows, until the job has ended.

    A stream has events of these types, each with its JSON as `data`:

    * `log`: a line of the log, the same as in a page, and with the same `id`. Whoever comes back
      with `Last-Event-ID` misses none. Only these have an id.
    * `job`: how far the job is (`JobNow`: as in a list, with `waiting_for`), whenever that changes.
    * `metrics`: some epochs of a fleet (`LiveMetrics`), at most 200 at a time: mean and standard
      deviation of each configuration, and of more than twelve the best and the mean.
    * `advice`: all advice by now (`LiveAdvice`), whenever there is more.
    * `end`: state and verdict (`JobEnd`). Nothing follows it.

    A new watcher is told first how things are: the epochs so far, the advice, the job. Comments
    come every 15 seconds of silence. Whoever reads too slowly is cut off, and goes on by coming
    back. A service that stops ends its streams.
    """
    if wants_events(request.headers.get("accept")):
        feed = await services.feeds.join(job_id, caller.tenant)
        return EventStream(services.feeds, feed, after if last_event_id is None else last_event_id)
    return await in_pool("answers", _log_page, services, caller, job_id, after, limit)


def _log_page(services: Services, caller: Caller, job_id: str, after: int, limit: int) -> Response:
    with services.database.read() as session:
        job = jobs.find_job(session, job_id, tenant=caller.tenant)
        page = events.event_page(session, job.id, after=after, limit=limit, tenant=caller.tenant)
        data = [EventView.model_validate(row) for row in page.items]
    written = Listing[EventView](data=data, has_more=page.has_more).model_dump_json()
    return Response(written, media_type="application/json", headers={"Vary": "Accept"})
