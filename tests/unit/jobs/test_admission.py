"""Jobs that cost too much are refused with their numbers, before anything is made of them."""

import tracemalloc
from pathlib import Path
from time import process_time
from typing import Any

import pytest

from tests.databases import new_database
from worker.errors import SpecError
from worker.jobs import JobIntake, TableCache
from worker.jobs.memory import job_memory
from worker.settings import ServiceSettings
from worker.spec import JobSpec
from worker.storage import jobs
from worker.storage.artefacts import Artefacts
from worker.storage.database import Database

L1: dict[str, Any] = {"regularization.l1.strength": {"low": 1e-4, "high": 1e-2, "log": True}}
RATE = {"training.optimizer.learning_rate": {"low": 1e-4, "high": 1e-2, "log": True}}
GRID = {
    f"regularization.{name}.strength": {"values": [n * 1e-5 for n in range(1, 317)]}
    for name in ("l1", "l2")
}
SOLVER = {"kind": "solver", "iterations": 100_000}

TOO_MUCH: dict[str, tuple[dict[str, Any], str, float, str]] = {
    "a search × repeats × folds": (
        {
            "search": {"space": L1, "trials": 100_000},
            "repeats": 100,
            "split": {"folds": 50},
            "training": {"epochs": 100_000},
        },
        "trials",
        500_000_000,
        "search.trials",
    ),
    "a comparison × repeats": (
        {"compare": [{"name": str(n)} for n in range(1024)], "repeats": 100},
        "trials",
        102_400,
        "compare",
    ),
    "techniques left out × repeats": (
        {
            "compare": [{"name": str(n)} for n in range(600)],
            "regularization": {"l1": {"strength": 0.1}},
            "attribute": True,
            "repeats": 100,
        },
        "trials",
        120_000,
        "compare",
    ),
    "a grid × repeats": (
        {"search": {"method": "grid", "space": GRID}, "repeats": 50},
        "trials",
        4_992_800,
        "search.trials",
    ),
    "rows × folds": (
        {"dataset": {"builtin": "circle", "rows": 1_000_000}, "split": {"folds": 50}},
        "rows",
        50_000_000,
        "split.folds",
    ),
    "steps of one row": (
        {
            "dataset": {"builtin": "circle", "rows": 1_000_000},
            "training": {"batch_size": 1, "epochs": 100_000},
        },
        "steps",
        80_000_000_000,
        "training.epochs",
    ),
    "steps of a search": (
        {"search": {"space": RATE, "trials": 100_000}, "training": {"epochs": 100_000}},
        "steps",
        250_000_000_000,
        "training.epochs",
    ),
    "iterations of a solver": (
        {
            "dataset": {"builtin": "diabetes"},
            "network": {"kind": "linear"},
            "training": {"epochs": 100_000, "optimizer": SOLVER},
        },
        "steps",
        10_000_000_000,
        "training.epochs",
    ),
    "a deep and wide network": (
        {"network": {"kind": "mlp", "hidden": [16_384] * 64}},
        "parameters",
        16_912_531_457,
        "network",
    ),
    "a network in a comparison": (
        {
            "compare": [
                {"name": "small"},
                {"name": "large", "network": {"kind": "mlp", "hidden": [16_384] * 8}},
            ]
        },
        "parameters",
        1_879_228_417,
        "network",
    ),
    "a corner of a space": (
        {"search": {"space": {"network.hidden": {"values": [[8], [16_384] * 8]}}}},
        "parameters",
        1_879_228_417,
        "search.space.network.hidden",
    ),
}


def spec_of(**job: Any) -> JobSpec:
    return JobSpec.model_validate({"dataset": {"builtin": "circle"}, **job})


def refused(intake: JobIntake, spec: JobSpec) -> SpecError:
    with pytest.raises(SpecError) as caught:
        intake.accept(spec)
    assert caught.value.code == "limit_exceeded"
    return caught.value


@pytest.mark.parametrize("name", TOO_MUCH)
def test_what_costs_too_much_is_refused_with_the_number_and_the_setting(
    intake: JobIntake, name: str
) -> None:
    job, measure, value, param = TOO_MUCH[name]
    error = refused(intake, spec_of(**job))
    setting = f"PARSIMONY_MAX_JOB_{measure.upper()}"
    assert error.param == param
    limit = error.extra["limit"]
    assert error.extra == {"measure": measure, "value": value, "limit": limit, "setting": setting}
    assert value > limit
    for text in (f"{value:,}", f"{limit:,}", setting):
        assert text in error.message


