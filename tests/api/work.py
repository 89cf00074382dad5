"""What a worker does to a job or a prediction, done here and at once, by the trainer's own code."""

import os
from collections.abc import Sequence
from typing import Any

from tests.api.client import Client
from worker.runtime.batch_prediction import BatchPrediction
from worker.runtime.fleet_training import FleetTraining
from worker.runtime.standby import Channel
from worker.storage import fleets, jobs
from worker.storage.fleets import Lease

QUICK = {"epochs": 3, "batch_size": 64}


def post(client: Client, **spec: Any) -> str:
    """Post a job; its id."""
    body = {"dataset": {"builtin": "iris"}, "training": QUICK, **spec}
    answer = client.post("/v1/jobs", json=body)
    assert answer.status_code == 202, answer.text
    job_id: str = answer.json()["id"]
    return job_id


def train(client: Client, job_id: str, fleet_ids: Sequence[str] | None = None) -> dict[str, Any]:
    """Train all fleets of a job and what follows them, or these; the job afterwards."""
    services = client.services
    with services.database.read() as session:
        waiting = list(fleet_ids or [fleet.id for fleet in jobs.fleets(session, job_id)])
    silent = os.open(os.devnull, os.O_RDWR)
    try:
        while waiting:
            with services.database.write() as session:
                lease = fleets.claim(session, waiting.pop(0), owner="test")
            assert lease is not None
            FleetTraining(
                services.settings,
                services.database,
                services.artefacts,
                lease,
                Channel(silent, silent),
            ).run()
            if not waiting and fleet_ids is None:
                with services.database.read() as session:
                    found = jobs.fleets(session, job_id)
                waiting = [fleet.id for fleet in found if fleet.state == "queued"]
    finally:
        os.close(silent)
    answer: dict[str, Any] = client.get(f"/v1/jobs/{job_id}").json()
    if answer["model"]:
        client.portal.call(services.serving.settle, answer["model"]["name"])
    return answer


def ask(client: Client, **spec: Any) -> str:
    """Post a prediction; its id."""
    answer = client.post("/v1/predictions", json=spec)
    assert answer.status_code == 202, answer.text
    prediction_id: str = answer.json()["id"]
    return prediction_id


def claimed(client: Client, prediction_id: str) -> Lease:
    """A lease on a prediction that is queued."""
    with client.services.database.write() as session:
        (fleet,) = jobs.fleets(session, prediction_id)
        lease = fleets.claim(session, fleet.id, owner="test")
    assert lease is not None
    return lease


def score(client: Client, prediction_id: str, lease: Lease | None = None) -> dict[str, Any]:
    """Score a data set; the prediction afterwards."""
    services = client.services
    silent = os.open(os.devnull, os.O_RDWR)
    try:
        BatchPrediction(
            services.settings,
            services.database,
            services.artefacts,
            lease or claimed(client, prediction_id),
            Channel(silent, silent),
        ).run()
    finally:
        os.close(silent)
    answer: dict[str, Any] = client.get(f"/v1/predictions/{prediction_id}").json()
    return answer
