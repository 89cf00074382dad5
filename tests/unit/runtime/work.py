"""Jobs on the circle problem for tests that train fleets in this very process."""

from collections.abc import Callable
from typing import Any

from worker.data import check, load_builtin
from worker.runtime.planning import new_fleet
from worker.search import plan
from worker.spec import Builtin, JobSpec
from worker.storage import jobs
from worker.storage.database import Database

Work = Callable[[], list[str]]

TRAINING: dict[str, Any] = {"epochs": 2, "batch_size": 500}


def accepted(database: Database, **job: Any) -> str:
    """Accept a job, as the HTTP service does; its id."""
    spec = JobSpec.model_validate({"dataset": {"builtin": "circle"}, "training": TRAINING, **job})
    assert isinstance(spec.dataset, Builtin)
    table, target = load_builtin(spec.dataset)
    plans = plan(spec, check(table, spec, target))
    with database.write() as session:
        return jobs.create(
            session,
            spec=spec.model_dump(mode="json"),
            fleets=[new_fleet(each) for each in plans],
            objective=plans[0].objective,
        ).id
