"""Data sets that are deleted while a job on them is being accepted."""

import pytest

from tests.databases import Aside, until_blocked
from tests.rows import accept
from worker.errors import ConflictError, NotFoundError
from worker.storage import datasets
from worker.storage.database import Database

ON_POSTGRESQL = pytest.mark.parametrize("database", ["postgresql"], indirect=True)


@pytest.fixture
def dataset_id(database: Database) -> str:
    with database.write() as session:
        return datasets.add_dataset(
            session,
            name="credit",
            target=None,
            rows=1,
            columns=[],
            format="parquet",
            bytes=1,
            sha256="0" * 64,
            path="datasets/x/table.parquet",
        ).id


def delete(database: Database, dataset_id: str) -> None:
    with database.write() as session:
        datasets.delete(session, dataset_id)


@ON_POSTGRESQL
def test_a_job_that_is_being_accepted_keeps_its_data_set(
    database: Database, dataset_id: str
) -> None:
    with database.write() as session:
        datasets.find_dataset(session, dataset_id, lock="keep")
        deleting = Aside(lambda: delete(database, dataset_id))
        until_blocked(database)
        accept(session, dataset_id=dataset_id)
    with pytest.raises(ConflictError, match="in use"):
        deleting.end()


@ON_POSTGRESQL
def test_a_data_set_that_is_being_deleted_takes_no_job(database: Database, dataset_id: str) -> None:
    def submit() -> None:
        with database.write() as session:
            datasets.find_dataset(session, dataset_id, lock="keep")

    with database.write() as session:
        datasets.delete(session, dataset_id)
        submitting = Aside(submit)
        until_blocked(database)
    with pytest.raises(NotFoundError):
        submitting.end()


def test_two_jobs_that_are_being_accepted_do_not_wait_for_each_other(
    database: Database, dataset_id: str
) -> None:
    with database.read() as session, database.read() as other:
        for each in (session, other):
            assert datasets.find_dataset(each, dataset_id, lock="keep").id == dataset_id


@pytest.mark.parametrize("state", ["queued", "cancelled"])
def test_only_a_job_that_has_not_ended_keeps_it(
    database: Database, dataset_id: str, state: str
) -> None:
    with database.write() as session:
        job, _ = accept(session, dataset_id=dataset_id)
        job.state = state
    if state == "queued":
        with pytest.raises(ConflictError, match=job.id):
            delete(database, dataset_id)
    else:
        delete(database, dataset_id)
