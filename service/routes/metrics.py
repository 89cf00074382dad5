"""Metrics for Prometheus."""

from fastapi import APIRouter
from starlette.responses import Response

from service.dependencies import ServicesDep
from service.operations import Operation
from service.security.callers import Reader
from service.telemetry.exposition import CONTENT_TYPE

router = APIRouter(tags=["Health"], route_class=Operation)

EXAMPLE = """# HELP parsimony_oldest_due_seconds How long the oldest fleet that could be claimed …
# TYPE parsimony_oldest_due_seconds gauge
parsimony_oldest_due_seconds 0.0
"""


@router.get(
    "/metrics",
    operation_id="metrics",
    summary="What there is to watch, for Prometheus",
    response_class=Response,
    responses={
        200: {
            "description": "All metrics, in Prometheus's text format.",
            "content": {CONTENT_TYPE: {"schema": {"type": "string"}, "example": EXAMPLE}},
        },
    },
)
async def metrics(services: ServicesDep, caller: Reader) -> Response:
    """What waits and runs, what has happened, which workers there are; and of the process that
    answers: requests by route, predictions by model, memory. docs/operations.md says what each
    means. Where the database does not answer in time, what it would tell is left out, and
    `parsimony_database_up` is 0.

    A key sees of the models its tenant's alone. Without one, on a loopback address or where
    PARSIMONY_OPEN_METRICS is set, all are seen.
    """
    seen_by = None if caller.key_id is None else caller.tenant
    return Response(await services.telemetry.scrape(seen_by), media_type=CONTENT_TYPE)
