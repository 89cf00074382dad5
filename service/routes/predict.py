"""Predictions."""

import time
from typing import Annotated

import orjson
from fastapi import APIRouter, Header, Request
from starlette.responses import Response

from service.bodies import CheckedRoute
from service.departures import GONE
from service.dependencies import ServicesDep
from service.errors import Responses, problems
from service.routes.models import Chosen, Name
from service.schemas.models import PredictRequest, PredictResponse
from service.security.callers import Predictor
from service.serving.encodings import compressed
from service.serving.engine import Answered
from service.serving.residents import Resident
from service.threads import in_pool
from service.waiting import LONGEST_SECONDS, wanted_seconds
from worker.errors import DataError, ModelError, SpecError
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

_TEXT = {"schema": {"$ref": "#/components/schemas/RowsOfText"}}


def _parameter(name: str, example: str, description: str, **schema: object) -> Json:
    """Documents what the door of files reads; of JSON there is nothing that it could say."""
    return {
        "name": name,
        "in": "query",
        "required": False,
        "description": f"Of a file: {description}",
        "schema": {"type": "string", "examples": [example], **schema},
    }


_FILES: Json = {
    "requestBody": {
        "content": {
            "text/csv": {**_TEXT, "example": "x1,x2\n0.5,-0.3\n"},
            "application/x-ndjson": {**_TEXT, "example": '{"x1": 0.5, "x2": -0.3}\n'},
            "application/vnd.apache.parquet": {
                "schema": {"$ref": "#/components/schemas/RowsOfParquet"}
            },
            "multipart/form-data": {"schema": {"$ref": "#/components/schemas/RowsOfFile"}},
        }
    },
    "parameters": [
        _parameter("separator", ",", "the character between the cells of a CSV, or its name."),
        _parameter(
            "header",
            "true",
            "whether the first line of a CSV holds the columns' names; if not, the cells stand in "
            "the order of the model's columns.",
            enum=["true", "false"],
        ),
        _parameter("encoding", "utf-8", "the encoding of a CSV's text."),
        _parameter("missing", "NA", "the texts that stand for a missing cell, as at upload."),
        _parameter("decimal", ".", "the decimal mark of numbers.", enum=[".", ","]),
        _parameter("thousands", ",", "the mark between groups of three digits."),
        _parameter(
            "calibrated",
            "false",
            "whether probabilities are calibrated, as `calibrated` of a request in JSON.",
            enum=["true", "false"],
        ),
        _parameter("coverage", "0.9", "the coverage of intervals or sets, between 0 and 1."),
        _parameter(
            "members",
            "false",
            "whether it is told how far the networks of an ensemble differ.",
            enum=["true", "false"],
        ),
        _parameter("mc_samples", "0", "passes with dropout, as `mc_samples` of a request in JSON."),
        _parameter("seed", "1", "of the masks of those passes."),
        _parameter(
            "score",
            "false",
            "whether to answer how right the predictions are, in place of the rows.",
            enum=["true", "false"],
        ),
    ],
}
_ANSWERS: Responses = {
    **problems(404),
    200: {
        "content": {
            "text/csv": {"schema": {"type": "string"}},
            "application/x-ndjson": {"schema": {"type": "string"}},
            "application/vnd.apache.parquet": {"schema": {"type": "string", "format": "binary"}},
        }
    },
}

router = APIRouter(prefix="/v1/models", tags=["Predictions"], route_class=CheckedRoute)


@router.post(
    "/{name}/predict",
    operation_id="predict",
    summary="Predict",
    response_model=PredictResponse,
    responses=_ANSWERS,
    openapi_extra=_FILES,
)
async def predict(
    services: ServicesDep,
    caller: Predictor,
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

    A file of rows, CSV, lines of JSON or Parquet, comes back with the answers' columns appended:
    `prediction`, and of classes `probability_…` for each. It is answered as it comes, whatever its
    size.

    `curl -F file=@rows.csv http://127.0.0.1:8000/v1/models/circle/predict -o answers.csv`
    """
    begun = time.perf_counter_ns()
    resident = await services.serving.find(name, version, tenant=caller.tenant)
    statistics = resident.statistics
    try:
        answered = await services.serving.predict(
            resident,
            body.rows,
            extra=body.extra == "ignore",
            warnings=body.warnings,
            settings=body.settings,
            seconds=wanted_seconds(prefer) or None,
            gone=request.scope.get("state", {}).get(GONE),
        )
    except (DataError, ModelError, SpecError):
        statistics.failed(time.perf_counter_ns() - begun)
        raise
    computed = time.perf_counter_ns()
    accept = request.headers.get("accept-encoding", "")
    written = await in_pool("answers", _written, resident, answered, accept)
    now = time.perf_counter_ns()
    statistics.answered(len(body.rows), answered.read_ns, now - computed, now - begun)
    return written


def _written(resident: Resident, answered: Answered, accept: str) -> Response:
    body: Json = {
        "predictions": list(answered.answers.rows()),
        "model": resident.name,
        "version": resident.version,
    }
    if answered.warnings is not None:
        body["warnings"] = [warning.model_dump() for warning in answered.warnings]
    content, coding = compressed(orjson.dumps(body), accept)
    headers = {"Vary": "Accept-Encoding"} | ({"Content-Encoding": coding} if coding else {})
    return Response(content, media_type="application/json", headers=headers)
