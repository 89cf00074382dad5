import threading

from tests.rows import RESULT, accept, bad, claimed, error, good, trial
from worker.results.trial import Advice, TrialResult
from worker.storage import events, fleets, jobs, models
from worker.storage.database import Database
from worker.storage.tables import Job


def finished(database: Database, outcomes: list[TrialResult], **more: object) -> Job:
    """A job of one fleet with two configurations of two repeats, ended."""
    trials = [trial(name, c, repeat) for c, name in enumerate("ab") for repeat in range(2)]
    with database.write() as session:
        job, (fleet,) = accept(session, trials, **more)
        fleets.finish(session, claimed(session, fleet.id), outcomes, RESULT)
    with database.read() as session:
        return jobs.get(session, job.id)


def test_the_best_mean_wins_and_then_its_best_member(database: Database) -> None:
    job = finished(database, [good(0.1), good(0.9), good(0.3), good(0.4)])
    assert job.state == "succeeded"
    assert job.best is not None
    assert (job.best.name, job.best.value) == ("b", 0.35)
    assert job.best.metrics == {"validation_loss": 0.3}
    assert (job.trials_total, job.trials_finished, job.trials_failed) == (4, 4, 0)
    assert job.epoch == job.epochs


def test_more_can_be_better(database: Database) -> None:
    job = finished(database, [good(0.1), good(0.9), good(0.3), good(0.4)], maximize=True)
    assert job.best is not None
    assert (job.best.name, job.best.value) == ("a", 0.5)
    assert job.best.metrics == {"validation_loss": 0.9}


def test_a_configuration_with_a_failed_member_comes_after_whole_ones(database: Database) -> None:
    job = finished(database, [good(0.1), bad(), good(0.3), good(0.4)])
    assert job.best is not None
    assert job.best.name == "b"
    assert job.trials_failed == 1


def test_a_job_without_a_successful_trial_fails_with_the_first_error(database: Database) -> None:
    job = finished(database, [bad("diverged"), bad("other"), bad(), bad()])
    assert job.state == "failed"
    assert job.error is not None
    assert job.error.code == "diverged"
    assert job.best is None


def test_findings_of_the_trials_become_advice_once_a_configuration(database: Database) -> None:
    finding = Advice(
        severity="warning",
        code="constant_predictor",
        field=None,
        message="one class",
        evidence={"train_balanced_accuracy": 0.5},
        fix="less",
    )
    warned = TrialResult(state="succeeded", metrics={"validation_loss": 1.0}, advice=[finding])
    job = finished(database, [good(), good(), warned, warned])
    assert job.advice == [finding]


def test_the_leaderboard_is_best_first(database: Database) -> None:
    job = finished(database, [good(0.4), bad(), good(0.1), good(0.2)])
    with database.read() as session:
        rows = jobs.trials(session, job)
    assert [row.metrics.get("validation_loss") for row in rows] == [0.1, 0.2, 0.4, None]


def test_the_winner_is_registered(database: Database) -> None:
    first = finished(database, [good(0.4), good(0.4), good(0.1), good(0.2)], model_name="credit")
    second = finished(database, [good(0.1), good(0.1), good(0.1), good(0.2)], model_name="credit")
    assert (first.model_version, second.model_version) == (1, 2)
    with database.read() as session:
        version = models.resolve(session, "credit", 1)
    assert (version.position, version.job_id, version.path) == (2, first.id, RESULT.path)


def test_fleets_that_finish_together_conclude_the_job_once(database: Database) -> None:
    with database.write() as session:
        job, rows = accept(session, *[[trial(f"{n}", n)] for n in range(4)], model_name="m")
        leases = [claimed(session, row.id) for row in rows]
    barrier = threading.Barrier(4)
    concluded: list[bool] = []

    def finish(number: int) -> None:
        barrier.wait()
        with database.write() as session:
            ended = fleets.finish(session, leases[number], [good(number + 1.0)], RESULT)
        concluded.append(ended)

    threads = [threading.Thread(target=finish, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(concluded) == [False, False, False, True]
    with database.read() as session:
        job = jobs.get(session, job.id)
        ends = [e for e in events.page(session, job.id).items if e.type == "succeeded"]
        assert len(models.describe(session, "m").versions) == 1
    assert len(ends) == 1
    assert job.best is not None
    assert job.best.name == "0"


def test_one_failed_fleet_does_not_fail_the_job(database: Database) -> None:
    with database.write() as session:
        job, (one, two) = accept(session, [trial("a")], [trial("b", 1)])
        fleets.fail(session, claimed(session, one.id), error("x"))
        assert jobs.get(session, job.id).state == "running"
        fleets.finish(session, claimed(session, two.id), [good()], RESULT)
        job = jobs.get(session, job.id)
    assert (job.state, job.trials_finished, job.trials_failed) == ("succeeded", 2, 1)
