import math
import random
import re
import threading
from typing import Any

import pytest

from tests.rows import RESULT, accept, bad, claimed, error, good, trial
from worker.errors import ConflictError, NotFoundError
from worker.results.trial import Advice, Single, TrialResult
from worker.storage import datasets, events, fleets, idempotency, jobs, models, queries
from worker.storage.additions import NewTrial
from worker.storage.database import Database
from worker.storage.tables import Job


def test_pages_are_newest_first_and_continue(database: Database) -> None:
    with database.write() as session:
        made = [accept(session)[0].id for _ in range(5)]
    with database.read() as session:
        first = jobs.job_page(session, limit=2)
        second = jobs.job_page(session, limit=2, after=first.items[-1].id)
        third = jobs.job_page(session, limit=2, after=second.items[-1].id)
        assert jobs.job_page(session, state="running").items == []
        with pytest.raises(NotFoundError):
            jobs.job_page(session, after="job_none")
    pages = [first, second, third]
    assert [job.id for page in pages for job in page.items] == made[::-1]
    assert [page.has_more for page in pages] == [True, True, False]


def test_tenants_do_not_see_each_other(database: Database) -> None:
    with database.write() as session:
        job, _ = accept(session, tenant="a")
        with pytest.raises(NotFoundError):
            jobs.find_job(session, job.id)
        with pytest.raises(NotFoundError):
            jobs.request_cancel(session, job.id, tenant="b")
        with pytest.raises(NotFoundError):
            jobs.job_page(session, after=job.id, tenant="b")
        assert jobs.find_job(session, job.id, tenant="a").id == job.id
        assert events.event_page(session, job.id).items == []


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
        assert jobs.find_job(session, job.id).state == "cancelled"


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
        first = events.event_page(session, job.id, limit=2)
        rest = events.event_page(session, job.id, after=first.items[-1].id)
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
        return datasets.add_dataset(
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
            datasets.find_dataset(session, dataset_id)


def test_data_sets_are_listed(database: Database) -> None:
    made = [new_dataset(database) for _ in range(2)]
    with database.read() as session:
        assert [row.id for row in datasets.dataset_page(session).items] == made[::-1]


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
        assert [row.name for row in models.model_page(session).items] == ["credit"]


# The winner, and the end of a job.


def finished(database: Database, outcomes: list[TrialResult], **more: object) -> Job:
    """A job of one fleet with two configurations of two repeats, ended."""
    trials = [trial(name, c, repeat) for c, name in enumerate("ab") for repeat in range(2)]
    with database.write() as session:
        job, (fleet,) = accept(session, trials, **more)
        fleets.finish(session, claimed(session, fleet.id), outcomes, RESULT)
    with database.read() as session:
        return jobs.find_job(session, job.id)


def test_the_best_mean_wins_and_its_first_member_is_served(database: Database) -> None:
    """Not its luckiest, of which the mean would be no estimate."""
    job = finished(database, [good(0.1), good(0.9), good(0.4), good(0.3)])
    assert job.state == "succeeded"
    assert job.best is not None
    assert (job.best.name, job.best.value) == ("b", 0.35)
    assert job.best.metrics == {"validation_loss": 0.35}
    assert job.best.deviations == {"validation_loss": pytest.approx(0.1 / math.sqrt(2))}
    assert (job.best.n, job.best.chosen_by, job.best.refitted) == (2, "best", False)
    assert job.best.single == Single(trial=job.best.trial, metrics={"validation_loss": 0.4})
    assert (job.trials_total, job.trials_finished, job.trials_failed) == (4, 4, 0)
    assert job.epoch == job.epochs


def test_more_can_be_better(database: Database) -> None:
    job = finished(database, [good(0.1), good(0.9), good(0.3), good(0.4)], maximize=True)
    assert job.best is not None
    assert (job.best.name, job.best.value) == ("a", 0.5)
    assert job.best.metrics == {"validation_loss": 0.5}


def test_a_configuration_with_a_failed_member_comes_after_whole_ones(database: Database) -> None:
    job = finished(database, [good(0.1), bad(), good(0.3), good(0.4)])
    assert job.best is not None
    assert job.best.name == "b"
    assert job.trials_failed == 1


UNMEASURED = TrialResult(state="succeeded", metrics={"validation_loss": None, "train_loss": 0.1})


@pytest.mark.parametrize("nothing", [UNMEASURED, TrialResult(state="succeeded")])
@pytest.mark.parametrize("maximize", [False, True])
def test_what_has_no_finite_objective_does_not_win(
    database: Database, nothing: TrialResult, maximize: bool
) -> None:
    """Not even where the others failed in part, or halving let them go."""
    for others in ([good(0.9), bad()], [halved(0.9), halved(0.9)]):
        job = finished(database, [nothing, nothing, *others], maximize=maximize)
        assert job.best is not None
        assert (job.state, job.best.name, job.best.value) == ("succeeded", "b", 0.9)


@pytest.mark.parametrize(
    ("outcomes", "came"),
    [
        ([UNMEASURED] * 4, "4 of its 4 trials ended with weights"),
        (
            [UNMEASURED, UNMEASURED, bad(), bad()],
            "2 of its 4 .*, 2 failed \\(diverged\\)",
        ),
    ],
)
def test_a_job_without_a_finite_objective_fails_and_says_why(
    database: Database, outcomes: list[TrialResult], came: str
) -> None:
    job = finished(database, outcomes, model_name="credit")
    assert (job.state, job.best, job.model_version) == ("failed", None, None)
    assert job.error is not None
    assert job.error.code == "no_finite_objective"
    assert re.search(f"No configuration has a finite validation_loss.*{came}", job.error.message)
    with database.read() as session, pytest.raises(NotFoundError):
        models.find_model(session, "credit")


def test_a_job_without_a_successful_trial_fails_with_the_first_error(database: Database) -> None:
    job = finished(database, [bad("diverged"), bad("other"), bad(), bad()])
    assert job.state == "failed"
    assert job.error is not None
    assert job.error.code == "diverged"
    assert job.best is None


@pytest.mark.parametrize("aside", [{"without": "l1"}, {"refit": 0}])
def test_a_trial_that_does_not_compete_wins_nothing_even_where_nothing_else_succeeded(
    database: Database, aside: dict[str, Any]
) -> None:
    """It only shows what leaving a technique out, or more rows, would bring."""
    trials = [NewTrial("a", 0, 0, None, {}), NewTrial("b", 1, 0, None, aside)]
    with database.write() as session:
        job, (fleet,) = accept(session, trials)
        fleets.finish(session, claimed(session, fleet.id), [bad("diverged"), good()], RESULT)
    with database.read() as session:
        stored = jobs.find_job(session, job.id)
        assert [group.number for group in queries.groups(session, stored)] == [0]
        assert queries.best_first(session, stored) == []
    assert (stored.state, stored.best) == ("failed", None)


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
        job = jobs.find_job(session, job.id)
        ends = [e for e in events.event_page(session, job.id).items if e.type == "succeeded"]
        assert len(models.describe(session, "m").versions) == 1
    assert len(ends) == 1
    assert job.best is not None
    assert job.best.name == "0"


def test_one_failed_fleet_does_not_fail_the_job(database: Database) -> None:
    with database.write() as session:
        job, (one, two) = accept(session, [trial("a")], [trial("b", 1)])
        fleets.fail(session, claimed(session, one.id), error("x"))
        assert jobs.find_job(session, job.id).state == "running"
        fleets.finish(session, claimed(session, two.id), [good()], RESULT)
        job = jobs.find_job(session, job.id)
    assert (job.state, job.trials_finished, job.trials_failed) == ("succeeded", 2, 1)


def halved(loss: float) -> TrialResult:
    return good(loss).model_copy(update={"halved_at": 3, "epochs": 3})


@pytest.mark.parametrize(
    "seed", [*range(4), *(pytest.param(seed, marks=pytest.mark.slow) for seed in range(4, 8))]
)
def test_the_winner_so_far_is_the_first_of_all_configurations(
    database: Database, seed: int
) -> None:
    """Though only those that a fleet trains are looked at when it ends; repeats of a configuration
    lie in several fleets here.
    """
    chance = random.Random(seed)
    trials = [trial(str(n), n, repeat) for n in range(8) for repeat in range(3)]
    chance.shuffle(trials)
    with database.write() as session:
        job, rows = accept(session, *[trials[first : first + 4] for first in range(0, 24, 4)])
        for fleet in chance.sample(rows, len(rows)):
            results = [
                chance.choice([good, good, good, halved])(chance.choice([0.1, 0.2, 0.3]))
                if chance.random() < 0.8
                else bad()
                for _ in range(4)
            ]
            fleets.finish(session, claimed(session, fleet.id), results, RESULT)
            best = job.best
            so_far = [] if best is None else [best.configuration]
            ranked = [group.number for group in queries.best_first(session, job)]
            assert so_far == ranked[:1]
        first = jobs.trials(session, job)[0]
        assert best is not None
        assert (best.configuration, job.state) == (ranked[0], "succeeded")
        assert first.standing == 0


def test_one_that_halving_let_go_wins_only_where_nothing_else_succeeded(
    database: Database,
) -> None:
    job = finished(database, [halved(0.1), halved(0.1), good(0.9), good(0.9)])
    assert job.best is not None
    assert (job.best.name, job.best.value) == ("b", 0.9)
    job = finished(database, [halved(0.2), halved(0.4), bad(), bad()])
    assert job.best is not None
    assert job.best.name == "a"
