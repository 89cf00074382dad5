"""What happened in the stored states: a data set, and jobs of every kind and ending."""

import os
from pathlib import Path
from typing import Any

from tests.api.client import Client, running
from tests.api.work import post, train
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


class Draining(Channel):
    """Asks the trainer to stop at a step."""

    def __init__(self, silent: int) -> None:
        self._steps = 0
        super().__init__(silent, silent)

    @property
    def stop_reason(self) -> str | None:  # type: ignore[override]
        """Asked before each step."""
        self._steps += 1
        return "drain" if self._steps > STEPS else None

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


def interrupt(client: Client, job_id: str) -> None:
    """Train for a while, then put the fleet back with its checkpoint."""
    parts = client.parts
    silent = os.open(os.devnull, os.O_RDWR)
    with parts.database.read() as session:
        (fleet,) = jobs.fleets(session, job_id)
    with parts.database.write() as session:
        lease = fleets.claim(session, fleet.id, owner="test")
    assert lease is not None
    training = FleetTraining(
        parts.settings, parts.database, parts.artefacts, lease, Draining(silent)
    )
    assert training.run() == "queued"
    os.close(silent)


def search(client: Client, job_id: str) -> None:
    """Train wave after wave."""
    for _ in range(20):
        with client.parts.database.read() as session:
            waiting = [f.id for f in jobs.fleets(session, job_id) if f.state == "queued"]
        if not waiting:
            return
        train(client, job_id, waiting)
