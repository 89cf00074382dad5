"""Names of models, where several transactions want the same one at the same time."""

import pytest

from tests.databases import Aside, until_blocked
from tests.rows import RESULT, accept, claimed, good
from worker.storage import fleets, jobs, models
from worker.storage.database import Database
from worker.storage.fleets import Lease

# SQLite lets one transaction write at a time, so that there is nothing to see there.
ON_POSTGRESQL = pytest.mark.parametrize("database", ["postgresql"], indirect=True)


@ON_POSTGRESQL
def test_two_jobs_that_end_together_are_two_versions_of_a_new_model(database: Database) -> None:
    ids: list[str] = []
    leases: list[Lease] = []
    with database.write() as session:
        for _ in range(2):
            job, (fleet,) = accept(session, model_name="credit")
            ids.append(job.id)
            leases.append(claimed(session, fleet.id))

    def finish_second() -> None:
        with database.write() as session:
            fleets.finish(session, leases[1], [good()], RESULT)

    with database.write() as session:
        fleets.finish(session, leases[0], [good()], RESULT)
        second = Aside(finish_second)
        # It has looked for the model, saw none, and waits for what this transaction comes to.
        until_blocked(database)
    second.end()
    with database.read() as session:
        ended = [jobs.find_job(session, job_id) for job_id in ids]
        versions = models.describe(session, "credit").versions
    assert [(job.state, job.model_version) for job in ended] == [("succeeded", 1), ("succeeded", 2)]
    assert [(row.version, row.job_id) for row in versions] == [(2, ids[1]), (1, ids[0])]


@ON_POSTGRESQL
def test_two_that_set_a_new_alias_together_both_succeed(database: Database) -> None:
    for _ in range(2):
        with database.write() as session:
            _, (fleet,) = accept(session, model_name="credit")
            fleets.finish(session, claimed(session, fleet.id), [good()], RESULT)

    def set_second() -> None:
        with database.write() as session:
            assert models.set_alias(session, "credit", "production", 2).version == 2

    with database.write() as session:
        assert models.set_alias(session, "credit", "production", 1).version == 1
        second = Aside(set_second)
        until_blocked(database)
    second.end()
    with database.read() as session:
        assert models.resolve(session, "credit").version == 2
