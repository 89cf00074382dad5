"""What is deleted is found no more; what others need of it stays."""

import pytest
from sqlalchemy import func, select

from tests.databases import Aside, until_blocked
from tests.registered import register
from tests.rows import RESULT, accept, claimed, good, trial
from worker.errors import ConflictError, NotFoundError
from worker.storage import (
    catalogue,
    deletion,
    fleets,
    idempotency,
    jobs,
    models,
    predictions,
    progress,
    retention,
)
from worker.storage.database import Database
from worker.storage.states import Kind
from worker.storage.tables import Fleet, Job, ModelVersion
from worker.storage.types import Base, utc_now


def ended(database: Database, count: int = 1, **more: object) -> str:
    """A job of so many fleets, each with something in every table; its id."""
    with database.write() as session:
        job, rows = accept(session, *([trial(f"{n}", n)] for n in range(count)), **more)
        idempotency.remember(session, job.id, "0" * 64, job.id)
        for fleet in rows:
            lease = claimed(session, fleet.id)
            progress.record_epochs(session, lease, [(1, {"train_loss": [1.0]})])
            progress.save_checkpoint(session, lease, epoch=1, path="p", sha256="s", bytes=1)
            fleets.finish(session, lease, [good()], RESULT)
    return job.id


def counts(database: Database) -> dict[str, int]:
    """Rows of each table that has any."""
    with database.read() as session:
        found = {
            name: session.scalar(select(func.count()).select_from(table)) or 0
            for name, table in Base.metadata.tables.items()
        }
    # What has happened stays counted.
    return {name: count for name, count in found.items() if count and name != "increment"}


def remove(database: Database, job_id: str) -> int:
    """Remove the rows of a deleted job; the transactions that it took."""
    turns = 1
    while True:
        with database.write() as session:
            if not deletion.remove_rows(session, job_id):
                return turns
        turns += 1


def delete_job(database: Database, job_id: str) -> None:
    with database.write() as session:
        deletion.delete_job(session, job_id)


def test_a_deleted_job_is_found_no_more_and_leaves_no_row(database: Database) -> None:
    empty = counts(database)
    job_id = ended(database, count=3)
    delete_job(database, job_id)
    with database.read() as session:
        with pytest.raises(NotFoundError):
            jobs.find_job(session, job_id)
        assert jobs.job_page(session).items == []
        assert idempotency.find(session, job_id, "another body") is None
        assert deletion.deleted_jobs(session, limit=9) == [job_id]
        assert deletion.folders_of(session, job_id) == [f"jobs/{job_id}"]
    with pytest.raises(NotFoundError):
        delete_job(database, job_id)
    assert remove(database, job_id) == 3
    # What its tenant has had of the workers is not forgotten with it.
    assert counts(database) == {**empty, "tenant_use": 1}


def test_only_what_is_deleted_loses_its_rows(database: Database) -> None:
    job_id = ended(database)
    before = counts(database)
    remove(database, job_id)
    assert counts(database) == before


@pytest.mark.parametrize("state", ["queued", "running", "paused", "cancelling"])
def test_a_job_that_has_not_ended_is_not_deleted(database: Database, state: str) -> None:
    with database.write() as session:
        job, (fleet,) = accept(session)
        if state in ("running", "cancelling"):
            claimed(session, fleet.id)
        if state == "paused":
            jobs.request_pause(session, job.id)
        if state == "cancelling":
            jobs.request_cancel(session, job.id)
    with pytest.raises(ConflictError, match=f"POST /v1/jobs/{job.id}/cancel") as refused:
        delete_job(database, job.id)
    assert refused.value.code == "job_not_ended"
    with database.read() as session:
        assert jobs.find_job(session, job.id).state in (state, "running")


def test_so_does_the_file_of_an_ensemble(database: Database) -> None:
    """It lies in the folder of the fleet that made it, which need not be the winner's."""
    with database.write() as session:
        job, rows = accept(session, *([trial(f"{n}", n)] for n in range(2)), model_name="together")
        maker = rows[1].id
        job.ensemble_path = f"jobs/{job.id}/{maker}/ensemble/abc/ensemble.safetensors"
        job.ensemble_sha256, job.ensemble_bytes = "e" * 64, 5
        for fleet in rows:
            fleets.finish(session, claimed(session, fleet.id), [good()], RESULT)
        job_id = job.id
    with database.read() as session:
        version = models.resolve(session, "together")
        kept = f"jobs/{job_id}/{maker}/ensemble/abc"
        assert version.path == f"{kept}/ensemble.safetensors"
        assert (version.fleet_id, version.position, version.bytes) == (maker, 0, 5)
        assert kept in retention.references(session).paths
    delete_job(database, job_id)
    with database.read() as session:
        gone = deletion.folders_of(session, job_id)
        assert not any(kept.startswith(f"{folder}/") for folder in gone)
        assert kept in retention.references(session).paths


