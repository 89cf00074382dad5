"""Jobs on the circle problem for tests that train fleets in this very process."""

from collections.abc import Callable
from typing import Any

from worker.jobs import JobIntake, TableCache
from worker.settings import ServiceSettings
from worker.spec import JobSpec
from worker.storage.artefacts import Artefacts
from worker.storage.database import Database

Work = Callable[[], list[str]]

TRAINING: dict[str, Any] = {"epochs": 2, "batch_size": 500}


def accepted(settings: ServiceSettings, database: Database, **job: Any) -> str:
    """Accept a job, as the HTTP service does; its id."""
    spec = JobSpec.model_validate({"dataset": {"builtin": "circle"}, "training": TRAINING, **job})
    tables = TableCache(database, Artefacts(settings.artefacts_url))
    return JobIntake(settings, database, tables).accept(spec).id
