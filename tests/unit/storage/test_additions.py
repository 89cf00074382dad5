import threading

import pytest

from tests.rows import RESULT, accept, bad, claimed, good, trial
from worker.results.trial import JobError
from worker.storage import additions, fleets, jobs
from worker.storage.additions import Following, NewFleet, OutdatedError
from worker.storage.database import Database
from worker.storage.limits import TRAINER
from worker.storage.tables import Job


def wave(first: int, count: int = 1) -> list[NewFleet]:
    return [NewFleet(trials=[trial(f"{n}", n)], epochs=10) for n in range(first, count)]


def seen(database: Database, job: Job, fleet_id: str) -> additions.Snapshot:
    with database.read() as session:
        return additions.snapshot(session, jobs.find_job(session, job.id), fleet_id)


def test_a_job_goes_on_with_what_follows_its_last_fleet(database: Database) -> None:
    with database.write() as session:
        job, (fleet,) = accept(session, trials_total=3)
        lease = claimed(session, fleet.id)
    following = Following(seen(database, job, fleet.id), wave(1, 3))
    with database.write() as session:
        assert not fleets.finish(session, lease, [good(0.5)], RESULT, following)
    with database.read() as session:
        job = jobs.find_job(session, job.id)
        assert [row.number for row in jobs.fleets(session, job.id)] == [0, 1, 2]
    assert (job.state, job.trials_planned, job.trials_finished) == ("running", 3, 1)
    assert job.best is not None
    assert job.best.value == 0.5


def test_a_proposal_from_an_older_state_is_refused(database: Database) -> None:
    with database.write() as session:
        job, rows = accept(session, [trial("0", 0)], [trial("1", 1)], trials_total=9)
        leases = [claimed(session, row.id) for row in rows]
    both = [Following(seen(database, job, row.id), wave(2, 3)) for row in rows]
    with database.write() as session:
        fleets.finish(session, leases[0], [good()], RESULT, both[0])
    with pytest.raises(OutdatedError), database.write() as session:
        fleets.finish(session, leases[1], [good()], RESULT, both[1])
    with database.read() as session:
        assert [row.state for row in jobs.fleets(session, job.id)] == [
            "succeeded",
            "running",
            "queued",
        ]


def test_the_last_of_two_fleets_cannot_end_a_search_that_goes_on(database: Database) -> None:
    with database.write() as session:
        job, rows = accept(session, [trial("0", 0)], [trial("1", 1)], trials_total=9)
        leases = [claimed(session, row.id) for row in rows]
    # Each sees the other at work, and leaves the planning to it.
    none = [Following(seen(database, job, row.id)) for row in rows]
    with database.write() as session:
        fleets.finish(session, leases[0], [good()], RESULT, none[0])
    with pytest.raises(OutdatedError), database.write() as session:
        fleets.finish(session, leases[1], [good()], RESULT, none[1])


def test_a_complete_search_has_the_trials_that_were_planned(database: Database) -> None:
    with database.write() as session:
        job, (fleet,) = accept(session, trials_total=100_000)
        lease = claimed(session, fleet.id)
    following = Following(seen(database, job, fleet.id), complete=True)
    with database.write() as session:
        assert fleets.finish(session, lease, [good()], RESULT, following)
        job = jobs.find_job(session, job.id)
    assert (job.state, job.trials_total) == ("succeeded", 1)


def test_nothing_follows_a_cancelled_job(database: Database) -> None:
    with database.write() as session:
        job, (fleet,) = accept(session, trials_total=3)
        lease = claimed(session, fleet.id)
    following = Following(seen(database, job, fleet.id), wave(1, 3))
    with database.write() as session:
        jobs.request_cancel(session, job.id)
    with database.write() as session:
        assert fleets.finish(session, lease, [good()], RESULT, following)
        job = jobs.find_job(session, job.id)
        assert len(jobs.fleets(session, job.id)) == 1
    assert job.best is not None


def test_what_cannot_be_trained_is_kept_as_failed(database: Database) -> None:
    error = JobError(code="invalid_spec", message="no")
    with database.write() as session:
        job, (fleet,) = accept(session, trials_total=2)
        lease = claimed(session, fleet.id)
    refused = NewFleet(trials=[trial("1", 1)], epochs=0, error=error)
    following = Following(seen(database, job, fleet.id), [refused], complete=True)
    with database.write() as session:
        assert fleets.finish(session, lease, [good()], RESULT, following)
        job = jobs.find_job(session, job.id)
        rows = jobs.trials(session, job)
    assert (job.state, job.trials_finished, job.trials_failed) == ("succeeded", 2, 1)
    assert rows[1].error == error


def test_fleets_that_end_together_plan_each_configuration_once(
    database: Database, request: pytest.FixtureRequest
) -> None:
    total = 24
    # Trainers end fleets, and have time: who watches waits a second for a file that is written.
    database = Database(database.url, TRAINER)
    request.addfinalizer(database.close)
    with database.write() as session:
        job, rows = accept(session, *[[trial(f"{n}", n)] for n in range(4)], trials_total=total)
        leases = [claimed(session, row.id) for row in rows]
    barrier = threading.Barrier(4)

    def end(lease: fleets.Lease) -> None:
        while True:
            now = seen(database, job, lease.fleet_id)
            first = now.planned
            following = Following(now, wave(first, min(total, first + 2)), first + 2 >= total)
            try:
                with database.write() as session:
                    fleets.finish(session, lease, [good(), bad()][:1], RESULT, following)
                    return
            except OutdatedError:
                continue

    def claim() -> fleets.Lease | None:
        """A lease on a fleet that is queued; on PostgreSQL another may be faster than this look."""
        while True:
            with database.write() as session:
                queued = [f for f in jobs.fleets(session, job.id) if f.state == "queued"]
                if not queued:
                    return None
                lease = fleets.claim(session, queued[0].id, owner="test")
                if lease is not None:
                    return lease

    def work(lease: fleets.Lease | None) -> None:
        barrier.wait()
        while lease is not None:
            end(lease)
            lease = claim()

    threads = [threading.Thread(target=work, args=(lease,)) for lease in leases]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    with database.read() as session:
        found = jobs.find_job(session, job.id)
        numbers = sorted(row.configuration for row in jobs.trials(session, found))
    assert numbers == list(range(total))
    assert (found.state, found.trials_finished) == ("succeeded", total)


@pytest.mark.parametrize("maximize", [False, True])
def test_pages_of_the_leaderboard_are_the_whole_leaderboard(
    database: Database, maximize: bool
) -> None:
    outcomes = [good((7 * n % 5) / 10) if n % 6 else bad() for n in range(30)]
    with database.write() as session:
        job, (fleet,) = accept(
            session, [trial(f"{n}", n // 3, n % 3) for n in range(30)], maximize=maximize
        )
        fleets.finish(session, claimed(session, fleet.id), outcomes, RESULT)
        job = jobs.find_job(session, job.id)
        whole = jobs.trials(session, job)
        paged: list[str] = []
        after = None
        while True:
            page = jobs.leaderboard(session, job, limit=7, after=after)
            paged += [row.id for row in page.items]
            after = paged[-1]
            if not page.has_more:
                break
    assert paged == [row.id for row in whole]
    scores = [row.metrics.get("validation_loss") for row in whole]
    known = [value for value in scores if value is not None]
    assert known == sorted(known, reverse=maximize)
    assert scores[len(known) :] == [None] * 5