def test_a_version_outlives_its_job(database: Database) -> None:
    job_id = ended(database, count=2, model_name="credit")
    with database.read() as session:
        version = models.resolve(session, "credit")
        before = models.origin(session, version)
    delete_job(database, job_id)
    with database.read() as session:
        others = session.scalars(select(Fleet.id).where(Fleet.id != version.fleet_id))
        assert sorted(deletion.folders_of(session, job_id)) == sorted(
            [
                f"jobs/{job_id}/{version.fleet_id}/checkpoints",
                *(f"jobs/{job_id}/{fleet_id}" for fleet_id in others),
            ]
        )
    remove(database, job_id)
    with database.read() as session:
        version = models.resolve(session, "credit", 1)
        assert models.origin(session, version) == before
        assert (version.path, version.job_id) == (RESULT.path, job_id)
        assert deletion.needed_by_version(session, job_id)
        assert session.scalar(select(func.count()).select_from(Job)) == 0


def delete_version(database: Database, name: str, number: int) -> list[str]:
    with database.write() as session:
        return deletion.delete_version(session, name, number)


def test_a_version_is_deleted_with_the_file_that_its_job_left(database: Database) -> None:
    kept, gone = (ended(database, model_name="credit") for _ in range(2))
    delete_job(database, gone)
    remove(database, gone)
    assert delete_version(database, "credit", 1) == []
    assert delete_version(database, "credit", 2) == [f"jobs/{gone}"]
    with database.read() as session:
        assert jobs.find_job(session, kept).model_version == 1
        assert models.describe(session, "credit").versions == []
        with pytest.raises(NotFoundError):
            models.resolve(session, "credit", 1)


def test_a_number_is_not_given_twice(database: Database) -> None:
    register(database, "credit", 3)
    for number in (3, 2):
        delete_version(database, "credit", number)
    register(database, "credit")
    with database.read() as session:
        found = models.describe(session, "credit").versions
        assert [row.version for row in found] == [4, 1]


def test_the_version_that_an_alias_points_at_stays(database: Database) -> None:
    register(database, "credit", 2)
    with database.write() as session:
        models.set_alias(session, "credit", "production", 1)
    with pytest.raises(ConflictError, match="PUT /v1/models/credit/aliases/production") as refused:
        delete_version(database, "credit", 1)
    assert refused.value.code == "version_has_alias"
    with database.write() as session:
        models.set_alias(session, "credit", "production", 2)
    delete_version(database, "credit", 1)
    with database.read() as session:
        assert models.resolve(session, "credit").version == 2


def test_an_alias_is_deleted_and_its_version_stays(database: Database) -> None:
    register(database, "credit", 2)
    with database.write() as session:
        models.set_alias(session, "credit", "production", 1)
        models.set_alias(session, "credit", "other", 1)
    with database.write() as session:
        before = catalogue.changes_since(session, None)
        deletion.delete_alias(session, "credit", "production")
        assert before is not None
        news = catalogue.changes_since(session, before.revision)
        assert news is not None
        assert [dict(entry.aliases) for entry in news.entries] == [{"other": 1}]
        assert models.resolve(session, "credit").version == 2
        assert models.resolve(session, "credit", 1).version == 1
        for name, alias, param in (("credit", "production", "alias"), ("debit", "other", "name")):
            with pytest.raises(NotFoundError) as refused:
                deletion.delete_alias(session, name, alias)
            assert refused.value.param == param
        deletion.delete_alias(session, "credit", "other")
    delete_version(database, "credit", 1)


