"""Accepting a job without HTTP: from its specification to committed rows."""

from typing import Any

import pytest

from worker.errors import SpecError
from worker.jobs.accept import JobIntake
from worker.spec import JobSpec
from worker.storage import idempotency, jobs
from worker.storage.database import Database

L1: dict[str, Any] = {"regularization.l1.strength": {"low": 1e-4, "high": 1e-2, "log": True}}


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
        stored = jobs.get(session, job.id)
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
        stored = jobs.get(session, job.id)
        waiting = jobs.fleets(session, job.id)
    assert stored.trials_total == 5000
    assert 0 < stored.trials_planned < 5000
    assert stored.objective == "train_loss"
    assert [fleet.state for fleet in waiting] == ["queued"] * len(waiting)
    assert stored.spec["search"]["space"]["regularization.l1.strength"]["log"] is True


def test_a_proposal_writes_nothing(intake: JobIntake, database: Database) -> None:
    proposal = intake.propose(spec_of(repeats=3))
    assert (proposal.trials, len(proposal.plans)) == (3, 1)
    with database.read() as session:
        assert jobs.page(session).items == []


def test_a_key_gives_the_same_job_again(intake: JobIntake) -> None:
    first = intake.accept(spec_of(), "key")
    assert intake.accept(spec_of(), "key").id == first.id
    assert intake.accept(spec_of(), "another").id != first.id
    with pytest.raises(idempotency.KeyReused):
        intake.accept(spec_of(repeats=2), "key")


def test_a_data_set_that_is_not_there_is_named(intake: JobIntake) -> None:
    with pytest.raises(SpecError, match="no data set ds_missing00") as caught:
        intake.accept(JobSpec.model_validate({"dataset": "ds_missing00", "target": "y"}))
    assert (caught.value.code, caught.value.param) == ("dataset_not_found", "dataset")


def test_u_0000_is_refused(intake: JobIntake) -> None:
    with pytest.raises(SpecError, match=r"U\+0000"):
        intake.accept(spec_of(name="a\0b"))
