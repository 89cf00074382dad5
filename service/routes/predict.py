"""Predictions."""

import time
from typing import Annotated

import orjson
from fastapi import APIRouter, Header, Request
from starlette.responses import Response

from service.bodies import CheckedRoute
from service.connections import GONE
from service.dependencies import ServicesDep
from service.errors import problems
from service.routes.models import Chosen, Name
from service.schemas.models import PredictRequest, PredictResponse
from service.serving.engine import Answered
from service.serving.residents import Resident
from service.threads import in_pool
from service.waiting import LONGEST_SECONDS, wanted_seconds
from worker.errors import DataError
from worker.schema import Json

Patience = Annotated[
    str | None,
    Header(
        alias="Prefer",
        description=f"`wait=N`: an answer is of use within N seconds, at most {LONGEST_SECONDS}. "
        "Where it would take longer, the request is refused at once, and rows that are not "
        "computed by then are not computed at all. Without it a request waits its turn for 2 s.",
        examples=["wait=1"],
    ),
]

router = APIRouter(prefix="/v1/models", tags=["Predictions"], route_class=CheckedRoute)


@router.post(
    "/{name}/predict",
    operation_id="predict",
    summary="Predict",
    response_model=PredictResponse,
    responses=problems(404),
)
async def predict(
    services: ServicesDep,
    request: Request,
    name: Name,
    body: PredictRequest,
    version: Chosen = None,
    prefer: Patience = None,
) -> Response:
    """Answers in eval mode: dropout and noise are off, batch normalization uses its running
    averages, so an answer depends on its row alone and is the same every time. The preprocessing
    that was fitted in training is part of the model: give the columns as they were uploaded.
    Warnings tell what the instances hold that training did not: they are answered all the same.
    """
    begun = time.perf_counter_ns()
    resident = await services.serving.find(name, version)
    statistics = resident.statistics
    try:
        answered = await services.serving.predict(
            resident,
            body.instances,
            extra=body.extra == "ignore",
            warnings=body.warnings,
            seconds=wanted_seconds(prefer) or None,
            gone=request.scope.get("state", {}).get(GONE),
        )
    except DataError:
        statistics.failed(time.perf_counter_ns() - begun)
        raise
    computed = time.perf_counter_ns()
    written = await in_pool("answers", _written, resident, answered)
    now = time.perf_counter_ns()
    statistics.answered(len(body.instances), answered.read_ns, now - computed, now - begun)
    return written


def _written(resident: Resident, answered: Answered) -> Response:
    body: Json = {
        "predictions": list(answered.answers.rows()),
        "model": resident.name,
        "version": resident.version,
    }
    if answered.warnings is not None:
        body["warnings"] = [warning.model_dump() for warning in answered.warnings]
    return Response(orjson.dumps(body), media_type="application/json")
