"""Predictions of stored data sets by the workers: posted, listed, read, cancelled, downloaded."""

from typing import Annotated

from fastapi import APIRouter, Body, Header, Query, Request, Response
from starlette.responses import StreamingResponse

from service.bodies import CheckedRoute
from service.dependencies import PlainPredictionId, PredictionId, Services, ServicesDep
from service.errors import problems
from service.examples import PREDICTIONS
from service.prediction_views import prediction_summary, prediction_view
from service.schemas.common import Limit, Listing
from service.schemas.jobs import JobState
from service.schemas.predictions import PredictionSummary, PredictionView
from service.security.callers import Predictor, Reader
from service.streams import pieces
from service.threads import in_pool
from service.waiting import Prefer, ended, wanted_seconds
from worker.caller import Caller
from worker.errors import ConflictError
from worker.spec import PredictionSpec
from worker.storage import deletion, jobs, predictions
from worker.storage.states import Kind

router = APIRouter(prefix="/v1/predictions", tags=["Predictions"], route_class=CheckedRoute)

MEDIA_TYPES = {"parquet": "application/vnd.apache.parquet", "csv": "text/csv; charset=utf-8"}


@router.post(
    "",
    operation_id="create_prediction",
    summary="Score a stored data set",
    status_code=202,
    responses=problems(404),
)
async def create_prediction(
    services: ServicesDep,
    caller: Predictor,
    request: Request,
    response: Response,
    spec: Annotated[PredictionSpec, Body(openapi_examples=PREDICTIONS)],
    idempotency_key: Annotated[
        str | None,
        Header(
            min_length=1,
            max_length=255,
            description="A key of your choice. The same key with the same body gives the same "
            "prediction, however often it is sent, and the header `Idempotent-Replayed: true` when "
            "it was sent before; with another body it is refused.",
            examples=["2f1c6f0e-november-1"],
        ),
    ] = None,
    prefer: Prefer = None,
) -> PredictionView:
    """Has the workers score a data set that is too large for a request. Once this is answered it is
    stored and will be done, whatever happens to this service or its workers; `Location` says where
    to follow it.

    The result is a file: the columns of the data set, then `prediction` (the label or the value)
    and for classes `probability_<class>`, each with `_1` behind it where the data set has such a
    column. Each row is answered as `/v1/models/{name}/predict` answers it. A column with the
    model's target is used to measure the answers, and for nothing else.
    """
    accepted = await in_pool(
        "planning", services.predictions.accept_once, spec, idempotency_key, caller=caller
    )
    rows = accepted.rows
    if accepted.replayed:
        response.headers["Idempotent-Replayed"] = "true"
    services.reconciler.nudge()
    response.headers["Location"] = f"/v1/predictions/{rows.job.id}"
    if wanted_seconds(prefer):
        return await _current(services, caller, rows.job.id, prefer, request, response)
    return prediction_view(rows)


@router.get(
    "", operation_id="list_predictions", summary="List predictions", responses=problems(404)
)
def list_predictions(
    services: ServicesDep,
    caller: Reader,
    state: Annotated[
        JobState | None,
        Query(description="Only predictions in this state.", examples=["succeeded"]),
    ] = None,
    limit: Limit = 20,
    after: Annotated[str | None, Query(description="The last id of the page before.")] = None,
) -> Listing[PredictionSummary]:
    """The predictions of stored data sets, newest first, in short."""
    with services.database.read() as session:
        page = predictions.prediction_page(
            session, state=state, limit=limit, after=after, tenant=caller.tenant
        )
    return Listing(data=[prediction_summary(rows) for rows in page.items], has_more=page.has_more)


@router.get(
    "/{id}",
    operation_id="get_prediction",
    summary="Read a prediction",
    responses=problems(404),
)
async def get_prediction(
    services: ServicesDep,
    caller: Reader,
    request: Request,
    response: Response,
    prediction_id: PredictionId,
    prefer: Prefer = None,
) -> PredictionView:
    """A prediction: how far it is, what came of it. With `Prefer: wait=N` the answer waits for its
    end.
    """
    return await _current(services, caller, prediction_id, prefer, request, response)


@router.get(
    "/{id}/result",
    operation_id="get_prediction_result",
    summary="Download the result of a prediction",
    response_class=Response,
    responses={
        200: {
            "description": "The file, in the format that was asked for.",
            "content": {
                media_type: {"schema": {"type": "string", "format": "binary"}}
                for media_type in (MEDIA_TYPES["parquet"], "text/csv")
            },
        },
        **problems(404, 409),
    },
)
def get_prediction_result(
    services: ServicesDep, caller: Reader, prediction_id: PredictionId
) -> Response:
    """The rows with their answers, streamed. `ETag` is the file's SHA-256."""
    with services.database.read() as session:
        rows = predictions.find_prediction(session, prediction_id, tenant=caller.tenant)
    view = prediction_view(rows)
    if view.result is None or rows.fleet.result_path is None:
        raise ConflictError(
            f"prediction {view.id} is {view.state} and has no result; GET /v1/predictions/{{id}} "
            "with Prefer: wait=60 answers when it has ended",
            code="no_result",
            param="id",
        )
    file = services.artefacts.open(rows.fleet.result_path)
    return StreamingResponse(
        pieces(file),
        media_type=MEDIA_TYPES[view.format],
        headers={
            "Content-Length": str(view.result.bytes),
            "Content-Disposition": f'attachment; filename="{view.id}.{view.format}"',
            "ETag": f'"{view.result.sha256}"',
        },
    )


@router.post(
    "/{id}/cancel",
    operation_id="cancel_prediction",
    summary="Cancel a prediction",
    responses=problems(404, 409),
)
def cancel_prediction(
    services: ServicesDep, caller: Predictor, prediction_id: PlainPredictionId
) -> PredictionView:
    """What is queued is cancelled at once; what runs ends within about a second. Cancelling twice
    changes nothing; a prediction that has ended otherwise cannot be cancelled.
    """
    with services.database.write() as session:
        jobs.request_cancel(session, prediction_id, kind=Kind.PREDICTION, tenant=caller.tenant)
        view = prediction_view(
            predictions.find_prediction(session, prediction_id, tenant=caller.tenant)
        )
    # Where no worker had it, what an earlier attempt has left is removed here.
    services.collector.nudge()
    return view


@router.delete(
    "/{id}",
    operation_id="delete_prediction",
    summary="Delete a prediction",
    status_code=204,
    response_class=Response,
    responses=problems(404, 409),
)
def delete_prediction(
    services: ServicesDep, caller: Predictor, prediction_id: PlainPredictionId
) -> None:
    """Deletes a prediction that has ended, with its result. Refused while it has not ended: cancel
    it first.
    """
    with services.database.write() as session:
        deletion.delete_job(session, prediction_id, kind=Kind.PREDICTION, tenant=caller.tenant)
    services.collector.nudge()


async def _current(
    services: Services,
    caller: Caller,
    prediction_id: str,
    prefer: str | None,
    request: Request,
    response: Response,
) -> PredictionView:
    def read() -> PredictionView:
        with services.database.read() as session:
            return prediction_view(
                predictions.find_prediction(session, prediction_id, tenant=caller.tenant)
            )

    return await ended(services, read, prefer, request, response)
