"""Predictions."""

from fastapi import APIRouter

from service.bodies import CheckedRoute
from service.dependencies import ServicesDep
from service.errors import problems
from service.routes.models import Chosen, Name
from service.schemas.models import PredictRequest, PredictResponse
from worker.storage import models

router = APIRouter(prefix="/v1/models", tags=["Predictions"], route_class=CheckedRoute)


@router.post(
    "/{name}/predict",
    operation_id="predict",
    summary="Predict",
    response_model_exclude_unset=True,
    responses=problems(404),
)
def predict(
    services: ServicesDep, name: Name, body: PredictRequest, version: Chosen = None
) -> PredictResponse:
    """Answers in eval mode: dropout and noise are off, batch normalization uses its running
    averages, so an answer depends on its row alone and is the same every time. The preprocessing
    that was fitted in training is part of the model: give the columns as they were uploaded.
    Warnings tell what the instances hold that training did not: they are answered all the same.
    """
    with services.database.read() as session:
        row = models.resolve(session, name, version)
    answer = services.inference.predict(
        row, name, body.instances, extra=body.extra == "ignore", warnings=body.warnings
    )
    told = {} if answer.warnings is None else {"warnings": answer.warnings}
    return PredictResponse(predictions=answer.predictions, model=name, version=row.version, **told)
