"""The door of `POST /invocations`, as MLflow and SageMaker ask.

Any of four forms of JSON, CSV, or lines of JSON in; predictions out.

Decisions:

* Which model answers is said by a header, by a setting, or by there being only one.
* A prediction is what `predict()` of a Python model gives: the class, as a number where all classes
  are whole numbers, or the value. `"params": {"return": …}` asks for more, and the other members
  of `params` for an answer that is not the plain one.
* Columns that the model does not know are not read, as MLflow has it.
* A first line of CSV that names the model's columns is a header; SageMaker sends none, and the
  cells then stand in the order of the model's columns.
* Errors are problem documents that also have the members `error_code` and `message`, which clients
  of MLflow read.
"""

import re
import time
from collections.abc import Sequence
from functools import partial
from typing import Any

import numpy as np
import orjson
import pyarrow as pa
from numpy.typing import NDArray

from service.bodies import SMALL_BYTES, parsed
from service.body_limit import JSON_BYTES
from service.errors import BusyError, MediaTypeError
from service.protocol_errors import INVOCATIONS
from service.serving.doors.exchange import PRIVATE_JSON, Call, Headers, Reply, refusal
from service.serving.doors.file_request import KINDS, WRITTEN, FileRequest, Wanted
from service.serving.doors.scored_instances import Returned, asked_of, instances_of
from service.serving.encodings import compressed, decompressed
from service.serving.engine import FEW_ROWS, ServingEngine
from service.serving.residents import Resident
from service.threads import in_pool
from worker.data import DelimitedRows, JsonRows, RowReader, quoted
from worker.errors import ConflictError, NotFoundError, ParsimonyError
from worker.models import PLAIN, Answers, AnswerSettings
from worker.results import PredictionWarning
from worker.settings import ServiceSettings
from worker.spec import Reading

PATH = re.compile(re.escape(INVOCATIONS))
_TARGET = b"x-amzn-sagemaker-target-model"
_VERSION = re.compile(r"[0-9]{1,9}|[A-Za-z][A-Za-z0-9_.-]{0,63}")
Read = tuple[NDArray[np.float32], list[PredictionWarning] | None]
"""Encoded rows, and what is worth a warning: none where nothing can be."""


class InvocationsDoor:
    """Answers everything, errors included."""

    def __init__(self, engine: ServingEngine, settings: ServiceSettings) -> None:
        self._engine, self._named = engine, settings.invocations_model

    async def __call__(self, call: Call) -> Reply | None:
        """The reply; none to what has parameters in its URL, of which the application says that
        there are none.
        """
        return None if call.query else await self.answer(call)

    async def answer(self, call: Call) -> Reply:
        """The reply, be it an error."""
        begun = time.perf_counter_ns()
        resident: Resident | None = None
        try:
            request = FileRequest.of(list(call.headers), b"")
            if request.kind != "application/json" and KINDS.get(request.kind) not in _TEXTS:
                raise MediaTypeError(
                    "Send application/json, text/csv, or application/jsonlines, and say which by "
                    "the header Content-Type."
                )
            resident = await self._resident(call)
            return await _answered(self._engine, resident, call, request, begun)
        except ParsimonyError as error:
            if resident is not None and not isinstance(error, BusyError):
                resident.statistics.failed(time.perf_counter_ns() - begun)
            return refusal(INVOCATIONS, error)

    async def _resident(self, call: Call) -> Resident:
        """The model that answers.

        Raises:
            NotFoundError: there is no such model, or none at all.
            ConflictError: there are several, and nothing says which.
        """
        header = call.header(_TARGET).decode("latin-1").strip().removesuffix(".tar.gz")
        said, tenant = header or self._named, call.caller.tenant
        if said is None:
            names = self._engine.names(tenant=tenant)
            if len(names) != 1:
                names = sorted({one.name for one in await self._engine.index(tenant=tenant)})
            if not names:
                raise NotFoundError(
                    "There is no model yet; a job that names a model registers its winner as one."
                )
            if len(names) > 1:
                shown = ", ".join(names[:10]) + (", …" if len(names) > 10 else "")
                raise ConflictError(
                    f"There are {len(names):,} models ({shown}), and nothing says which of them "
                    "answers here: set PARSIMONY_INVOCATIONS_MODEL, or send the header "
                    "X-Amzn-SageMaker-Target-Model with a name.",
                    code="model_not_chosen",
                )
            said = names[0]
        name, _, version = said.partition("/")
        if version and not _VERSION.fullmatch(version):
            raise NotFoundError(f"There is no version {version!r} of a model.", param="version")
        return self._engine.at_hand(
            name, version or None, tenant=tenant
        ) or await self._engine.find(name, version or None, tenant=tenant)


