"""The catalogue knows what names mean without asking, and is exact when it is asked to be."""

import asyncio
import threading
from collections.abc import Iterable

import pytest
from sqlalchemy import event
from sqlalchemy.orm import Session

from service.serving import catalogue as module
from service.serving.catalogue import Catalogue, ResolvedVersions
from tests.registered import in_loop, register
from worker.caller import DEFAULT_TENANT
from worker.errors import UnavailableError
from worker.storage import models
from worker.storage.catalogue import CatalogueChanges, changes_since
from worker.storage.database import Database


def meant(target: ResolvedVersions | None) -> list[int]:
    return [] if target is None else [version.version for version in target.versions]


def test_names_versions_and_aliases(database: Database) -> None:
    register(database, "credit", 3)
    changed: list[set[tuple[str, str]]] = []
    known = Catalogue(database, lambda names: changed.append(set(names)))
    in_loop(known.refresh)
    assert meant(known.target("credit")) == [3, 2, 1]
    assert meant(known.target("credit", "2")) == [2]
    for unknown in ("4", "production"):
        assert known.target("credit", unknown) is None
    assert known.target("debit") is None
    with database.write() as session:
        models.set_alias(session, "credit", "production", 1)
    register(database, "debit")
    in_loop(known.refresh)
    assert meant(known.target("credit")) == meant(known.target("credit", "production")) == [1]
    assert meant(known.target("debit")) == [1]
    in_loop(known.refresh)
    credit, debit = (DEFAULT_TENANT, "credit"), (DEFAULT_TENANT, "debit")
    assert changed == [{credit}, {credit, debit}]


def test_many_who_ask_share_a_reading(database: Database) -> None:
    begun = 0

    def count(connection: object) -> None:
        nonlocal begun
        begun += 1

    event.listen(database.engine, "begin", count)
    known = Catalogue(database, lambda names: None)

    async def work() -> None:
        await asyncio.gather(*(known.refresh() for _ in range(500)))

    in_loop(work)
    assert begun == 1


def test_a_reading_that_had_begun_is_not_enough(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    read, go_on = threading.Event(), threading.Event()

    def slowly(session: Session, seen: int | None) -> CatalogueChanges | None:
        found = changes_since(session, seen)
        read.set()
        assert go_on.wait(30)
        return found

    monkeypatch.setattr(module, "changes_since", slowly)
    known = Catalogue(database, lambda names: None)

    async def work() -> None:
        first = asyncio.create_task(known.refresh())
        await asyncio.to_thread(read.wait, 30)
        await asyncio.to_thread(register, database, "credit")
        second = asyncio.create_task(known.refresh())
        await asyncio.sleep(0)
        go_on.set()
        await first
        assert known.target("credit") is None
        await second
        assert meant(known.target("credit")) == [1]

    in_loop(work)


def test_memory_outlives_the_database(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    register(database, "credit")
    known = Catalogue(database, lambda names: None)
    in_loop(known.refresh)

    def away(session: Session, seen: int | None) -> None:
        raise UnavailableError("the database is away")

    monkeypatch.setattr(module, "changes_since", away)
    with pytest.raises(UnavailableError):
        in_loop(known.refresh)
    assert meant(known.target("credit")) == [1]


def test_another_database_is_read_whole(database: Database) -> None:
    """One restored from a copy is behind: what it lacks is forgotten."""
    register(database, "credit")
    told: list[Iterable[tuple[str, str]]] = []
    known = Catalogue(database, told.append)
    in_loop(known.refresh)
    known._revision = 1_000
    lost, credit = (DEFAULT_TENANT, "lost"), (DEFAULT_TENANT, "credit")
    known._entries[lost] = known._entries[credit]
    in_loop(known.refresh)
    assert known.entry("lost") is None
    assert known.entry("credit") is not None
    assert set(told[-1]) == {credit, lost}
