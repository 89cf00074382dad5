"""The winner of a job is trained once more: planned, told and served, whatever ends its fleets."""

from dataclasses import replace
from typing import Any

import numpy as np
import orjson
import pytest

from tests.rows import bad, good
from tests.unit.jobs.test_finish import SPACE, Searching
from worker.jobs import finish as module
from worker.jobs.accept import JobIntake
from worker.jobs.table_cache import TableCache
from worker.results.trial import TrialResult
from worker.settings import ServiceSettings
from worker.spec import JobSpec
from worker.storage import fleets, jobs, models
from worker.storage.additions import Following
from worker.storage.artefacts import Artefacts
from worker.storage.database import Database
from worker.storage.tables import Job, TrialRow


def cross_validated(
    settings: ServiceSettings, database: Database, *, most: int = 4, **job: Any
) -> Searching:
    """A job of three folds; so many trials a fleet."""
    small = settings.model_copy(update={"fleet_trials": most})
    tables = TableCache(database, Artefacts(settings.artefacts_url))
    folds = {"split": {"folds": 3}, "model": "winner", **job}
    return Searching(small, database, JobIntake(small, database, tables), **folds)


def measured(loss: float, *, best_epoch: int = 9, tested: float = 0.7) -> TrialResult:
    metrics = {"validation_loss": loss, "test_loss": tested}
    return TrialResult(state="succeeded", metrics=metrics, epochs=10, best_epoch=best_epoch)


def trained(job: Searching, losses: dict[int, float], **more: Any) -> list[TrialRow]:
    """End all fleets, each configuration with its loss, fold by fold .02 more; the refits' rows."""
    while queued := job.queued():
        lease = job.claim(queued[0])
        with job.database.read() as session:
            rows = sorted(jobs.trials(session, job.job), key=lambda row: row.position)
        of_it = [row for row in rows if row.fleet_id == lease.fleet_id]
        job.end(
            lease,
            [
                measured(losses[row.configuration] + 0.02 * row.fold, **more)
                if row.fold is not None
                else TrialResult(
                    state="succeeded", metrics={"train_loss": 0.05, "test_loss": 0.6 + row.repeat}
                )
                for row in of_it
            ],
        )
    with job.database.read() as session:
        rows = jobs.trials(session, job.job)
    return sorted(
        (row for row in rows if row.settings["refit"] is not None), key=lambda row: row.repeat
    )


COMPARE = [{"name": "a"}, {"name": "b"}, {"name": "c"}]


@pytest.mark.parametrize(
    ("job", "trials", "refitted"),
    [
        ({}, 3, 1),
        ({"compare": COMPARE}, 9, 1),
        ({"compare": COMPARE, "repeats": 2}, 18, 2),
        ({"regularization": {"l1": {"strength": 0.1}}, "attribute": True}, 6, 1),
    ],
)
def test_a_cross_validation_serves_its_winner_refitted(
    settings: ServiceSettings, database: Database, job: dict[str, Any], trials: int, refitted: int
) -> None:
    """With the means of its folds as its estimate; its own are the test rows' metrics alone."""
    found = cross_validated(settings, database, **job)
    assert found.job.trials_total == trials + refitted
    best = 2 if "compare" in job else 0
    rows = trained(found, dict.fromkeys(range(3), 0.5) | {best: 0.3})
    assert [row.settings["refit"] for row in rows] == [best] * refitted
    job_row = found.job
    assert (job_row.state, job_row.trials_total) == ("succeeded", trials + refitted)
    winner = job_row.best
    assert winner is not None
    assert (winner.trial, winner.refitted, winner.n) == (rows[0].id, True, 3 * refitted)
    assert winner.value == winner.metrics["validation_loss"] == pytest.approx(0.32)
    assert winner.deviations is not None
    assert winner.deviations["validation_loss"] == pytest.approx(
        np.std([0.3, 0.32, 0.34] * refitted, ddof=1)
    )
    assert winner.metrics["test_loss"] == (0.6 if refitted == 1 else pytest.approx(1.1))
    assert winner.single is not None
    assert winner.single.metrics == {"train_loss": 0.05, "test_loss": 0.6}
    assert not str(winner.name).endswith("refitted)")
    with database.read() as session:
        version = models.resolve(session, "winner")
    assert (version.trial_id, version.metrics) == (rows[0].id, winner.metrics)
    assert version.manifest["estimate"] == {
        "deviations": winner.deviations,
        "n": winner.n,
        "single": winner.single.model_dump(),
    }


@pytest.mark.parametrize("search", [False, True])
def test_a_refit_can_be_turned_off(
    settings: ServiceSettings, database: Database, search: bool
) -> None:
    how: dict[str, Any] = {"search": {"space": SPACE, "trials": 3}} if search else {}
    found = cross_validated(settings, database, refit=False, **how)
    assert trained(found, {0: 0.3, 1: 0.4, 2: 0.5}) == []
    job = found.job
    assert job.best is not None
    assert (job.state, job.best.refitted, job.best.value) == (
        "succeeded",
        False,
        pytest.approx(0.32),
    )
    assert job.best.single is not None
    assert job.best.single.metrics == {"validation_loss": 0.3, "test_loss": 0.7}


def test_what_stops_early_is_refitted_for_the_epochs_that_its_folds_kept(
    settings: ServiceSettings, database: Database
) -> None:
    found = cross_validated(settings, database, regularization={"early_stopping": {"patience": 3}})
    (refit,) = trained(found, {0: 0.3}, best_epoch=7)
    assert refit.settings["training"]["epochs"] == 7
    assert refit.settings["regularization"]["early_stopping"] is None


