"""What happened in the stored states: a data set, jobs of every kind and ending, predictions.

Written against tests/api as it is now: of the code of another commit only ``service`` and
``worker`` are taken.
"""

import os
from pathlib import Path
from typing import Any

from tests.api.client import Client, running
from tests.api.work import ask, claimed, post, score, train
from worker.jobs import predictions as intake
from worker.runtime.batch_prediction import BatchPrediction
from worker.runtime.fleet_training import FleetTraining
from worker.runtime.standby import Channel
from worker.settings import ServiceSettings
from worker.storage import fleets, jobs

ROWS = "\n".join(
    ["size,weight,colour,kind"]
    + [
        f"{(7 * n) % 13 / 2},{(5 * n) % 11 + n % 2},{('red', 'blue')[n % 3 % 2]},{'ab'[n % 2]}"
        for n in range(40)
    ]
)
TRAINING: dict[str, Any] = {
    "epochs": 5,
    "batch_size": 8,
    "optimizer": {"kind": "adam", "learning_rate": 0.02},
}
COMPARED: dict[str, Any] = {
    "network": {"kind": "mlp", "hidden": [6, 4]},
    "training": TRAINING,
    "repeats": 2,
    "compare": [
        {
            "name": "sparse",
            "regularization": {
                "l1": {"strength": 1e-2, "method": "proximal"},
                "max_norm": {"norm": 1.0},
            },
        },
        {
            "name": "averaged",
            "regularization": {
                "weight_decay": {"strength": 0.1},
                "ema": {"decay": 0.8},
                "label_smoothing": {},
            },
        },
        {
            "name": "stopped",
            "regularization": {"early_stopping": {"patience": 1, "min_delta": 10.0}},
        },
    ],
}
"""Nothing random, so that what goes on from here can be foretold."""
DIVERGING: dict[str, Any] = {
    "regularization": {"l2": {"strength": 1e3}},
    "training": {"epochs": 3, "optimizer": {"kind": "sgd", "learning_rate": 10.0}},
}
SEARCHED: dict[str, Any] = {
    "training": TRAINING,
    "network": {"kind": "linear"},
    "search": {
        "space": {"regularization.l1.strength": {"low": 1e-4, "high": 1e-1, "log": True}},
        "trials": 4,
        "method": "halving",
        "min_epochs": 2,
        "refit": True,
    },
    "repeats": 2,
    "regularization": {"l1": {"strength": 1e-3, "method": "proximal"}},
}
STEPS = 10
"""After so many steps the interrupted job stops: in its third epoch, when two trials have ended."""
PART_ROWS, PARTS = 16, 2
"""The interrupted prediction has three parts, and stops when so many are stored."""


class Draining(Channel):
    """Asks the trainer to stop at a step."""

    def __init__(self, silent: int, after: int = STEPS) -> None:
        self._steps, self._after = 0, after
        super().__init__(silent, silent)

    @property
    def stop_reason(self) -> str | None:  # type: ignore[override]
        """Asked before each step."""
        self._steps += 1
        return "drain" if self._steps > self._after else None

    @stop_reason.setter
    def stop_reason(self, reason: str | None) -> None:
        pass


def live(state: Path) -> None:
    """Begin a state folder, and let things happen in it."""
    settings = ServiceSettings(state=state, checkpoint_seconds=0.0, threads=1, device="cpu")
    with running(settings) as client:
        dataset = client.upload(ROWS, target="kind", name="shapes").json()["id"]
        body = {"dataset": dataset, "name": "whole", "model": "shapes", **COMPARED}
        answer = client.post("/v1/jobs", json=body, headers={"Idempotency-Key": "shapes-1"})
        train(client, answer.json()["id"])
        client.put("/v1/models/shapes/aliases/production", json={"version": 1})
        techniques = {"l2": {"strength": 1e-2}, "weight_decay": {"strength": 0.1}}
        train(
            client,
            post(
                client,
                dataset=dataset,
                name="attributed",
                training={**TRAINING, "optimizer": {"kind": "sgd"}},
                network={"kind": "linear"},
                regularization={"l1": {"strength": 1e-2, "method": "proximal"}, **techniques},
                attribute=True,
            ),
        )
        train(client, post(client, dataset=dataset, name="failed", **DIVERGING))
        interrupt(client, post(client, dataset=dataset, name="interrupted", **COMPARED))
        cancelled = post(client, dataset=dataset, name="cancelled", **COMPARED)
        client.post(f"/v1/jobs/{cancelled}/cancel")
        post(client, dataset=dataset, name="waiting", **COMPARED)
        if '"SearchSpec"' in client.get("/openapi.json").text:
            search(client, post(client, dataset=dataset, name="searched", **SEARCHED))
        if '"PredictionSpec"' in client.get("/openapi.json").text:
            predict(client, {"dataset": dataset, "model": "shapes", "format": "csv"})


def interrupt(client: Client, job_id: str) -> None:
    """Train for a while, then put the fleet back with its checkpoint."""
    services = client.services
    silent = os.open(os.devnull, os.O_RDWR)
    with services.database.read() as session:
        (fleet,) = jobs.fleets(session, job_id)
    with services.database.write() as session:
        lease = fleets.claim(session, fleet.id, owner="test")
    assert lease is not None
    training = FleetTraining(
        services.settings, services.database, services.artefacts, lease, Draining(silent)
    )
    assert training.run() == "queued"
    os.close(silent)


def search(client: Client, job_id: str) -> None:
    """Train wave after wave."""
    for _ in range(20):
        with client.services.database.read() as session:
            waiting = [f.id for f in jobs.fleets(session, job_id) if f.state == "queued"]
        if not waiting:
            return
        train(client, job_id, waiting)


def predict(client: Client, scored: dict[str, Any]) -> None:
    """Score to the end, stop in the midst of another, leave one waiting. All have several parts."""
    services = client.services
    silent = os.open(os.devnull, os.O_RDWR)
    whole_part, intake.PART_ROWS = intake.PART_ROWS, PART_ROWS
    try:
        score(client, ask(client, name="scored", **scored))
        lease = claimed(client, ask(client, name="half scored", **scored))
        prediction = BatchPrediction(
            services.settings,
            services.database,
            services.artefacts,
            lease,
            Draining(silent, after=PARTS),
        )
        assert prediction.run() == "queued"
        ask(client, name="to be scored", **scored)
    finally:
        intake.PART_ROWS = whole_part
        os.close(silent)
