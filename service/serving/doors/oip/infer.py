"""The door: a request for inference in, a reply out."""

import re
import time
from collections.abc import Callable

from service.bodies import SMALL_BYTES
from service.body_limit import JSON_BYTES
from service.dependencies import Services
from service.errors import domain_problem
from service.protocol_errors import PREFIX, for_protocol
from service.serving.doors.exchange import Call, Reply
from service.serving.doors.oip.outputs import check_outputs, reply
from service.serving.doors.oip.repository import repository_of
from service.serving.doors.oip.requests import LENGTH_HEADER, InferenceRequest, read_request
from service.serving.doors.oip.rows import Rows, encode
from service.serving.encodings import decoded
from service.serving.front import Routes
from service.serving.residents import Resident
from service.threads import in_pool
from worker.errors import ParsimonyError
from worker.models import Answers

PATH = re.compile(
    r"/v2/models/(?P<name>[^/\0]+)"
    r"(?:/versions/(?P<version>[0-9]{1,9}|[A-Za-z][A-Za-z0-9_.-]{0,63}))?/infer"
)
FEW_ROWS = 256
"""Up to so many, a reply is written at once: a thread would take longer."""
_LENGTH = LENGTH_HEADER.lower().encode()


def routes(services_of: Callable[[], Services]) -> Routes:
    """The protocol's paths at the front.

    Args:
        services_of: gives the services of the running application.
    """

    async def door(call: Call) -> Reply | None:
        # The application knows what to say of parameters in the URL.
        return None if call.query else await infer(services_of(), call)

    return [(PATH, door)]


async def infer(services: Services, call: Call) -> Reply:
    """Answer a call, be it by an error."""
    began = time.perf_counter_ns()
    resident: Resident | None = None
    try:
        name, version = call.path["name"], call.path.get("version")
        resident = await repository_of(services).find(name, version)
        return await _answered(resident, call)
    except ParsimonyError as error:
        if resident is not None:
            resident.statistics.failures += 1
            resident.statistics.failed_ns += time.perf_counter_ns() - began
        return refusal(error)


def refusal(error: ParsimonyError) -> Reply:
    """What a client of the protocol is told of an error."""
    problem = for_protocol(PREFIX, domain_problem(error))
    headers = [pair for pair in problem.raw_headers if pair[0] != b"content-length"]
    return Reply(bytes(problem.body), problem.status_code, headers)


async def _answered(resident: Resident, call: Call) -> Reply:
    began = time.perf_counter_ns()
    if len(call.body) <= SMALL_BYTES and not call.header(b"content-encoding"):
        request, rows = _read(resident, call)
    else:
        request, rows = await in_pool("answers", _read, resident, call)
    read = time.perf_counter_ns()
    scores = await resident.joiner.scores(rows.features, seconds=request.seconds, gone=call.gone)
    scored = time.perf_counter_ns()
    answers = resident.model.read_scores(scores, request.settings)
    if len(answers) <= FEW_ROWS:
        written = _written(resident, call, request, rows, answers)
    else:
        written = await in_pool("answers", _written, resident, call, request, rows, answers)
    statistics = resident.statistics
    statistics.requests += 1
    statistics.rows += len(answers)
    statistics.stage_ns["read"] += read - began
    statistics.stage_ns["write"] += time.perf_counter_ns() - scored
    statistics.last_ms = time.time_ns() // 1_000_000
    statistics.note(rows.warnings)
    return written


def _read(resident: Resident, call: Call) -> tuple[InferenceRequest, Rows]:
    body = decoded(call.body, call.header(b"content-encoding").decode("latin-1"), JSON_BYTES)
    request = read_request(body, call.header(_LENGTH).decode("latin-1"))
    check_outputs(request, resident.model.target)
    return request, encode(resident.model, request.inputs, extra=request.extra)


def _written(
    resident: Resident, call: Call, request: InferenceRequest, rows: Rows, answers: Answers
) -> Reply:
    return reply(
        request,
        answers,
        model=resident.name,
        version=resident.version,
        warnings=len(rows.warnings),
        accept=call.header(b"accept-encoding").decode("latin-1"),
    )
