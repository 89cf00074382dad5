"""A running installation, and what tests do to it."""

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psutil

from tests.waiting import until
from worker.jobs import JobIntake, TableCache
from worker.runtime.doorbell import Doorbell
from worker.runtime.processes import Processes
from worker.runtime.reconciler import Reconciler
from worker.settings import ServiceSettings
from worker.spec import JobSpec
from worker.storage import jobs
from worker.storage.artefacts import Artefacts
from worker.storage.database import Database
from worker.storage.states import TERMINAL
from worker.storage.tables import Checkpoint, Fleet, Job


class Running:
    """The parts of one installation, without HTTP."""

    def __init__(self, settings: ServiceSettings) -> None:
        self.settings = settings
        self.processes = Processes(settings)
        self.processes.start()
        self.database = Database(settings.database_url)
        tables = TableCache(self.database, Artefacts(settings.artefacts_url))
        self.intake = JobIntake(settings, self.database, tables)
        self.bell = Doorbell(settings)
        self.reconciler = Reconciler(settings, self.database, self.bell)
        self.reconciler.start()

    def stop(self) -> None:
        """Stop all."""
        self.reconciler.stop()
        self.processes.stop()
        self.database.close()

    def post(self, **spec: Any) -> str:
        """Accept a job on the circle problem, as the HTTP service does; its id."""
        job = JobSpec.model_validate_json(json.dumps({"dataset": {"builtin": "circle"}, **spec}))
        job_id = self.intake.accept(job).id
        self.reconciler.nudge()
        return job_id

    def job(self, job_id: str) -> Job:
        """The job as it is now."""
        with self.database.read() as session:
            return jobs.find_job(session, job_id)

    def fleet(self, job_id: str) -> Fleet:
        """The job's first fleet as it is now."""
        with self.database.read() as session:
            return jobs.fleets(session, job_id)[0]

    def checkpoints(self, job_id: str) -> list[Checkpoint]:
        """The job's checkpoints, newest first."""
        with self.database.read() as session:
            return jobs.checkpoints(session, job_id)

    def ended(self, job_id: str) -> Job:
        """The job, once it has ended."""
        until(lambda: self.job(job_id).state in TERMINAL)
        return self.job(job_id)

    def checkpointed(self, job_id: str, epoch: int = 3) -> None:
        """Wait until the job has two checkpoints, one of them this far."""
        until(
            lambda: (rows := self.checkpoints(job_id)) and len(rows) > 1 and rows[0].epoch >= epoch
        )
        assert self.job(job_id).state == "running"

    def trainer_pid(self) -> int:
        """Process id of the trainer at work: a fork of the standby."""
        assert self.processes.worker_pid is not None
        standbys = [pid for pid in descendants(self.processes.worker_pid) if is_trainer(pid)]
        forks = [pid for pid in standbys if is_trainer(parent_of(pid))]
        # A trainer may have forked one that writes its checkpoints.
        (trainer,) = [pid for pid in forks if parent_of(pid) not in forks]
        return trainer


@contextmanager
def running(settings: ServiceSettings) -> Iterator[Running]:
    """A warm one for the length of a block."""
    here = Running(settings)
    try:
        here.processes.wait_until_warm()
        yield here
    finally:
        here.stop()


def descendants(pid: int) -> list[int]:
    """All processes below one, whichever of its threads has started them."""
    try:
        return [child.pid for child in psutil.Process(pid).children(recursive=True)]
    except psutil.NoSuchProcess:
        return []


def is_trainer(pid: int) -> bool:
    """Whether it is a standby or a fork of one."""
    return b"worker.runtime.trainer" in Path(f"/proc/{pid}/cmdline").read_bytes()


def parent_of(pid: int) -> int:
    """Its parent."""
    return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])


def is_alive(pid: int) -> bool:
    """Whether it runs still."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True