_TEXTS = ("csv", "ndjson")


async def _answered(
    engine: ServingEngine, resident: Resident, call: Call, request: FileRequest, begun: int
) -> Reply:
    joiner, statistics = resident.joiner, resident.statistics
    joiner.check()
    found = time.perf_counter_ns()
    small = len(call.body) <= SMALL_BYTES and not request.coding
    if small:
        (features, warnings), returned, settings = _read(resident, call, request)
    else:
        (features, warnings), returned, settings = await in_pool(
            "answers", _read, resident, call, request
        )
    count = len(features)
    read = time.perf_counter_ns()
    answers = await engine.answers(resident, features, settings=settings, gone=call.gone)
    computed = time.perf_counter_ns()
    wanted = _wanted(request)
    if count <= FEW_ROWS:
        reply = _written(answers, returned, wanted, request)
    else:
        reply = await in_pool("answers", _written, answers, returned, wanted, request)
    now = time.perf_counter_ns()
    statistics.warn(count, warnings or [])
    statistics.answered(count, read - found, now - computed, now - begun)
    return reply


def _read(
    resident: Resident, call: Call, request: FileRequest
) -> tuple[Read, Returned, AnswerSettings]:
    body = decompressed(call.body, request.coding, JSON_BYTES)
    model = resident.model
    if request.kind != "application/json":
        return _file(resident, request, body), "predictions", PLAIN
    content = _json(body)
    instances = instances_of(content)
    returned, settings = asked_of(content)
    plain = model.plain
    if plain is not None and len(instances) <= FEW_ROWS:
        features = plain.features(instances)
        if features is not None:
            return (features, None), returned, settings
    records = model.read(instances, extra=True)
    return (model.encode(records.table), model.surprises(records)), returned, settings


def _json(body: bytes) -> Any:
    if len(body) <= SMALL_BYTES:
        try:
            return orjson.loads(body)
        except orjson.JSONDecodeError:
            pass  # The other reader knows more, and says what is wrong.
    return parsed(body)


def _file(resident: Resident, request: FileRequest, body: bytes) -> Read:
    """The rows of a CSV, or of lines of JSON."""
    model = resident.model
    reader: RowReader
    if KINDS[request.kind] == "csv":
        columns = model.encoder.columns
        reader = DelimitedRows(columns, Reading(columns={}), positional=True)
    else:
        reader = JsonRows(partial(model.read, extra=True))
    reader.feed(body)
    features, warnings = [], []
    while (block := reader.next(last=True)) is not None:
        features.append(model.encode(block.records.table))
        warnings += model.surprises(block.records)
    return np.concatenate(features), warnings


def _wanted(request: FileRequest) -> Wanted:
    """JSON, unless something else is asked for by name."""
    for part in request.accept.split(","):
        form = KINDS.get(part.partition(";")[0].strip().lower())
        if form in _TEXTS:
            return form
    return "json"


def _written(answers: Answers, returned: Returned, wanted: Wanted, request: FileRequest) -> Reply:
    predictions = _predictions(answers, returned)
    if wanted == "csv":
        body = _lines_of_csv(predictions)
    elif wanted == "ndjson":
        body = b"".join(orjson.dumps({"prediction": one}) + b"\n" for one in predictions)
    else:
        body = orjson.dumps({"predictions": predictions})
    body, coding = compressed(body, request.accept_encoding)
    headers: Headers = [(b"content-type", WRITTEN[wanted].encode()), *PRIVATE_JSON[1:]]
    if coding:
        headers += [(b"content-encoding", coding.encode()), (b"vary", b"Accept-Encoding")]
    return Reply(body, headers=headers)


def _predictions(answers: Answers, returned: Returned) -> list[Any]:
    if returned == "all":
        return list(answers.rows())
    if answers.values is not None:
        return list(answers.values.tolist())
    if returned == "probabilities":
        return [] if answers.probabilities is None else list(answers.probabilities.tolist())
    classes = answers.target.whole_numbers or answers.target.classes
    return [] if answers.best is None else [classes[number] for number in answers.best.tolist()]


def _lines_of_csv(predictions: Sequence[Any]) -> bytes:
    """One prediction a line, without a header, as SageMaker's own models answer."""
    if predictions and isinstance(predictions[0], dict):
        predictions = [orjson.dumps(prediction).decode() for prediction in predictions]
    if predictions and isinstance(predictions[0], str):
        texts = quoted(pa.array(predictions, pa.string()), ",").to_pylist()
    else:
        texts = [repr(prediction) for prediction in predictions]
    return ("\n".join(texts) + "\n").encode()