def test_a_long_comparison_is_refitted_too(settings: ServiceSettings, database: Database) -> None:
    compare = [{"name": str(n)} for n in range(9)]
    found = cross_validated(settings, database, compare=compare, repeats=40, most=300)
    while queued := found.queued():
        for fleet in queued:
            lease = found.claim(fleet)
            found.end(lease, [good()] * found.size(lease))
    job = found.job
    assert (job.state, job.trials_planned, job.trials_total) == ("succeeded", 1120, 1120)
    assert job.best is not None
    assert (job.best.configuration, job.best.refitted, job.best.n) == (0, True, 120)


@pytest.mark.parametrize("refit", [True, False])
def test_one_standard_error_decides_what_is_registered(
    settings: ServiceSettings, database: Database, refit: bool
) -> None:
    """The strongest penalty of those within a standard error, whether or not it is refitted."""
    space = {"regularization.l1.strength": {"values": [0.001, 0.01, 0.1]}}
    search = {"space": space, "method": "grid", "choose": "one_standard_error", "refit": refit}
    found = cross_validated(settings, database, search=search)
    rows = trained(found, {0: 0.3, 1: 0.305, 2: 0.4})
    job = found.job
    assert job.best is not None
    assert (job.state, job.best.configuration, job.best.chosen_by) == (
        "succeeded",
        1,
        "one_standard_error",
    )
    assert job.best.value == job.best.metrics["validation_loss"] == pytest.approx(0.325)
    assert [row.settings["refit"] for row in rows] == ([1] if refit else [])
    with database.read() as session:
        version = models.resolve(session, "winner")
    assert version.trial_id == job.best.trial
    assert version.metrics == job.best.metrics


def test_of_two_last_fleets_the_second_to_end_plans_the_refit(
    settings: ServiceSettings, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    wide = {"kind": "mlp", "hidden": [7]}
    found = cross_validated(
        settings, database, compare=[{"name": "a"}, {"name": "b", "network": wide}]
    )
    propose = module._following
    leases = [found.claim(fleet) for fleet in found.queued()]
    first, *others = leases

    def meanwhile(*arguments: Any) -> Following:
        following = propose(*arguments)
        while others:
            lease = others.pop()
            found.end(lease, [measured(0.4)] * found.size(lease))
        return following

    monkeypatch.setattr(module, "_following", meanwhile)
    found.end(first, [measured(0.3)] * found.size(first))
    assert len(found.queued()) == 1
    assert (found.job.state, found.job.trials_planned) == ("running", 7)


@pytest.mark.parametrize("outcome", [TrialResult(state="succeeded"), bad()])
def test_a_comparison_without_a_winner_refits_nothing(
    settings: ServiceSettings, database: Database, outcome: TrialResult
) -> None:
    found = cross_validated(settings, database)
    for fleet in found.queued():
        lease = found.claim(fleet)
        found.end(lease, [outcome] * found.size(lease))
    job = found.job
    assert job.error is not None
    assert (job.state, job.best, job.trials_total) == ("failed", None, 3)
    assert job.error.code == ("no_finite_objective" if outcome.state == "succeeded" else "diverged")


def test_a_refit_that_diverges_fails_its_job(settings: ServiceSettings, database: Database) -> None:
    found = cross_validated(settings, database)
    for fleet in found.queued():
        lease = found.claim(fleet)
        found.end(lease, [measured(0.3)] * found.size(lease))
    (fleet,) = found.queued()
    found.end(found.claim(fleet), [bad()])
    job = found.job
    assert job.error is not None
    assert (job.state, job.error.code) == ("failed", "diverged")
    assert "job won, but could not be trained once more on all rows" in job.error.message
    assert "Set refit to false" in job.error.message
    assert (job.model_version, found.queued()) == (None, [])


def test_a_last_fold_that_kills_its_trainer_is_followed_by_the_refit(
    settings: ServiceSettings, database: Database
) -> None:
    found = cross_validated(settings, database, split={"folds": 7})
    *others, last = found.queued()
    for fleet in others:
        lease = found.claim(fleet)
        found.end(lease, [measured(0.3)] * found.size(lease))
    lease = found.claim(last)
    with database.write() as session:
        fleets.crashed(session, lease, "signal 9", max_attempts=1)
    (plans,) = found.queued()
    found.end(found.claim(plans), [])
    (refit,) = found.queued()
    lease = found.claim(refit)
    assert found.size(lease) == 1
    found.end(lease, [good()])
    assert found.job.state == "succeeded"


def test_a_job_that_is_cancelled_before_its_refit_is_cancelled(
    settings: ServiceSettings, database: Database
) -> None:
    found = cross_validated(settings, database)
    leases = [found.claim(fleet) for fleet in found.queued()]
    with database.write() as session:
        jobs.request_cancel(session, found.job_id)
    for lease in leases:
        found.end(lease, [measured(0.3)] * found.size(lease))
    assert (found.job.state, found.job.model_version) == ("cancelled", None)


def test_jobs_of_earlier_releases_end_as_they_would_have(
    settings: ServiceSettings, database: Database
) -> None:
    """Their specification does not say whether to refit; their totals do not count on it."""
    found = cross_validated(settings, database)
    with database.write() as session:
        job = session.get_one(Job, found.job_id)
        job.spec = {name: value for name, value in job.spec.items() if name != "refit"}
    spec = JobSpec.model_validate_json(orjson.dumps(found.job.spec))
    assert not spec.refits
    found.ongoing = replace(found.ongoing, spec=spec)
    assert trained(found, {0: 0.3}) == []
    assert found.job.state == "succeeded"
