"""Jobs that are posted amid chaos, the client that posts them, what the database says of them."""

import random
import threading
import time
import uuid
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

import httpx
from sqlalchemy import ColumnElement, func, select

from worker.storage.database import Database
from worker.storage.states import TERMINAL, State
from worker.storage.tables import Event, Fleet, Job

SMALL: dict[str, Any] = {"epochs": 40, "batch_size": 32}
TRAINED: dict[str, Any] = {
    "dataset": {"builtin": "circle"},
    "network": {"kind": "mlp", "hidden": [32, 32]},
    "regularization": {"dropout": {"p": 0.2}, "batch_norm": {}, "ema": {"decay": 0.99}},
    "training": SMALL,
}
JOBS: dict[str, dict[str, Any]] = {
    "plain": {**TRAINED, "model": "plain"},
    "comparison": {
        **TRAINED,
        "compare": [
            {"name": "none", "regularization": {"dropout": None, "batch_norm": None}},
            {"name": "l2", "regularization": {"l2": {"strength": 1e-3}}},
            {"name": "stopped", "regularization": {"early_stopping": {"patience": 5}}},
        ],
        "repeats": 2,
    },
    "search": {
        **TRAINED,
        "model": "searched",
        "search": {
            "space": {"regularization.dropout.p": {"low": 0.05, "high": 0.5}},
            "trials": 8,
            "method": "halving",
            "min_epochs": 5,
            "refit": True,
        },
    },
    "folds": {**TRAINED, "split": {"folds": 3}},
    "long": {**TRAINED, "training": {**SMALL, "epochs": 200}},
}
POST_SECONDS = 3.0
"""Between two jobs."""


@dataclass
class Posted:
    """What a client was promised."""

    kind: str
    job: str


@dataclass(frozen=True)
class Pulse:
    """How far a fleet is."""

    state: str
    token: int
    epoch: int
    owner: str
    """The host and the process id of the supervisor that has it, with a colon; none: ``:0``."""

    @property
    def pid(self) -> int:
        """That process id."""
        return int(self.owner.rpartition(":")[2])

    @property
    def host(self) -> str:
        """That host."""
        return self.owner.rpartition(":")[0]

    def went_on(self, before: "Pulse", *, frozen: bool) -> bool:
        """Whether it has ended, is somebody's since, or (if its worker was frozen) has moved."""
        if self.state in TERMINAL:
            return True
        if self.state != State.RUNNING:
            return False
        return self.token > before.token or (frozen and self.epoch > before.epoch)


@dataclass
class Client:
    """Posts jobs as a client does that wants none lost and none twice."""

    url: str
    accepted: list[Posted] = field(default_factory=list)
    refused: Counter[int] = field(default_factory=Counter)
    """Answers other than 202, by status; 0 is a lost connection."""
    slowest: float = 0.0
    """Seconds of the slowest answer."""
    patience: int = 2**31
    """How often one job is tried."""

    def post(self, kind: str, until: float) -> str | None:
        """Post until it is accepted; its id."""
        key = uuid.uuid4().hex
        tried = 0
        while time.monotonic() < until and tried < self.patience:
            tried += 1
            begun = time.monotonic()
            try:
                answer = httpx.post(
                    f"{self.url}/v1/jobs",
                    json=JOBS[kind],
                    headers={"Idempotency-Key": key},
                    timeout=30.0,
                )
            except httpx.TransportError:
                self.refused[0] += 1
            else:
                self.slowest = max(self.slowest, time.monotonic() - begun)
                if answer.status_code == httpx.codes.ACCEPTED:
                    self.accepted.append(Posted(kind, answer.json()["id"]))
                    return self.accepted[-1].job
                if answer.status_code == httpx.codes.UNPROCESSABLE_ENTITY:
                    raise RuntimeError(answer.text)
                self.refused[answer.status_code] += 1
            time.sleep(0.3)
        return None

    def keep_posting(self, ended: threading.Event, seed: int) -> None:
        """All along."""
        chosen = random.Random(seed)
        while not ended.is_set():
            self.post(chosen.choice(sorted(JOBS)), time.monotonic() + 60.0)
            ended.wait(POST_SECONDS)


class Rows:
    """What the database says."""

    def __init__(self, url: str) -> None:
        self._database = Database(url)

    def hashes(self, job_id: str) -> list[str | None]:
        """Of the result files of a job's fleets, by number."""
        query = select(Fleet.result_sha256).where(Fleet.job_id == job_id).order_by(Fleet.number)
        with self._database.read() as session:
            return list(session.scalars(query))

    def state(self, job_id: str) -> tuple[str | None, str]:
        """A job's state, if it is there, and its error."""
        with self._database.read() as session:
            job = session.get(Job, job_id)
            return (None, "") if job is None else (job.state, str(job.error and job.error.message))

    def open(self, jobs: list[str]) -> int:
        """How many have not ended."""
        query = select(func.count()).where(Job.id.in_(jobs), Job.state.not_in(TERMINAL))
        with self._database.read() as session:
            return int(session.scalar(query) or 0)

    def running(self) -> dict[str, Pulse]:
        """The fleets that run."""
        return self._pulses(Fleet.state == State.RUNNING)

    def pulses(self, fleets: list[str]) -> dict[str, Pulse]:
        """How far some fleets are."""
        return self._pulses(Fleet.id.in_(fleets))

    def fleet(self, job_id: str) -> Pulse:
        """How far a job's only fleet is."""
        (pulse,) = self._pulses(Fleet.job_id == job_id).values()
        return pulse

    def _pulses(self, which: ColumnElement[bool]) -> dict[str, Pulse]:
        columns = (Fleet.id, Fleet.state, Fleet.token, Fleet.epoch, Fleet.owner)
        with self._database.read() as session:
            return {
                row.id: Pulse(row.state, row.token, row.epoch, row.owner or ":0")
                for row in session.execute(select(*columns).where(which))
            }

    def latest(self) -> int:
        """The number of the last event."""
        with self._database.read() as session:
            return int(session.scalar(select(func.max(Event.id))) or 0)

    def events(self, job_id: str | None = None) -> Counter[str]:
        """How many there were of each type, of a job or of all."""
        query = select(Event.type, func.count()).group_by(Event.type)
        if job_id is not None:
            query = query.where(Event.job_id == job_id)
        with self._database.read() as session:
            return Counter({row[0]: row[1] for row in session.execute(query)})

    def finished_twice(self, job_id: str) -> bool:
        """Whether it came to more than one end."""
        events = self.events(job_id)
        return sum(events[state] for state in TERMINAL) > 1 or events["model_registered"] > 1


def wait(rows: Rows, jobs: list[str], seconds: float) -> None:
    """Until they have ended, or the time is over."""
    deadline = time.monotonic() + seconds
    while rows.open(jobs) and time.monotonic() < deadline:
        time.sleep(0.1)
