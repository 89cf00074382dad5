"""Whose turn it is: by device, then by priority, then by age."""

from typing import Any

from sqlalchemy import event, text

from tests.rows import accept, claimed, trial
from worker.storage import fleets, jobs, queries, turns
from worker.storage.additions import NewFleet, add_fleets
from worker.storage.database import Database


def queued(database: Database, **wishes: object) -> str:
    """A fleet of a job with these wishes; its id."""
    with database.write() as session:
        return accept(session, **wishes)[1][0].id


def test_the_highest_priority_comes_first_and_of_equals_the_oldest(database: Database) -> None:
    usual, urgent, patient, later = (
        queued(database, priority=priority) for priority in (0, 3, -10, 0)
    )
    with database.read() as session:
        assert turns.due(session, limit=9) == [urgent, usual, later, patient]
        assert turns.due(session, limit=2) == [urgent, usual]
        assert list(turns.due_by_device(session, limit=2)) == [urgent, usual]


def test_a_device_is_offered_what_it_may_train(database: Database) -> None:
    anywhere, gpu, cpu = (queued(database, device=device) for device in (None, "gpu", "cpu"))
    urgent = queued(database, device="gpu", priority=1)
    with database.read() as session:
        assert turns.due(session, limit=9, device="cpu") == [anywhere, cpu]
        assert turns.due(session, limit=9, device="gpu") == [urgent, anywhere, gpu]
        assert turns.due(session, limit=9) == [urgent, anywhere, gpu, cpu]
        everything = [cpu, gpu, anywhere]
        assert queries.claimable(session, everything, device="gpu") == [gpu, anywhere]
        assert queries.claimable(session, everything) == everything
        of_device = {anywhere: None, gpu: "gpu", cpu: "cpu", urgent: "gpu"}
        assert turns.due_by_device(session, limit=9) == of_device


def test_what_waits_for_one_device_leaves_room_for_the_others(database: Database) -> None:
    for _ in range(4):
        queued(database, device="gpu", priority=10)
    cpu = queued(database, device="cpu", priority=-10)
    with database.read() as session:
        assert cpu in turns.due_by_device(session, limit=2)
        assert turns.due(session, limit=2, device="cpu") == [cpu]


def test_a_fleet_is_claimed_by_its_device_alone(database: Database) -> None:
    gpu, anywhere = queued(database, device="gpu"), queued(database)
    with database.write() as session:
        assert fleets.claim(session, gpu, owner="a", device="cpu") is None
        assert fleets.claim(session, gpu, owner="a", device="gpu") is not None
        assert fleets.claim(session, anywhere, owner="a", device="cpu") is not None


def test_what_is_more_urgent_comes_before_what_was_announced(database: Database) -> None:
    older, announced, _later = (queued(database) for _ in range(3))
    urgent, elsewhere = queued(database, priority=1), queued(database, device="gpu", priority=2)
    with database.read() as session:
        assert turns.before(session, announced, limit=9) == [elsewhere, urgent, older, announced]
        assert turns.before(session, announced, limit=9, device="cpu") == [urgent, older, announced]
        assert turns.before(session, announced, limit=1) == [elsewhere, announced]
        assert turns.before(session, urgent, limit=9, device="cpu") == [urgent]
        assert turns.before(session, "flt_none", limit=9, device="cpu") == []


def test_fleets_that_follow_or_come_of_a_split_have_their_jobs_turn(database: Database) -> None:
    with database.write() as session:
        wishes = {"device": "gpu", "priority": 7}
        job, (first,) = accept(session, [trial("a"), trial("b", 1)], **wishes)
        add_fleets(session, job, [NewFleet(trials=[trial("c", 2)], epochs=1)])
        fleets.split(session, claimed(session, first.id))
        found = jobs.fleets(session, job.id)
        assert [(fleet.device, fleet.rank) for fleet in found] == [("gpu", -7)] * 3


def test_looking_for_work_reads_one_range_of_an_index(database: Database) -> None:
    """Thousands of workers look: nobody sorts, or reads through, all that is queued."""
    for tenant in ("a", "b", "b"):
        queued(database, tenant=tenant)
    asked: list[tuple[str, Any]] = []

    def note(_: object, __: object, statement: str, parameters: Any, *rest: object) -> None:
        asked.append((statement, parameters))

    with database.read() as session:
        connection = session.connection()
        event.listen(connection, "before_cursor_execute", note)
        assert len(turns.due(session, limit=8, device="cpu")) == 3
        event.remove(connection, "before_cursor_execute", note)
        if not database.is_sqlite:  # it would rather read a small table as a whole
            for way in ("seqscan", "bitmapscan"):
                session.execute(text(f"SET LOCAL enable_{way} = off"))
        explain = "EXPLAIN QUERY PLAN" if database.is_sqlite else "EXPLAIN"
        looks = [
            [
                str(step).strip()
                for *_, step in connection.exec_driver_sql(f"{explain} {statement}", parameters)
            ]
            for statement, parameters in asked
            if "fleet" in statement and "GROUP BY" not in statement
        ]
    # Two for tenants, by device; and one for each of them, who waits for no device.
    assert len(looks) == 4
    for plan in looks:
        steps = "\n".join(plan)
        assert "ix_fleet_turn" in steps
        # Fleets of the same instant are sorted by number, and nothing else.
        if database.is_sqlite:
            assert "SCAN fleet" not in steps
            sorts = [step for step in plan if "TEMP B-TREE" in step]
            assert sorts in ([], ["USE TEMP B-TREE FOR LAST TERM OF ORDER BY"])
        else:
            assert "Seq Scan on fleet" not in steps
            sorts = [step for step in plan if "Sort  " in step]
            assert all("Incremental Sort" in step for step in sorts), steps
