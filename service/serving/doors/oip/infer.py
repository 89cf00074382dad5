"""The door: a request for inference in, a reply out. It answers everything, errors included."""

import re
import time

from service.bodies import SMALL_BYTES
from service.body_limit import JSON_BYTES
from service.errors import BusyError
from service.protocol_errors import PREFIX
from service.serving.doors.exchange import Call, Reply, refusal
from service.serving.doors.oip.outputs import check_outputs, reply
from service.serving.doors.oip.requests import LENGTH_HEADER, InferenceRequest, read_request
from service.serving.doors.oip.rows import EncodedRows, encode
from service.serving.encodings import decompressed
from service.serving.engine import FEW_ROWS, ServingEngine
from service.serving.residents import Resident
from service.threads import in_pool
from worker.errors import ParsimonyError
from worker.models import Answers

PATH = re.compile(
    r"/v2/models/(?P<name>[^/\0]+)"
    r"(?:/versions/(?P<version>[0-9]{1,9}|[A-Za-z][A-Za-z0-9_.-]{0,63}))?/infer"
)
_LENGTH = LENGTH_HEADER.lower().encode()


class InferDoor:
    """Answers `POST /v2/models/{name}[/versions/{version}]/infer`."""

    def __init__(self, engine: ServingEngine) -> None:
        self._engine = engine

    async def __call__(self, call: Call) -> Reply | None:
        """The reply; none to what has parameters in its URL, of which the application says that
        there are none.
        """
        return None if call.query else await self.answer(call)

    async def answer(self, call: Call) -> Reply:
        """The reply, be it an error."""
        begun = time.perf_counter_ns()
        resident: Resident | None = None
        name, version = call.path["name"], call.path.get("version")
        try:
            tenant = call.caller.tenant
            resident = self._engine.at_hand(
                name, version, tenant=tenant
            ) or await self._engine.find(name, version, tenant=tenant)
            return await _answered(self._engine, resident, call, begun)
        except ParsimonyError as error:
            if resident is not None and not isinstance(error, BusyError):
                resident.statistics.failed(time.perf_counter_ns() - begun)
            return refusal(PREFIX, error)


async def _answered(engine: ServingEngine, resident: Resident, call: Call, begun: int) -> Reply:
    joiner, statistics = resident.joiner, resident.statistics
    joiner.check()
    found = time.perf_counter_ns()
    if len(call.body) <= SMALL_BYTES and not call.header(b"content-encoding"):
        request, rows = _read(resident, call)
    else:
        request, rows = await in_pool("answers", _read, resident, call)
    features, count = rows.features, len(rows.features)
    read = time.perf_counter_ns()
    answers = await engine.answers(
        resident, features, settings=request.settings, seconds=request.seconds, gone=call.gone
    )
    computed = time.perf_counter_ns()
    if count <= FEW_ROWS:
        written = _written(resident, call, request, rows, answers)
    else:
        written = await in_pool("answers", _written, resident, call, request, rows, answers)
    now = time.perf_counter_ns()
    statistics.warn(count, rows.warnings)
    statistics.answered(count, read - found, now - computed, now - begun)
    return written


def _read(resident: Resident, call: Call) -> tuple[InferenceRequest, EncodedRows]:
    body = decompressed(call.body, call.header(b"content-encoding").decode("latin-1"), JSON_BYTES)
    request = read_request(body, call.header(_LENGTH).decode("latin-1"))
    check_outputs(request, resident.model.target)
    return request, encode(resident.model, request.inputs, extra=request.extra)


def _written(
    resident: Resident,
    call: Call,
    request: InferenceRequest,
    rows: EncodedRows,
    answers: Answers,
) -> Reply:
    return reply(
        request,
        answers,
        model=resident.name,
        version=resident.version,
        warnings=len(rows.warnings),
        accept=call.header(b"accept-encoding").decode("latin-1"),
    )
