"""The record of who did what: a line for each request that changes something, or was refused to.

It is written once the operation has ended, in a transaction of its own: what was done is done, and
is answered, even where the line cannot be written; then the log has it. Requests that could not be
answered for a fault of the place changed nothing, and have none.
"""

import logging
from collections.abc import Mapping

from starlette.requests import Request
from starlette.responses import Response

from service.threads import in_pool
from worker.caller import Caller
from worker.errors import ParsimonyError, UnavailableError
from worker.storage import audit
from worker.storage.database import Database

log = logging.getLogger("parsimony.audit")

ASKS = frozenset(
    {"predict", "v2_infer", "v2_infer_version", "invocations", "validate_job", "v2_index"}
)
"""Operations that change nothing, though they have bodies."""
REQUEST = "parsimony.request"
"""What the scope of a request calls its id."""
PATIENCE_SECONDS = 0.3
"""How long a line may keep its request from being answered."""


def is_recorded(methods: set[str] | None, operation: str | None) -> bool:
    """Whether requests of an operation have a line."""
    return not {"GET"} >= (methods or set()) and operation not in ASKS


class Auditor:
    """Writes lines."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def record(
        self, caller: Caller, action: str, request: Request, answer: Response | ParsimonyError
    ) -> None:
        """Write who did what, to what, with which outcome."""
        if isinstance(answer, UnavailableError):
            return
        outcome, resource = audit.DONE, resource_of(request.path_params)
        if isinstance(answer, ParsimonyError):
            outcome = answer.code
        elif resource is None:
            # The id of what was made is the end of where it is found.
            resource = answer.headers.get("location", "").rpartition("/")[2] or None
        request_id = request.scope.get(REQUEST)
        try:
            await in_pool("answers", self._write, caller, action, resource, outcome, request_id)
        except Exception as error:
            log.error(
                "%s of %s by %s of tenant %s: %s; it could not be recorded: %s",
                *(action, resource, caller.key_id, caller.tenant, outcome, error),
            )

    def _write(
        self,
        caller: Caller,
        action: str,
        resource: str | None,
        outcome: str,
        request_id: str | None,
    ) -> None:
        with self._database.write(within=PATIENCE_SECONDS) as session:
            audit.add_line(session, caller, action, resource, outcome, request_id=request_id)


def resource_of(path: Mapping[str, str]) -> str | None:
    """What a path names: an id, or a model with its version or alias; none where it names none."""
    parts = [path[name] for name in ("id", "name", "version", "alias") if name in path]
    return "/".join(map(str, parts)) or None
