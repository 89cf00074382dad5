from tests.rows import accept, claimed, trial
from worker.storage import events, fleets, jobs, progress, queries
from worker.storage.database import Database
from worker.storage.tables import Fleet
from worker.storage.types import utc_now


def test_metrics_come_back_by_trial_without_the_epochs_after_its_end(database: Database) -> None:
    with database.write() as session:
        job, (fleet,) = accept(session, [trial("a"), trial("b", 1)])
        lease = claimed(session, fleet.id)
        progress.record_epochs(session, lease, [(1, {"loss": [0.1, 0.2], "gap": [None, 0.0]})])
        progress.record_epochs(
            session, lease, [(2, {"loss": [0.3, None]}), (3, {"loss": [1, None]})]
        )
        one, two = jobs.trials(session, job)
        series = queries.series(session, jobs.trials(session, job))
        assert series[one.id] == {"loss": [0.1, 0.3, 1], "gap": [None, None, None]}
        assert series[two.id] == {"loss": [0.2], "gap": [0.0]}
        assert queries.trial_series(session, two) == series[two.id]
        assert jobs.find_job(session, job.id).epoch == 3


def test_the_first_step_is_noted_once(database: Database) -> None:
    first = utc_now()
    with database.write() as session:
        job, (fleet,) = accept(session)
        lease = claimed(session, fleet.id)
        progress.record_epochs(session, lease, [(1, {"loss": [1.0]})], first_step_at=first)
        progress.record_epochs(session, lease, [(2, {"loss": [1.0]})], first_step_at=utc_now())
        assert jobs.first_step_at(session, job.id) == first


def test_the_last_two_checkpoints_are_kept(database: Database) -> None:
    with database.write() as session:
        job, (fleet,) = accept(session)
        lease = claimed(session, fleet.id)
        spare = [
            progress.save_checkpoint(
                session, lease, epoch=epoch, path=f"p{epoch}", sha256="s", bytes=1
            )
            for epoch in (1, 2, 3, 4)
        ]
        assert spare == [[], [], ["p1"], ["p2"]]
        assert [row.path for row in progress.candidates(session, fleet.id)] == ["p4", "p3"]
        assert len(jobs.checkpoints(session, job.id)) == 2


def test_metrics_that_are_said_again_are_stored_once(database: Database) -> None:
    """As by a trainer that lost the answer to its commit."""
    with database.write() as session:
        _, (fleet,) = accept(session)
        lease = claimed(session, fleet.id)
        progress.record_epochs(session, lease, [(1, {"loss": [0.5]}), (2, {"loss": [0.4]})])
        progress.record_epochs(session, lease, [(2, {"loss": [0.4]}), (3, {"loss": [0.3]})])
        epochs = queries.fleet_epochs(session, fleet.id)
    assert [epoch for epoch, _ in epochs] == [1, 2, 3]


def test_what_went_on_elsewhere_is_not_exact_until_it_starts_anew(database: Database) -> None:
    with database.write() as session:
        job, (fleet,) = accept(session)
        lease = claimed(session, fleet.id)
        progress.save_checkpoint(session, lease, epoch=1, path="p", sha256="s", bytes=1)
        (checkpoint,) = progress.candidates(session, fleet.id)
        assert queries.is_exact(session, job)
        progress.rewind(session, lease, checkpoint, foreign="threads 2, not 1")
        progress.rewind(session, lease, checkpoint)
        session.flush()
        assert not queries.is_exact(session, job)
        (event,) = [e for e in events.event_page(session, job.id).items if e.type == "not_exact"]
        assert "threads 2, not 1" in event.message
        progress.rewind(session, lease, None)
        session.flush()
        assert queries.is_exact(session, job)


def test_rewinding_forgets_what_lies_beyond_the_checkpoint(database: Database) -> None:
    with database.write() as session:
        job, (fleet,) = accept(session)
        lease = claimed(session, fleet.id)
        for epoch in (1, 2, 3):
            progress.record_epochs(session, lease, [(epoch, {"loss": [1.0]})])
            progress.save_checkpoint(
                session, lease, epoch=epoch, path=f"p{epoch}", sha256="s", bytes=1
            )
        fleets.release(session, lease)
        lease = claimed(session, fleet.id)
        newest, older = progress.candidates(session, fleet.id)
        progress.rewind(session, lease, older, damaged=[newest])
        assert [epoch for epoch, _ in queries.fleet_epochs(session, fleet.id)] == [1, 2]
        assert session.get_one(Fleet, fleet.id).checkpoint_id == older.id
        assert jobs.find_job(session, job.id).epoch == 2
        assert "checkpoint_damaged" in [e.type for e in events.event_page(session, job.id).items]
        assert [row.id for row in progress.candidates(session, fleet.id)] == [older.id]
        progress.rewind(session, lease, None, damaged=[older])
        assert queries.fleet_epochs(session, fleet.id) == []
