"""A database that is frozen, locked or full is unavailable in time, and used again at once."""

import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from socket import create_server

import pytest
from sqlalchemy import text

from tests.databases import Aside, Databases, written_elsewhere
from tests.rows import accept
from worker.errors import UnavailableError
from worker.storage import jobs
from worker.storage.database import Database, LockedError
from worker.storage.limits import SERVICE, WORKER, Limits
from worker.storage.tables import Job

Impatient = Callable[[Limits], Database]
SHORT = replace(SERVICE, contact=0.3, statement=0.3, lock=0.2, pause=0.0)
SOON = 1.5
"""Seconds in which ``SHORT`` must be over, on a busy machine too."""


@pytest.fixture
def impatient(database: Database) -> Iterator[Impatient]:
    """Makes further users of the same database."""
    made: list[Database] = []

    def make(limits: Limits) -> Database:
        made.append(Database(database.url, limits))
        return made[-1]

    yield make
    for each in made:
        each.close()


@pytest.fixture
def database(databases: Databases, tmp_path: Path, kind: str) -> Iterator[Database]:
    with databases.new(kind, tmp_path) as database:
        yield database


on_sqlite = pytest.mark.parametrize("kind", ["sqlite"])
on_postgresql = pytest.mark.parametrize("kind", ["postgresql"])


@contextmanager
def within(seconds: float) -> Iterator[None]:
    started = time.monotonic()
    yield
    assert time.monotonic() - started < seconds


def read(database: Database) -> int:
    with database.read() as session:
        return len(jobs.job_page(session).items)


def write(database: Database) -> None:
    with database.write() as session:
        accept(session)


def sleep(database: Database, seconds: float) -> None:
    with database.read() as session:
        session.execute(text("SELECT pg_sleep(:seconds)"), {"seconds": seconds})


@on_postgresql
@pytest.mark.parametrize("use", [read, write])
@pytest.mark.parametrize("warm", [True, False], ids=["pooled", "new"])
def test_a_frozen_server_is_unavailable_in_time_and_used_again(
    databases: Databases, impatient: Impatient, use: Callable[[Database], object], warm: bool
) -> None:
    database = impatient(SHORT)
    if warm:
        read(database)
    with databases.frozen():
        for _ in range(2):
            with within(SOON), pytest.raises(UnavailableError, match="try again"):
                use(database)
    use(database)


@on_postgresql
def test_a_server_that_freezes_in_a_transaction_is_unavailable_in_time(
    databases: Databases, impatient: Impatient
) -> None:
    database = impatient(SHORT)

    def freeze_in_the_middle() -> None:
        with database.write() as session:
            accept(session)
            with databases.frozen():
                accept(session)

    with within(SOON), pytest.raises(UnavailableError, match="has not answered"):
        freeze_in_the_middle()
    assert read(database) == 0


@on_postgresql
def test_of_a_crowd_one_waits_for_a_frozen_server(
    databases: Databases, impatient: Impatient
) -> None:
    database = impatient(replace(SHORT, contact=1.0))
    read(database)

    def refused(_: object) -> float:
        started = time.monotonic()
        with pytest.raises(UnavailableError):
            read(database)
        return time.monotonic() - started

    with databases.frozen(), ThreadPoolExecutor(8) as threads:
        refused(None)
        seconds = sorted(threads.map(refused, range(8)))
    assert seconds[6] < 0.5 < seconds[7]
    assert read(database) == 0


@on_postgresql
def test_who_asks_during_the_pause_is_refused_at_once(
    databases: Databases, impatient: Impatient
) -> None:
    database = impatient(replace(SHORT, pause=60.0))
    with databases.frozen(), pytest.raises(UnavailableError):
        read(database)
    with within(0.25), pytest.raises(UnavailableError, match="no connection within"):
        read(database)