def test_a_model_is_deleted_with_versions_and_aliases(database: Database) -> None:
    register(database, "credit", 2)
    register(database, "debit")
    with database.write() as session:
        models.set_alias(session, "credit", "production", 1)
        before = catalogue.changes_since(session, None)
        assert before is not None
        assert deletion.delete_model(session, "credit") == []
    with database.read() as session:
        with pytest.raises(NotFoundError):
            models.find_model(session, "credit")
        changes = catalogue.changes_since(session, before.revision)
        assert changes is not None
        assert changes.complete
        assert [entry.name for entry in changes.entries] == ["debit"]
        assert catalogue.changes_since(session, changes.revision) is None
    register(database, "credit")
    with database.read() as session:
        assert models.resolve(session, "credit").version == 1
        later = catalogue.changes_since(session, changes.revision)
        assert later is not None
        assert not later.complete
        assert [entry.name for entry in later.entries] == ["credit"]


def test_what_a_prediction_needs_stays_until_that_has_ended(database: Database) -> None:
    register(database, "credit", 2)
    with database.write() as session:
        made = predictions.add_prediction(
            session,
            spec={"dataset": {"builtin": "circle"}, "format": "csv"},
            version=models.resolve(session, "credit", 1),
            model_name="credit",
            rows=10,
            part_rows=10,
        )
    with database.write() as session:
        with pytest.raises(ConflictError, match=made.job.id):
            deletion.delete_version(session, "credit", 1)
        with pytest.raises(ConflictError, match=made.job.id):
            deletion.delete_model(session, "credit")
        with pytest.raises(ConflictError, match="POST /v1/predictions/"):
            deletion.delete_job(session, made.job.id, kind=Kind.PREDICTION)
        deletion.delete_version(session, "credit", 2)
        jobs.request_cancel(session, made.job.id, kind=Kind.PREDICTION)
        deletion.delete_version(session, "credit", 1)
        deletion.delete_job(session, made.job.id, kind=Kind.PREDICTION)
    with database.read() as session:
        assert deletion.folders_of(session, made.job.id) == [f"predictions/{made.job.id}"]
    remove(database, made.job.id)
    with database.read() as session:
        assert session.get(Job, made.job.id) is None


@pytest.mark.parametrize("database", ["postgresql"], indirect=True)
def test_a_prediction_that_is_being_accepted_is_waited_for(database: Database) -> None:
    register(database, "credit")
    with database.read() as session:
        version = models.resolve(session, "credit")

    def aside() -> None:
        with pytest.raises(ConflictError, match="is in use"):
            delete_version(database, "credit", 1)

    with database.write() as session:
        models.keep(session, version, "credit")
        waiting = Aside(aside)
        until_blocked(database)
        predictions.add_prediction(
            session,
            spec={"dataset": {"builtin": "circle"}, "format": "csv"},
            version=version,
            model_name="credit",
            rows=10,
            part_rows=10,
        )
    waiting.end()
    with database.write() as session:
        row = session.get_one(ModelVersion, (version.model_id, 1))
        session.delete(row)
        session.flush()
        with pytest.raises(NotFoundError):
            models.keep(session, version, "credit")


@pytest.mark.parametrize("database", ["postgresql"], indirect=True)
def test_of_a_job_and_its_version_the_last_to_go_takes_the_file(database: Database) -> None:
    job_id = ended(database, model_name="credit")
    delete_job(database, job_id)
    found: list[list[str]] = []
    with database.write() as session:
        assert deletion.remove_rows(session, job_id) is False
        assert deletion.needed_by_version(session, job_id)
        waiting = Aside(lambda: found.append(delete_version(database, "credit", 1)))
        until_blocked(database)
    waiting.end()
    assert found == [[f"jobs/{job_id}"]]


def test_a_retry_names_what_it_does_once_more(database: Database) -> None:
    with database.write() as session:
        before, _ = accept(session)
        jobs.request_cancel(session, before.id)
        jobs.check_retried(before)
        again, _ = accept(session)
        jobs.mark_retry(session, again, before.id)
    with database.read() as session:
        assert jobs.find_job(session, again.id).retry_of == before.id
        assert jobs.find_job(session, before.id).state == "cancelled"


def test_only_what_has_failed_or_was_cancelled_is_retried(database: Database) -> None:
    succeeded = ended(database)
    with database.write() as session:
        queued, _ = accept(session)
        with pytest.raises(ConflictError) as refused:
            jobs.check_retried(queued)
        assert refused.value.code == "job_not_ended"
        with pytest.raises(ConflictError) as refused:
            jobs.check_retried(jobs.find_job(session, succeeded))
        assert refused.value.code == "job_succeeded"
        assert queued.created_at <= utc_now()
