"""What the routes work with: everything that is open while the service runs."""

from dataclasses import dataclass
from typing import Annotated

from fastapi import Depends, Request

from service.errors import MalformedError
from service.estimate import Estimator
from service.inference import InferenceEngine
from service.notifier import ChangeNotifier
from worker.jobs import JobIntake, TableCache
from worker.runtime.reconciler import Reconciler
from worker.settings import ServiceSettings
from worker.storage.artefacts import Artefacts
from worker.storage.database import Database


@dataclass(frozen=True)
class Services:
    """Opened when the application starts, closed when it stops."""

    settings: ServiceSettings
    database: Database
    artefacts: Artefacts
    reconciler: Reconciler
    notifier: ChangeNotifier
    tables: TableCache
    intake: JobIntake
    inference: InferenceEngine
    estimator: Estimator


async def services_of(request: Request) -> Services:
    """The services of the application that answers this request.

    Raises:
        MalformedError: its URL holds the character U+0000, which PostgreSQL cannot compare.
    """
    if "\0" in request.scope["path"] or b"%00" in request.scope["query_string"]:
        raise MalformedError("The URL must not hold the character U+0000.")
    services: Services = request.app.state.services
    return services


ServicesDep = Annotated[Services, Depends(services_of)]
