"""Outages of one part of a place: begun, and ended again."""

import signal
import sqlite3
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import psutil
import psycopg
from _chaos_place import Part, Place
from _chaos_relay import Mode
from sqlalchemy import select

from worker.storage.database import Database
from worker.storage.states import State
from worker.storage.tables import Fleet

Begin = Callable[[Place], AbstractContextManager[None]]


class CannotBeDoneError(Exception):
    """Not on this machine: the message says why."""


@dataclass(frozen=True)
class Outage:
    """Something that a service loses for a while."""

    name: str
    part: str
    """What `/readyz` calls it."""
    on: str
    """`sqlite` or `postgresql`."""
    begin: Begin


def _mount(*arguments: str) -> None:
    done = subprocess.run(["mount", *arguments], capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise CannotBeDoneError(f"mount: {done.stderr.strip()}")


def _artefacts(here: Place) -> Path:
    folder = Path(here.settings["PARSIMONY_ARTEFACTS_URL"])
    folder.mkdir(parents=True, exist_ok=True)
    return folder


@contextmanager
def read_only(here: Place) -> Iterator[None]:
    """The folder of artefacts is mounted read-only."""
    folder = _artefacts(here)
    if not folder.is_mount():
        raise CannotBeDoneError("the artefacts have no disk of their own")
    _mount("-o", "remount,ro", str(folder))
    try:
        yield
    finally:
        _mount("-o", "remount,rw", str(folder))


@contextmanager
def full(here: Place) -> Iterator[None]:
    """The disk of the artefacts, a small one of their own, has no byte left."""
    folder = _artefacts(here)
    if not folder.is_mount():
        raise CannotBeDoneError("the artefacts have no disk of their own")
    filler = folder / "filler"
    try:
        with filler.open("wb", buffering=0) as file, suppress(OSError):
            while True:
                file.write(b"\0" * 65_536)
        with filler.open("ab", buffering=0) as file, suppress(OSError):
            while True:
                file.write(b"\0")
        yield
    finally:
        filler.unlink(missing_ok=True)


def relayed(mode: Mode) -> Begin:
    """The object store refuses, or answers 500."""

    @contextmanager
    def begin(here: Place) -> Iterator[None]:
        assert here.store is not None
        here.store.cut(mode)
        try:
            yield
        finally:
            here.store.cut(Mode.PASS)

    return begin


@contextmanager
def postgresql_stopped(here: Place) -> Iterator[None]:
    """The server is stopped at once, as by a power failure, and started again."""
    assert here.postgresql is not None
    here.postgresql.halt()
    try:
        yield
    finally:
        here.postgresql.resume()


@contextmanager
def postgresql_frozen(here: Place) -> Iterator[None]:
    """All its processes are stopped: connections stay open, nothing answers."""
    assert here.postgresql is not None
    with here.postgresql.frozen():
        yield


@contextmanager
def sqlite_locked(here: Place) -> Iterator[None]:
    """Somebody else holds the write lock."""
    path = here.database_url.removeprefix("sqlite:///")
    connection = sqlite3.connect(path, isolation_level=None, timeout=30)
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield
    finally:
        connection.execute("ROLLBACK")
        connection.close()


@contextmanager
def redis_gone(here: Place) -> Iterator[None]:
    """It is killed, and not started again before the end."""
    here.left_alone.add(here.redis.name)
    here.redis.kill()
    try:
        yield
    finally:
        here.left_alone.discard(here.redis.name)


@contextmanager
def redis_frozen(here: Place) -> Iterator[None]:
    """It is stopped."""
    assert here.redis.process is not None
    here.redis.process.send_signal(signal.SIGSTOP)
    try:
        yield
    finally:
        here.redis.process.send_signal(signal.SIGCONT)


@contextmanager
def redis_gone_for_good(here: Place) -> Iterator[None]:
    """It is killed and never comes back."""
    here.left_alone.add(here.redis.name)
    here.redis.kill()
    yield


@contextmanager
def frozen_in_transaction(here: Place) -> Iterator[None]:
    """A worker is stopped with all below it, while its job's row is locked."""
    database = Database(here.database_url)
    found: tuple[str, Part] | None = None
    deadline = time.monotonic() + 30
    while found is None and time.monotonic() < deadline:
        found = _at_work(here, database)
        time.sleep(0.1)
    database.close()
    if found is None:
        raise CannotBeDoneError("nothing ran")
    job, worker = found
    assert worker.process is not None
    url = here.database_url.replace("postgresql+psycopg://", "postgresql://")
    frozen = [worker.process, *worker.members()]
    with psycopg.connect(url) as connection:
        connection.execute("SELECT id FROM job WHERE id = %s FOR UPDATE", (job,))
        for process in frozen:
            with suppress(psutil.NoSuchProcess):
                process.send_signal(signal.SIGSTOP)
        try:
            yield
        finally:
            for process in frozen:
                with suppress(psutil.NoSuchProcess):
                    process.send_signal(signal.SIGCONT)
            connection.rollback()


def _at_work(here: Place, database: Database) -> tuple[str, Part] | None:
    """A job that is trained now, and the worker that does it."""
    with database.read() as session:
        query = select(Fleet.job_id, Fleet.owner).where(Fleet.state == State.RUNNING)
        running = {int(owner.rpartition(":")[2]): job for job, owner in session.execute(query)}
    for worker in here.workers:
        for member in worker.members():
            if member.pid in running:
                return running[member.pid], worker
    return None


OUTAGES = (
    Outage("artefacts read-only", "artefacts", "sqlite", read_only),
    Outage("disk full", "artefacts", "sqlite", full),
    Outage("SQLite locked", "database", "sqlite", sqlite_locked),
    Outage("Redis killed", "redis", "sqlite", redis_gone),
    Outage("Redis frozen", "redis", "sqlite", redis_frozen),
    Outage("S3 refused", "artefacts", "postgresql", relayed(Mode.REFUSE)),
    Outage("S3 answers 500", "artefacts", "postgresql", relayed(Mode.FAIL)),
    Outage("PostgreSQL stopped", "database", "postgresql", postgresql_stopped),
    Outage("PostgreSQL frozen", "database", "postgresql", postgresql_frozen),
    Outage("worker frozen in a transaction", "workers", "postgresql", frozen_in_transaction),
    Outage("Redis gone for good", "redis", "postgresql", redis_gone_for_good),
)