@pytest.mark.parametrize("name", TOO_MUCH)
def test_nothing_is_made_of_what_is_refused(intake: JobIntake, name: str) -> None:
    """Neither its trials nor its network nor its data: all would be megabytes and more."""
    intake.propose(spec_of())  # caches, and what is imported late
    spec = spec_of(**TOO_MUCH[name][0])
    refused(intake, spec)
    tracemalloc.start()
    try:
        begin = process_time()
        refused(intake, spec)
        seconds = process_time() - begin
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 3_000_000
    assert seconds < 0.5  # ten times what is wanted: tracing slows it down


def settled(folder: Path, **settings: Any) -> tuple[JobIntake, Database]:
    known = ServiceSettings(state=folder, device="cpu", workers=1, **settings)
    database = new_database(folder)
    tables = TableCache(database, Artefacts(known.artefacts_url))
    return JobIntake(known, database, tables), database


@pytest.mark.parametrize(
    ("measure", "limit", "value"),
    [
        ("trials", 2, 3),
        ("rows", 999, 1000),
        ("parameters", 2750, 2751),
        ("steps", 3749, 3750),  # 50 epochs of 25 batches, three times
        ("bytes", 50_000_000, 67_940_296),
        ("seconds", 0.1, 0.378),
    ],
)
def test_each_limit_is_a_setting(tmp_path: Path, measure: str, limit: float, value: float) -> None:
    spec = spec_of(repeats=3)
    intake, database = settled(tmp_path, **{f"max_job_{measure}": limit})
    error = refused(intake, spec)
    database.close()
    assert error.extra["measure"] == measure
    assert error.extra["value"] == pytest.approx(value, rel=0.3 if measure == "seconds" else 0.0)
    assert error.extra["limit"] == limit
    enough, database = settled(tmp_path, **{f"max_job_{measure}": 10 * value})
    assert enough.accept(spec).trials_total == 3
    database.close()


def test_a_proposal_has_the_numbers_that_are_limited(intake: JobIntake) -> None:
    cost = intake.propose(spec_of(repeats=3)).cost
    assert (cost.trials, cost.fleets, cost.parameters, cost.steps) == (3, 1, 2751, 3750)


def test_a_search_that_time_ends_may_have_any_number_of_trials(tmp_path: Path) -> None:
    search: dict[str, Any] = {"space": L1, "budget_seconds": 60}
    job: dict[str, Any] = {"search": search, "split": {"folds": 3}}
    intake, database = settled(tmp_path)
    assert intake.accept(spec_of(**job)).trials_total == 300_005  # with its refits
    database.close()
    intake, database = settled(tmp_path, max_job_seconds=59)
    error = refused(intake, spec_of(**job))
    database.close()
    assert (error.extra["value"], error.param) == (60.0, "search.budget_seconds")


def test_halving_counts_what_it_trains(tmp_path: Path) -> None:
    """A ninth of the epochs, as most trials leave early."""
    search = {"method": "halving", "space": L1, "trials": 27, "min_epochs": 3}
    job: dict[str, Any] = {"search": search, "training": {"epochs": 81}}
    intake, database = settled(tmp_path)
    halved = intake.propose(spec_of(**job)).cost
    drawn = intake.propose(spec_of(**job | {"search": search | {"method": "random"}})).cost
    database.close()
    assert halved.steps == pytest.approx(drawn.steps / 9, rel=0.01)
    assert halved.trials == drawn.trials


def test_memory_is_the_machines_unless_it_is_set(settings: ServiceSettings) -> None:
    half = job_memory(settings.model_copy(update={"workers": 2}))
    assert 2 * half == pytest.approx(job_memory(settings), abs=2)
    assert job_memory(settings.model_copy(update={"max_job_bytes": 5})) == 5


@pytest.mark.slow
def test_a_long_comparison_is_accepted_with_its_first_wave(
    intake: JobIntake, database: Database
) -> None:
    """50,000 trials took 8.5 s of the processor, and 120 MB of the database."""
    compare = [{"name": str(n)} for n in range(10)]
    spec = spec_of(compare=compare, repeats=100, split={"folds": 50})
    job = intake.accept(spec)
    with database.read() as session:
        stored = jobs.find_job(session, job.id)
    assert stored.trials_total == 50_100
    assert 0 < stored.trials_planned <= 1024
    short = spec_of(compare=compare, repeats=100)
    assert seconds_of(intake, spec) < 5 * seconds_of(intake, short)  # fifty times as many trials


def seconds_of(intake: JobIntake, spec: JobSpec) -> float:
    """The least of three: now and then garbage is collected in between."""
    tries = []
    for _ in range(3):
        begin = process_time()
        intake.accept(spec)
        tries.append(process_time() - begin)
    return min(tries)
