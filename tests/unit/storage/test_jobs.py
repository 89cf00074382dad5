import pytest

from tests.rows import RESULT, accept, claimed, good, trial
from worker.errors import ConflictError, NotFoundError
from worker.storage import datasets, events, fleets, idempotency, jobs, models
from worker.storage.database import Database


def test_pages_are_newest_first_and_continue(database: Database) -> None:
    with database.write() as session:
        made = [accept(session)[0].id for _ in range(5)]
    with database.read() as session:
        first = jobs.page(session, limit=2)
        second = jobs.page(session, limit=2, after=first.items[-1].id)
        third = jobs.page(session, limit=2, after=second.items[-1].id)
        assert jobs.page(session, state="running").items == []
        with pytest.raises(NotFoundError):
            jobs.page(session, after="job_none")
    pages = [first, second, third]
    assert [job.id for page in pages for job in page.items] == made[::-1]
    assert [page.has_more for page in pages] == [True, True, False]


def test_tenants_do_not_see_each_other(database: Database) -> None:
    with database.write() as session:
        job, _ = accept(session, tenant="a")
        with pytest.raises(NotFoundError):
            jobs.get(session, job.id)
        with pytest.raises(NotFoundError):
            jobs.request_cancel(session, job.id, tenant="b")
        with pytest.raises(NotFoundError):
            jobs.page(session, after=job.id, tenant="b")
        assert jobs.get(session, job.id, tenant="a").id == job.id
        assert events.page(session, job.id).items == []


def test_a_queued_job_is_cancelled_at_once(database: Database) -> None:
    with database.write() as session:
        job, (fleet,) = accept(session)
        assert jobs.request_cancel(session, job.id).state == "cancelled"
        assert jobs.request_cancel(session, job.id).state == "cancelled"
        assert fleets.claim(session, fleet.id, owner="a") is None
        assert [row.state for row in jobs.trials(session, job)] == ["cancelled"]


def test_a_running_job_is_cancelled_when_its_fleets_have_ended(database: Database) -> None:
    with database.write() as session:
        job, (one, two) = accept(session, [trial("a")], [trial("b", 1)])
        lease = claimed(session, one.id)
        assert jobs.request_cancel(session, job.id).state == "running"
        assert fleets.claim(session, two.id, owner="a") is None
        fleets.cancel(session, lease)
        assert jobs.get(session, job.id).state == "cancelled"


def test_a_job_that_has_ended_is_not_cancelled(database: Database) -> None:
    with database.write() as session:
        job, (fleet,) = accept(session)
        fleets.finish(session, claimed(session, fleet.id), [good()], RESULT)
        with pytest.raises(ConflictError, match="succeeded already"):
            jobs.request_cancel(session, job.id)


def test_events_are_in_order_and_paged(database: Database) -> None:
    with database.write() as session:
        job, (fleet,) = accept(session)
        fleets.finish(session, claimed(session, fleet.id), [good()], RESULT)
    with database.read() as session:
        first = events.page(session, job.id, limit=2)
        rest = events.page(session, job.id, after=first.items[-1].id)
    assert [event.type for event in first.items] == ["accepted", "started"]
    assert [event.type for event in rest.items] == ["succeeded"]
    assert (first.has_more, rest.has_more) == (True, False)


def test_a_job_needs_a_trial(database: Database) -> None:
    with database.write() as session, pytest.raises(ValueError, match="at least one trial"):
        accept(session, [])


def test_a_key_makes_one_job(database: Database) -> None:
    with database.write() as session:
        job, _ = accept(session)
        idempotency.remember(session, "k", "body", job.id)
        found = idempotency.find(session, "k", "body")
        assert found is not None
        assert found.id == job.id
        assert idempotency.find(session, "other", "body") is None
        with pytest.raises(idempotency.KeyReused):
            idempotency.find(session, "k", "another body")


def new_dataset(database: Database) -> str:
    with database.write() as session:
        return datasets.create(
            session,
            name="d",
            target="y",
            rows=2,
            columns=[{"name": "y"}],
            format="parquet",
            bytes=1,
            sha256="s",
            path="p",
        ).id


def test_a_data_set_in_use_is_not_deleted(database: Database) -> None:
    dataset_id = new_dataset(database)
    with database.write() as session:
        job, _ = accept(session, dataset_id=dataset_id)
        with pytest.raises(ConflictError, match=job.id):
            datasets.delete(session, dataset_id)
        jobs.request_cancel(session, job.id)
        assert datasets.delete(session, dataset_id).path == "p"
        with pytest.raises(NotFoundError):
            datasets.get(session, dataset_id)


def test_data_sets_are_listed(database: Database) -> None:
    made = [new_dataset(database) for _ in range(2)]
    with database.read() as session:
        assert [row.id for row in datasets.page(session).items] == made[::-1]


def test_versions_are_found_by_number_and_alias(database: Database) -> None:
    with database.write() as session:
        for _ in range(3):
            _, (fleet,) = accept(session, model_name="credit")
            fleets.finish(session, claimed(session, fleet.id), [good()], RESULT)
        assert models.resolve(session, "credit").version == 3
        models.set_alias(session, "credit", "production", 1)
        assert models.resolve(session, "credit").version == 1
        models.set_alias(session, "credit", "production", 2)
        assert models.resolve(session, "credit").version == 2
        assert models.resolve(session, "credit", "3").version == 3
        for unknown in (9, "staging"):
            with pytest.raises(NotFoundError):
                models.resolve(session, "credit", unknown)
        with pytest.raises(NotFoundError):
            models.resolve(session, "none")
        page = models.describe(session, "credit")
        assert [row.version for row in page.versions] == [3, 2, 1]
        assert page.aliases == {"production": 2}
        assert [row.name for row in models.page(session).items] == ["credit"]