@on_postgresql
def test_a_host_that_does_not_answer_is_unavailable_in_time(kind: str) -> None:
    with create_server(("127.0.0.1", 0)) as silent:
        port = silent.getsockname()[1]
        nobody = Database(f"postgresql+psycopg://nobody@127.0.0.1:{port}/none", SHORT)
        with within(SOON), pytest.raises(UnavailableError, match="no connection within"):
            read(nobody)
        nobody.close()


@on_postgresql
def test_a_statement_has_a_limit_that_may_be_another(impatient: Impatient) -> None:
    database = impatient(SHORT)
    with within(SOON), pytest.raises(UnavailableError, match="statement timeout"):
        sleep(database, 30)
    with database.write(statement=20.0) as session:
        session.execute(text("SELECT pg_sleep(0.6)"))
    with database.read(statement=20.0) as session:
        # Its first rows come at once, and its last ones late.
        slowly = "SELECT repeat('x', 9999), pg_sleep(0.05) FROM generate_series(1, 12)"
        assert len(session.execute(text(slowly)).all()) == 12
    with within(SOON), pytest.raises(UnavailableError, match="statement timeout"):
        sleep(database, 30)


@on_postgresql
def test_a_transaction_has_a_limit_if_it_is_told(impatient: Impatient) -> None:
    database = impatient(WORKER)
    read(database)
    with (
        within(SOON),
        pytest.raises(UnavailableError, match="has not answered"),
        database.read(within=0.2) as session,
    ):
        session.execute(text("SELECT pg_sleep(4)"))
    assert read(database) == 0


@on_postgresql
def test_a_row_that_another_holds_is_not_waited_for(
    database: Database, impatient: Impatient
) -> None:
    with database.write() as session:
        job, _ = accept(session)
    other = impatient(SHORT)

    def change() -> None:
        with other.write() as session:
            session.get_one(Job, job.id, with_for_update=True)

    with database.write() as session:
        session.get_one(Job, job.id, with_for_update=True)
        with within(SOON), pytest.raises(LockedError, match="lock timeout"):
            change()
    change()


@on_postgresql
def test_who_is_frozen_in_a_transaction_keeps_its_locks_no_longer(
    database: Database, impatient: Impatient
) -> None:
    with database.write() as session:
        job, _ = accept(session)
    frozen, others = impatient(replace(SHORT, idle=0.2)), impatient(replace(SHORT, lock=30.0))

    def hold_for_ever() -> None:
        with frozen.write() as session:
            session.get_one(Job, job.id, with_for_update=True)
            with others.write(statement=30.0) as other:
                other.get_one(Job, job.id, with_for_update=True)
            had.set()
            session.scalar(text("SELECT 1"))

    had = threading.Event()
    with pytest.raises(UnavailableError):
        hold_for_ever()
    assert had.is_set()


@on_postgresql
def test_a_full_pool_is_unavailable_in_time(impatient: Impatient) -> None:
    database = impatient(replace(SHORT, kept=1, connections=1))
    release = threading.Event()

    def hold() -> None:
        with database.read():
            held.set()
            release.wait(30)

    held = threading.Event()
    holder = Aside(hold)
    held.wait(30)
    try:
        with within(SOON), pytest.raises(UnavailableError, match="connections are in use"):
            read(database)
    finally:
        release.set()
        holder.end()
    assert read(database) == 0


@on_sqlite
def test_a_file_that_another_process_writes_is_unavailable_in_time(
    impatient: Impatient, tmp_path: Path
) -> None:
    service, worker = impatient(SHORT), impatient(WORKER)
    with written_elsewhere(tmp_path / "test.db"):
        with within(SOON), pytest.raises(UnavailableError, match="locked"):
            write(service)
        assert read(service) == 0
        paused = impatient(replace(SHORT, pause=60.0))
        paused.expect_write()
        with pytest.raises(UnavailableError, match="locked"):
            write(paused)
        with within(0.1), pytest.raises(UnavailableError, match="locked"):
            paused.expect_write()
        assert read(paused) == 0
        with within(0.9), pytest.raises(UnavailableError, match="locked"), worker.write(within=0.1):
            pass
    write(service)
    assert read(service) == 1
