"""Predictions."""

import orjson
from fastapi import APIRouter
from starlette.responses import Response

from service.bodies import CheckedRoute
from service.dependencies import ServicesDep
from service.errors import problems
from service.routes.models import Chosen, Name
from service.schemas.models import PredictRequest, PredictResponse
from service.serving.engine import Answered
from service.serving.residents import Resident
from service.threads import in_pool
from worker.schema import Json

router = APIRouter(prefix="/v1/models", tags=["Predictions"], route_class=CheckedRoute)


@router.post(
    "/{name}/predict",
    operation_id="predict",
    summary="Predict",
    response_model=PredictResponse,
    responses=problems(404),
)
async def predict(
    services: ServicesDep, name: Name, body: PredictRequest, version: Chosen = None
) -> Response:
    """Answers in eval mode: dropout and noise are off, batch normalization uses its running
    averages, so an answer depends on its row alone and is the same every time. The preprocessing
    that was fitted in training is part of the model: give the columns as they were uploaded.
    Warnings tell what the instances hold that training did not: they are answered all the same.
    """
    resident = await services.serving.find(name, version)
    answered = await services.serving.predict(
        resident, body.instances, extra=body.extra == "ignore", warnings=body.warnings
    )
    return await in_pool("answers", _written, resident, answered)


def _written(resident: Resident, answered: Answered) -> Response:
    body: Json = {
        "predictions": list(answered.answers.rows()),
        "model": resident.name,
        "version": resident.version,
    }
    if answered.warnings is not None:
        body["warnings"] = [warning.model_dump() for warning in answered.warnings]
    return Response(orjson.dumps(body), media_type="application/json")
