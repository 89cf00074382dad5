"""Which rows a job used for what, and what its trials answer them."""

from collections.abc import AsyncIterator, Iterator
from typing import Annotated, Literal

from fastapi import APIRouter, Query, Request, Response
from starlette.responses import StreamingResponse

from service.dependencies import JobId, ServicesDep
from service.errors import Responses, problems
from service.operations import Operation
from service.row_streams import (
    ROW_MEDIA_TYPES,
    RowForm,
    answers_in,
    form_for,
    splits_csv,
    splits_json,
)
from service.schemas.rows import RowAnswers, SplitsView
from service.security.callers import Reader
from service.threads import in_pool
from worker.errors import NotFoundError
from worker.jobs import AnsweredPart

router = APIRouter(prefix="/v1/jobs/{id}", tags=["Results"], route_class=Operation)

BINARY = {"schema": {"type": "string", "format": "binary"}}
TEXT = {"schema": {"type": "string"}, "example": "row,part,fold,repeat\n0,train,,\n"}
ANSWERS_CSV = "row,fold,truth,prediction,probability_0,probability_1\n17,0,1,1,0.03,0.97\n"
SPLITS: Responses = {
    200: {
        "description": "The rows, by the header Accept or `format`.",
        "content": {"text/csv": TEXT},
    }
}
ANSWERS: Responses = {
    200: {
        "description": "The rows with their answers, by the header Accept or `format`.",
        "content": {
            "text/csv": {"schema": {"type": "string"}, "example": ANSWERS_CSV},
            ROW_MEDIA_TYPES["parquet"]: BINARY,
        },
    }
}


@router.get(
    "/splits",
    operation_id="get_splits",
    summary="Which rows train, validate and test",
    response_model=SplitsView,
    responses={**SPLITS, **problems(404, 409)},
)
async def get_splits(
    services: ServicesDep,
    caller: Reader,
    request: Request,
    job_id: JobId,
    fold: Annotated[
        int | None,
        Query(ge=0, lt=2**31, description="One fold alone, with the rows it trains on."),
    ] = None,
    form: Annotated[
        Literal["json", "csv"] | None,
        Query(
            alias="format",
            description="The form of the answer; as the header Accept says unless given.",
            examples=["json"],
        ),
    ] = None,
) -> Response:
    """The numbers of the rows of each part and each fold, in the uploaded table, counted from 0:
    worked out again from data set and specification, as the trials had them. As CSV lines
    `row,part,fold,repeat`: without folds a row stands once; with folds once a repeat, with the fold
    that it validates. 409 where the data set was deleted.
    """
    spec, divided = await in_pool("reports", services.rows.divided, job_id, caller=caller)
    count = len(divided.splits) if spec.split.folds is not None else 0
    if fold is not None and fold >= count:
        last = f"its folds are 0 to {count - 1}" if count else "it has none; leave `fold` out"
        raise NotFoundError(f"Job {job_id} has no fold {fold}: {last}.", param="fold")
    if form_for(request, form, ("json", "csv")) == "csv":
        return _streamed(splits_csv(spec, divided, fold), "csv", f"{job_id}-splits")
    return _streamed(splits_json(job_id, spec, divided, fold), "json")


@router.get(
    "/predictions",
    operation_id="get_row_answers",
    summary="What the rows of a part are answered",
    response_model=RowAnswers,
    responses={**ANSWERS, **problems(404, 409)},
)
async def get_row_answers(
    services: ServicesDep,
    caller: Reader,
    request: Request,
    job_id: JobId,
    part: Annotated[
        AnsweredPart,
        Query(
            description="`train`, `validation`, `test`: the rows of a trial's own part. "
            "`out_of_fold`: each row that validates in some fold, answered by that fold's trial, "
            "which has not seen it; with `split.repeats` once a repeat.",
            examples=["validation"],
        ),
    ] = "validation",
    trial: Annotated[
        str | None,
        Query(
            description="A trial's id. Unless given: for `test` the trial that is served, else the "
            "first of the configuration that won, as it was measured."
        ),
    ] = None,
    form: Annotated[
        RowForm | None,
        Query(
            alias="format",
            description="The form of the answer; as the header Accept says unless given.",
            examples=["json"],
        ),
    ] = None,
) -> Response:
    """Row by row the number in the uploaded table, the truth and the answer, computed in eval mode
    from the stored models and streamed. 409 where the part has no rows, the trial no model yet, or
    the data set was deleted.
    """
    answers = await in_pool("reports", services.rows.answers, job_id, part, trial, caller=caller)
    chosen = form_for(request, form, ("json", "csv", "parquet"))
    pieces = answers_in(chosen, job_id, part, answers)
    # What is wrong with a model is told before anything is sent.
    first = await in_pool("reports", next, pieces, b"")

    async def following() -> AsyncIterator[bytes]:
        yield first
        while piece := await in_pool("reports", _next, pieces):
            yield piece[0]

    return StreamingResponse(
        following(),
        media_type=ROW_MEDIA_TYPES[chosen],
        headers=_headers(chosen, f"{job_id}-{part}"),
    )


def _next(pieces: Iterator[bytes]) -> tuple[bytes] | None:
    """The next piece, which may be empty; none at the end."""
    return next(((piece,) for piece in pieces), None)


def _streamed(pieces: Iterator[bytes], form: RowForm, name: str = "") -> StreamingResponse:
    return StreamingResponse(pieces, media_type=ROW_MEDIA_TYPES[form], headers=_headers(form, name))


def _headers(form: RowForm, name: str) -> dict[str, str]:
    headers = {"Vary": "Accept"}
    if form != "json":
        headers["Content-Disposition"] = f'attachment; filename="{name}.{form}"'
    return headers
