"""Invocations: what programs written for MLflow's and SageMaker's servers call."""

from typing import Annotated

from fastapi import APIRouter, Header, Request
from starlette.requests import ClientDisconnect
from starlette.responses import Response

from service.dependencies import ServicesDep
from service.errors import MalformedError, Responses, problems
from service.operations import Operation
from service.routes.health import check_ready
from service.schemas.health import Ready
from service.schemas.invocations import InvocationResponse
from service.security.callers import Predictor
from service.serving.doors.exchange import Call
from service.serving.doors.invocations import InvocationsDoor

router = APIRouter(tags=["Invocations"], route_class=Operation)

_CSV = {"schema": {"$ref": "#/components/schemas/RowsOfText"}, "example": "x1,x2\n0.5,-0.3\n"}
_LINES = {
    "schema": {"$ref": "#/components/schemas/RowsOfText"},
    "example": '{"x1": 0.5, "x2": -0.3}',
}
_ANSWERS: Responses = {
    **problems(404, 409),
    200: {
        "content": {
            "text/csv": {"schema": {"type": "string"}},
            "application/x-ndjson": {"schema": {"type": "string"}},
        }
    },
}


@router.post(
    "/invocations",
    operation_id="invocations",
    summary="Predict, as MLflow and SageMaker ask",
    response_model=InvocationResponse,
    responses=_ANSWERS,
    openapi_extra={
        "requestBody": {
            "required": True,
            "content": {
                "application/json": {"schema": {"$ref": "#/components/schemas/InvocationRequest"}},
                "text/csv": _CSV,
                "application/jsonlines": _LINES,
            },
        }
    },
)
async def invocations(
    services: ServicesDep,
    caller: Predictor,
    request: Request,
    target: Annotated[
        str | None,
        Header(
            alias="X-Amzn-SageMaker-Target-Model",
            description="The model that answers: its name, or its name, a slash, and a version's "
            "number or an alias. Without it the setting PARSIMONY_INVOCATIONS_MODEL says so; and "
            "without that, the only model that there is.",
            examples=["circle"],
        ),
    ] = None,
) -> Response:
    """Takes what MLflow's scoring server takes: JSON with `dataframe_split`, `dataframe_records`,
    `instances` or `inputs`, and `params`; or CSV with a header; and what SageMaker's clients send:
    CSV without a header, lines of JSON. CSV is answered in CSV, one prediction a line, if `Accept`
    names it. Errors have the members `error_code` and `message`, too.
    """
    try:
        body = await request.body()
    except ClientDisconnect as error:
        raise MalformedError("The body ended before all of it had come.") from error
    door = InvocationsDoor(services.serving, services.settings)
    reply = await door.answer(Call({}, b"", request.scope["headers"], body, caller))
    answer = Response(reply.body, reply.status)
    answer.raw_headers += reply.headers
    return answer


@router.get("/health", operation_id="health", summary="Health, as MLflow asks for it")
async def health(services: ServicesDep, request: Request) -> Ready:
    """The same as `/readyz`."""
    return check_ready(services, request)


@router.get(
    "/version",
    operation_id="version",
    summary="The installed release, as MLflow asks for it",
    response_class=Response,
    responses={200: {"content": {"text/plain": {"schema": {"type": "string"}}}}},
)
async def version(request: Request) -> Response:
    """The release as plain text."""
    return Response(request.app.version, media_type="text/plain")
