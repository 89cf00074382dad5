"""What a worker does to a job, done here: claim, train, store, finish."""

from typing import Any

from tests.api.client import Client
from worker.advice import advise_on_result
from worker.data import load_builtin, prepare
from worker.search import FleetPlan
from worker.spec import Builtin, JobSpec
from worker.storage import fleets, jobs, progress
from worker.storage.fleets import Outcome, Result
from worker.training import FleetRun

assert advise_on_result


def post(client: Client, **spec: Any) -> str:
    """Post a job; its id."""
    answer = client.post("/v1/jobs", json={"dataset": {"builtin": "iris"}, **spec})
    assert answer.status_code == 202, answer.text
    id: str = answer.json()["id"]
    return id
