import pytest
from sqlalchemy import func, select

from tests.databases import Aside
from tests.rows import accept, claimed, good, trial
from worker.results import TrialResult
from worker.storage import counters, fleets, progress
from worker.storage.counters import Increment, Total
from worker.storage.database import Database


def counted(database: Database) -> dict[str, Total]:
    with database.read() as session:
        return dict(counters.totals(session))


def test_what_happens_to_a_job_is_counted_with_it(database: Database) -> None:
    with database.write() as session:
        _, (fleet,) = accept(session, [trial("a"), trial("b", 1)])
        lease = claimed(session, fleet.id)
        progress.record_epochs(
            session, lease, [(1, {"loss": [0.1, 0.2]}), (2, {"loss": [0.1, None]})]
        )
        fleets.release(session, lease)
        lease = claimed(session, fleet.id)
        fleets.finish(session, lease, [good(), TrialResult(state="failed")], None)
    found = {name: total.count for name, total in counted(database).items()}
    assert found["epochs"] == 3
    assert {name: n for name, n in found.items() if name.startswith("trials:")} == {
        "trials:succeeded": 1,
        "trials:failed": 1,
    }
    events = ("accepted", "started", "released", "resumed", "trial_failed")
    assert {found[f"event:{kind}"] for kind in events} == {1}


def test_what_is_rolled_back_is_not_counted(database: Database) -> None:
    class Crash(Exception):  # noqa: N818
        pass

    def interrupted() -> None:
        with database.write() as session:
            counters.add(session, "x")
            session.flush()
            raise Crash

    with pytest.raises(Crash):
        interrupted()
    assert counted(database) == {}


def test_folding_keeps_the_totals_in_few_rows(database: Database) -> None:
    with database.write() as session:
        for number in range(50):
            counters.add(session, f"c{number % 3}", amount=0.5)
    before = counted(database)
    with database.write() as session:
        counters.compact(session)
        assert session.scalar(select(func.count()).select_from(Increment)) == 3
    assert counted(database) == before
    assert before["c0"] == Total(17, 8.5)


def test_rows_fold_by_themselves(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(counters, "FOLD_AFTER", 1)
    with database.write() as session:
        for _ in range(50):
            counters.add(session, "x")
        rows = session.scalar(select(func.count()).select_from(Increment))
    assert rows is not None
    assert rows < 3
    assert counted(database)["x"].count == 50


def test_who_hangs_while_folding_holds_nobody_up(database: Database) -> None:
    if database.is_sqlite:
        return  # It has one writer at a time.
    with database.write() as session:
        for _ in range(5):
            counters.add(session, "x")

    def count_and_fold() -> None:
        with database.write() as session:
            counters.add(session, "x")
            counters.compact(session)

    with database.write() as hanging:
        counters.compact(hanging)
        Aside(count_and_fold).end()
        assert counted(database)["x"].count == 6
    assert counted(database)["x"].count == 6
