"""Rows say what may go: what has ended, what is old, what nobody refers to."""

from datetime import timedelta

import pytest

from tests.rows import RESULT, accept, claimed, error, good
from worker.caller import DEFAULT_TENANT
from worker.storage import events, fleets, idempotency, jobs, progress, queries, retention
from worker.storage.database import Database
from worker.storage.states import Kind
from worker.storage.tables import Dataset, Job
from worker.storage.types import utc_now

LATER = timedelta(days=1)


def checkpointed(database: Database) -> tuple[Job, fleets.Lease]:
    with database.write() as session:
        job, (fleet,) = accept(session)
        lease = claimed(session, fleet.id)
        for epoch in (1, 2, 3):
            progress.save_checkpoint(
                session, lease, epoch=epoch, path=f"c/{epoch}", sha256="s", bytes=100
            )
    return job, lease


@pytest.mark.parametrize("end", ["finish", "fail", "cancel", "crash", "cancelled while queued"])
def test_checkpoints_go_when_their_fleet_ends_and_not_before(database: Database, end: str) -> None:
    job, lease = checkpointed(database)
    checkpointed(database)
    with database.write() as session:
        assert retention.spent_checkpoints(session, limit=9) == []
        match end:
            case "finish":
                fleets.finish(session, lease, [good()], RESULT)
            case "fail":
                fleets.fail(session, lease, error())
            case "cancel":
                fleets.cancel(session, lease)
            case "crash":
                fleets.crashed(session, lease, "killed", max_attempts=0)
            case _:
                fleets.release(session, lease)
                assert retention.spent_checkpoints(session, limit=9) == []
                jobs.request_cancel(session, job.id)
        (spent,) = retention.spent_checkpoints(session, limit=9)
        assert spent.folder == f"jobs/{job.id}/{lease.fleet_id}/checkpoints"
        assert (spent.count, spent.bytes) == (2, 200)
        assert retention.spent_checkpoints(session, limit=9, fleet_id="flt_other") == []
        retention.forget_checkpoints(session, spent.owner)
        assert retention.spent_checkpoints(session, limit=9) == []
        assert jobs.checkpoints(session, job.id) == []


def ended(database: Database) -> str:
    with database.write() as session:
        job, (fleet,) = accept(session)
        lease = claimed(session, fleet.id)
        events.append(session, job, queries.BASELINE, "measured")
        fleets.finish(session, lease, [good()], RESULT)
    return job.id


def test_jobs_are_old_by_their_end(database: Database) -> None:
    job_id = ended(database)
    with database.write() as session:
        accept(session)
        now = utc_now()
        assert retention.ended_before(session, now - LATER, limit=9) == []
        assert retention.ended_before(session, now + LATER, limit=9) == [
            (job_id, Kind.TRAINING, DEFAULT_TENANT)
        ]
        assert retention.ended_before(session, now + LATER, limit=0) == []


def test_logs_are_old_by_the_end_of_their_job(database: Database) -> None:
    job_id = ended(database)
    with database.write() as session:
        running, (fleet,) = accept(session)
        claimed(session, fleet.id)
        later = utc_now() + LATER
        assert retention.jobs_with_old_events(session, later, limit=9) == [job_id]
        assert retention.forget_events(session, [job_id]) == 3
        assert retention.jobs_with_old_events(session, later, limit=9) == []
        left = events.event_page(session, job_id).items
        assert [event.type for event in left] == [queries.BASELINE]
        assert len(events.event_page(session, running.id).items) == 2


def test_keys_are_old_by_themselves(database: Database) -> None:
    job_id = ended(database)
    with database.write() as session:
        idempotency.remember(session, "key", "0" * 64, job_id)
        now = utc_now()
        assert retention.old_keys(session, now - LATER) == 0
        assert retention.forget_keys(session, now - LATER) == 0
        assert idempotency.find(session, "key", "0" * 64) is not None
        assert retention.old_keys(session, now + LATER) == 1
        assert retention.forget_keys(session, now + LATER) == 1
        assert idempotency.find(session, "key", "0" * 64) is None
        assert jobs.find_job(session, job_id).state == "succeeded"


def test_all_that_rows_refer_to_is_told(database: Database) -> None:
    job, _ = checkpointed(database)
    done = ended(database)
    with database.write() as session:
        session.add(dataset())
        session.flush()
        rows = retention.references(session)
    assert rows.paths == {"c/2", "c/3", "jobs/x", "datasets/1", "datasets/2"}
    assert (rows.known, rows.working) == ({job.id, done}, {job.id})


def dataset() -> Dataset:
    return Dataset(
        id="ds_1",
        name="data",
        rows=1,
        columns=[],
        format="parquet",
        bytes=1,
        sha256="s",
        path="datasets/1/table.parquet",
        source_path="datasets/2/source",
    )
