"""Every change of models has a number, and numbers become visible in their order."""

from collections.abc import Callable

import pytest
from sqlalchemy.orm import Session

from tests.databases import Aside, until_blocked
from tests.registered import register
from worker.storage import models
from worker.storage.catalogue import CatalogueChanges, changes_since
from worker.storage.database import Database


def changes(database: Database, seen: int | None) -> CatalogueChanges | None:
    with database.read() as session:
        return changes_since(session, seen)


def all_of(database: Database) -> CatalogueChanges:
    found = changes(database, None)
    assert found is not None
    return found


def test_only_what_changed_is_read(database: Database) -> None:
    assert all_of(database) == CatalogueChanges(0, (), True)
    for name in ("credit", "debit"):
        register(database, name, 2)
    before = all_of(database)
    assert [(entry.name, list(entry.versions)) for entry in before.entries] == [
        ("credit", [2, 1]),
        ("debit", [2, 1]),
    ]
    assert changes(database, before.revision) is None
    register(database, "debit")
    after = changes(database, before.revision)
    assert after is not None
    assert [(entry.name, list(entry.versions)) for entry in after.entries] == [("debit", [3, 2, 1])]
    assert not after.complete


@pytest.mark.parametrize(
    ("change", "aliases", "unloaded"),
    [
        (lambda session: models.set_alias(session, "credit", "production", 1), True, False),
        (lambda session: models.set_unloaded(session, "credit", True), False, True),
    ],
)
def test_each_change_has_a_number(
    database: Database, change: Callable[[Session], object], aliases: bool, unloaded: bool
) -> None:
    register(database, "credit")
    before = all_of(database).revision
    with database.write() as session:
        change(session)
    after = changes(database, before)
    assert after is not None
    (entry,) = after.entries
    assert (bool(entry.aliases), entry.unloaded) == (aliases, unloaded)


def test_a_database_that_is_behind_is_read_whole(database: Database) -> None:
    register(database, "credit")
    found = changes(database, 1_000)
    assert found is not None
    assert found.complete
    assert len(found.entries) == 1


@pytest.mark.parametrize("database", ["postgresql"], indirect=True)
def test_who_has_seen_a_number_has_seen_all_before_it(database: Database) -> None:
    """The second change waits for the first one, though they are of different models."""
    for name in ("credit", "debit"):
        register(database, name)
    before = all_of(database).revision

    def second() -> None:
        with database.write() as session:
            models.set_alias(session, "debit", "production", 1)

    with database.write() as session:
        models.set_alias(session, "credit", "production", 1)
        waiting = Aside(second)
        until_blocked(database)
        assert changes(database, before) is None
    waiting.end()
    after = changes(database, before)
    assert after is not None
    assert after.revision == before + 2
    assert {entry.name for entry in after.entries} == {"credit", "debit"}
