"""Trials as rows, and back: what is trained is what was planned."""

from typing import Any

from sqlalchemy import select

from worker.jobs.accept import JobIntake
from worker.jobs.rows import load_trials
from worker.spec import JobSpec
from worker.storage import jobs
from worker.storage.database import Database
from worker.storage.tables import Fleet

SPACE: dict[str, Any] = {
    "regularization.l1.strength": {"low": 1e-5, "high": 1e-1, "log": True},
    "regularization.dropout.p": {"low": 0.0, "high": 0.5},
}


def stored_as_planned(intake: JobIntake, database: Database, **job: Any) -> None:
    spec = JobSpec.model_validate({"dataset": {"builtin": "circle"}, **job})
    plans = intake.propose(spec).plans
    accepted = intake.accept(spec)
    with database.read() as session:
        fleets = jobs.fleets(session, accepted.id)
        assert [load_trials(session, fleet.id) for fleet in fleets] == [
            list(plan.trials) for plan in plans
        ]
        rows = jobs.trials(session, jobs.find_job(session, accepted.id))
        searched = [row.overrides for row in rows]
    assert all((overrides is None) == (spec.search is None) for overrides in searched)


def test_trials_of_a_comparison(intake: JobIntake, database: Database) -> None:
    stored_as_planned(
        intake,
        database,
        split={"folds": 3},
        repeats=2,
        regularization={"l1": {"strength": 0.1 + 0.2}, "dropout": {"p": 0.1}},
        compare=[
            {"name": "a"},
            {"name": "b", "network": {"kind": "mlp", "hidden": [7]}},
            {"name": "c", "regularization": {"l2": {"strength": 1e-7}}},
        ],
    )


def test_trials_of_a_search(intake: JobIntake, database: Database) -> None:
    stored_as_planned(intake, database, repeats=2, search={"space": SPACE, "trials": 20})


def test_a_fleet_without_trials_only_plans(intake: JobIntake, database: Database) -> None:
    job = intake.accept(JobSpec.model_validate({"dataset": {"builtin": "circle"}}))
    with database.write() as session:
        session.add(Fleet(id="flt_plans", job_id=job.id, number=1))
    with database.read() as session:
        assert load_trials(session, "flt_plans") == []
        assert session.scalars(select(Fleet.plan)).all() == [{}, {}]
