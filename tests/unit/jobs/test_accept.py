"""Accepting a job without HTTP: from its specification to committed rows, and trials back."""

import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError
from sqlalchemy import event, select

from tests.databases import Databases
from worker.errors import SpecError
from worker.jobs.accept import JobIntake, load_trials, new_fleets
from worker.jobs.table_cache import TableCache
from worker.results.trial import JobError
from worker.search import Refused, Wave
from worker.settings import ServiceSettings
from worker.spec import JobSpec
from worker.storage import idempotency, jobs
from worker.storage.artefacts import Artefacts
from worker.storage.database import Database
from worker.storage.tables import Fleet

L1: dict[str, Any] = {"regularization.l1.strength": {"low": 1e-4, "high": 1e-2, "log": True}}

SPACE: dict[str, Any] = {
    "regularization.l1.strength": {"low": 1e-5, "high": 1e-1, "log": True},
    "regularization.dropout.p": {"low": 0.0, "high": 0.5},
}


def spec_of(**job: Any) -> JobSpec:
    return JobSpec.model_validate({"dataset": {"builtin": "circle"}, **job})


def test_an_accepted_job_is_committed_with_its_fleets_and_trials(
    intake: JobIntake, database: Database
) -> None:
    job = intake.accept(
        spec_of(
            name="two",
            repeats=2,
            compare=[
                {"name": "none", "regularization": {}},
                {"name": "L1", "regularization": {"l1": {"strength": 0.01}}},
            ],
        )
    )
    with database.read() as session:
        stored = jobs.find_job(session, job.id)
        (fleet,) = jobs.fleets(session, job.id)
        trials = jobs.trials(session, stored)
    assert (stored.state, stored.name, stored.trials_total) == ("queued", "two", 4)
    assert (stored.objective, stored.maximize) == ("validation_loss", False)
    assert fleet.state == "queued"
    assert [(row.name, row.repeat) for row in trials] == [
        ("none", 0),
        ("none", 1),
        ("L1", 0),
        ("L1", 1),
    ]


def test_a_search_is_accepted_with_its_first_wave_and_its_space_written_out(
    intake: JobIntake, database: Database
) -> None:
    job = intake.accept(spec_of(search={"space": L1, "trials": 5000, "objective": "train_loss"}))
    with database.read() as session:
        stored = jobs.find_job(session, job.id)
        waiting = jobs.fleets(session, job.id)
    assert stored.trials_total == 5000
    assert 0 < stored.trials_planned < 5000
    assert stored.objective == "train_loss"
    assert [fleet.state for fleet in waiting] == ["queued"] * len(waiting)
    assert stored.spec["search"]["space"]["regularization.l1.strength"]["log"] is True


def test_a_configuration_that_cannot_be_trained_is_kept_as_failed(intake: JobIntake) -> None:
    (planned,) = intake.propose(spec_of()).plans
    reason = SpecError("no such width", param="network.hidden")
    refused = Refused(trials=planned.trials, overrides={"network.hidden": [1]}, error=reason)
    sound, kept = new_fleets(Wave(first=0, end=2, plans=(planned,), refused=(refused,)))
    assert sound.error is None
    assert kept.error == JobError.of(reason)
    assert kept.epochs == 0
    assert [trial.overrides for trial in kept.trials] == [{"network.hidden": [1]}]


def test_a_proposal_writes_nothing(intake: JobIntake, database: Database) -> None:
    proposal = intake.propose(spec_of(repeats=3))
    assert (proposal.trials, len(proposal.plans)) == (3, 1)
    with database.read() as session:
        assert jobs.job_page(session).items == []


def test_a_key_gives_the_same_job_again(intake: JobIntake) -> None:
    first = intake.accept_once(spec_of(), "key")
    again, other = intake.accept_once(spec_of(), "key"), intake.accept_once(spec_of(), "another")
    assert again.job.id == first.job.id != other.job.id
    assert (first.replayed, again.replayed, other.replayed) == (False, True, False)
    with pytest.raises(idempotency.KeyReused):
        intake.accept_once(spec_of(repeats=2), "key")


def test_of_two_that_have_both_looked_for_a_key_the_later_one_gives_the_job(
    settings: ServiceSettings, databases: Databases, tmp_path: Path
) -> None:
    # Each waits for the other before it binds the key: PostgreSQL refuses the later one. SQLite
    # lets one writer at a time come so far.
    both_have_looked = threading.Barrier(2, timeout=20)

    def wait_for_the_other(_: object, __: object, statement: str, *___: object) -> None:
        if statement.startswith("INSERT INTO idempotency"):
            both_have_looked.wait()

    with databases.new("postgresql", tmp_path) as database:
        event.listen(database.engine, "before_cursor_execute", wait_for_the_other)
        tables = TableCache(database, Artefacts(settings.artefacts_url))
        intake = JobIntake(settings, database, tables)
        with ThreadPoolExecutor(2) as threads:
            first, second = threads.map(lambda _: intake.accept_once(spec_of(), "key"), range(2))
        assert first.job.id == second.job.id
        assert {first.replayed, second.replayed} == {False, True}
        with database.read() as session:
            assert len(jobs.job_page(session).items) == 1


def test_a_data_set_that_is_not_there_is_named(intake: JobIntake) -> None:
    with pytest.raises(SpecError, match="no data set ds_missing00") as caught:
        intake.accept(JobSpec.model_validate({"dataset": "ds_missing00", "target": "y"}))
    assert (caught.value.code, caught.value.param) == ("dataset_not_found", "dataset")


def test_u_0000_is_refused_before_a_job_is_proposed() -> None:
    with pytest.raises(ValidationError, match=r"U\+0000"):
        spec_of(name="a\0b")


def stored_as_planned(intake: JobIntake, database: Database, **job: Any) -> None:
    spec = spec_of(**job)
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
    job = intake.accept(spec_of())
    with database.write() as session:
        session.add(Fleet(id="flt_plans", job_id=job.id, number=1))
    with database.read() as session:
        assert load_trials(session, "flt_plans") == []
        assert session.scalars(select(Fleet.plan)).all() == [{}, {}]
