"""What the routes work with: the open parts of one running service."""

from dataclasses import dataclass
from typing import Annotated

from fastapi import Depends, Request

from service.errors import MalformedError
from service.inference.engine import Engine
from service.pulse import Pulse
from worker.jobs.accept import JobIntake
from worker.jobs.table_cache import TableCache
from worker.runtime.reconciler import Reconciler
from worker.settings import ServiceSettings
from worker.storage.artefacts import Artefacts
from worker.storage.database import Database


@dataclass(frozen=True)
class Parts:
    """Opened when the application starts, closed when it stops."""

    settings: ServiceSettings
    database: Database
    artefacts: Artefacts
    reconciler: Reconciler
    pulse: Pulse
    tables: TableCache
    intake: JobIntake
    engine: Engine


async def parts(request: Request) -> Parts:
    """The parts of the application that serves this request.

    Raises:
        MalformedError: its URL holds the character U+0000, which PostgreSQL cannot compare.
    """
    if "\0" in request.scope["path"] or b"%00" in request.scope["query_string"]:
        raise MalformedError("The URL must not hold the character U+0000.")
    found: Parts = request.app.state.parts
    return found


Here = Annotated[Parts, Depends(parts)]
