"""What each worker does for all."""

import threading

import pytest

from tests.rows import accept, claimed
from tests.waiting import until
from worker.errors import UnavailableError
from worker.runtime import caretaker
from worker.runtime.caretaker import Caretaker, entry_of
from worker.settings import ServiceSettings
from worker.storage import workers
from worker.storage.database import Database
from worker.storage.tables import Fleet


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(caretaker, "BEAT_SECONDS", 0.01)


def test_it_registers_its_worker_and_takes_back_what_another_has_lost(
    settings: ServiceSettings, database: Database
) -> None:
    with database.write() as session:
        fleet_id = accept(session)[1][0].id
        claimed(session, fleet_id)
    quick = settings.model_copy(update={"lease_seconds": 0.2})
    draining = threading.Event()
    entry = entry_of(quick)
    started = Caretaker(quick, database, entry, draining.is_set)
    started.start()
    try:
        until(lambda: fleet_state(database, fleet_id) == "queued")
        (seen,) = registered(database)
        assert seen.entry == entry
        assert (seen.entry.device, seen.draining) == ("cpu", False)
        draining.set()
        until(lambda: registered(database)[0].draining)
    finally:
        started.stop()


def test_it_goes_on_when_the_database_comes_back(
    settings: ServiceSettings, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    away, write = threading.Event(), database.write

    def refuse() -> None:
        away.set()
        raise UnavailableError("no database")

    monkeypatch.setattr(database, "write", refuse)
    started = Caretaker(settings, database, entry_of(settings), lambda: False)
    started.start()
    try:
        assert away.wait(30)
        assert registered(database) == []
        monkeypatch.setattr(database, "write", write)
        until(lambda: registered(database))
    finally:
        started.stop()


@pytest.mark.parametrize(
    ("device", "hidden", "found"),
    [("cuda:1", None, "cuda:1"), ("cpu", None, "cpu"), ("auto", "", "cpu")],
)
def test_it_says_where_it_trains(
    device: str, hidden: str | None, found: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    if hidden is not None:
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", hidden)
    assert entry_of(ServiceSettings(device=device)).device == found


def fleet_state(database: Database, fleet_id: str) -> str:
    with database.read() as session:
        return session.get_one(Fleet, fleet_id).state


def registered(database: Database) -> list[workers.SeenWorker]:
    with database.read() as session:
        return workers.seen(session)
