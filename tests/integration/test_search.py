"""Real workers: searches that halve, and fleets that outgrow their memory."""

import resource
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.databases import Databases
from tests.integration.running import Running, descendants, is_trainer, parent_of, running
from worker.settings import ServiceSettings
from worker.storage import events, jobs

TRAINING: dict[str, Any] = {
    "epochs": 9,
    "batch_size": 32,
    "optimizer": {"kind": "adam", "learning_rate": 0.01},
}
MIB = 2**20


def settings_of(state: Path, **more: Any) -> ServiceSettings:
    return ServiceSettings(
        state=state, heartbeat_seconds=0.1, lease_seconds=5.0, threads=1, device="cpu", **more
    )


@pytest.fixture(scope="module")
def here(
    database_kind: str, databases: Databases, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Running]:
    state = tmp_path_factory.mktemp("state")
    with (
        databases.url(database_kind, state) as url,
        running(settings_of(state, database_url=url)) as here,
    ):
        yield here


def standby(here: Running) -> int:
    """Process id of the only standby: every trainer is a fork of it, limits included."""
    assert here.processes.worker_pid is not None
    trainers = [pid for pid in descendants(here.processes.worker_pid) if is_trainer(pid)]
    (pid,) = [pid for pid in trainers if not is_trainer(parent_of(pid))]
    return pid


@pytest.mark.slow
def test_halving_lets_most_configurations_go_and_keeps_what_they_had(here: Running) -> None:
    job = here.ended(
        here.post(
            training=TRAINING,
            search={
                "method": "halving",
                "trials": 18,
                "eta": 3,
                "space": {"regularization.l2.strength": {"low": 1e-5, "high": 1.0, "log": True}},
            },
        )
    )
    assert (job.state, job.error) == ("succeeded", None)
    with here.database.read() as session:
        rows = jobs.trials(session, job)
    assert len(rows) == 18
    assert {row.state for row in rows} == {"succeeded"}
    assert sorted(row.epochs for row in rows) == [1] * 12 + [3] * 4 + [9] * 2
    assert all((row.halved_at or 9) == row.epochs for row in rows)
    assert all("validation_loss" in row.metrics for row in rows)
    assert job.best is not None
    assert job.best.trial == rows[0].id


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="needs prlimit and /proc")
def test_a_fleet_that_outgrows_its_memory_is_halved_until_it_fits(here: Running) -> None:
    # The last test of this installation: its trainers stay limited.
    here.ended(here.post(training={"epochs": 1}))  # the standby has imported all by then
    pid = standby(here)
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[0])
    limit = pages * resource.getpagesize() + 350 * MIB
    resource.prlimit(pid, resource.RLIMIT_AS, (limit, limit))
    # Half a million weights a trial: 16 trials, and what training keeps beside them, are 480 MiB.
    job = here.ended(
        here.post(
            network={"kind": "mlp", "hidden": [700, 700]},
            training={"epochs": 1, "batch_size": 200},
            repeats=16,
        )
    )
    with here.database.read() as session:
        fleets = jobs.fleets(session, job.id)
        told = [e.type for e in events.event_page(session, job.id, after=0, limit=1000).items]
    assert (job.state, job.error) == ("succeeded", None)
    assert job.trials_finished == 16
    assert len(fleets) > 1
    assert told.count("split") == len(fleets) - 1
    failed = [(fleet.number, fleet.error) for fleet in fleets if fleet.state != "succeeded"]
    assert not failed, [(n, e.message) for n, e in failed]


@pytest.mark.slow
def test_halving_across_fleets_compares_with_what_other_fleets_had(tmp_path: Path) -> None:
    # Two configurations a fleet: alone, each would let one of them go at every rung.
    with running(settings_of(tmp_path, fleet_memory=700_000)) as here:
        job = here.ended(
            here.post(
                training={**TRAINING, "epochs": 4},
                search={
                    "method": "halving",
                    "trials": 12,
                    "eta": 2,
                    "space": {
                        "regularization.l2.strength": {"low": 1e-5, "high": 1.0, "log": True}
                    },
                },
            )
        )
        with here.database.read() as session:
            fleets = jobs.fleets(session, job.id)
            rows = jobs.trials(session, job)
    assert (job.state, job.error) == ("succeeded", None)
    assert len(fleets) >= 4
    by_fleet = [sorted(r.epochs for r in rows if r.fleet_id == fleet.id) for fleet in fleets]
    assert by_fleet[0] == [1, 4]
    assert any(epochs != [1, 4] for epochs in by_fleet), "no fleet looked at another"
    finished = [row for row in rows if row.epochs == 4]
    left = [row for row in rows if row.halved_at is not None]
    assert len(finished) + len(left) == 12
    assert rows[0].epochs == 4


@pytest.mark.slow
def test_two_workers_share_searches_and_their_ends_meet(
    databases: Databases, tmp_path: Path
) -> None:
    # On PostgreSQL, where several transactions write at a time: fleets of one search end and plan
    # its next wave together, and both jobs register their winners under one new name.
    with (
        databases.url("postgresql", tmp_path) as url,
        running(settings_of(tmp_path, database_url=url, workers=2, fleet_trials=2)) as here,
    ):
        job_ids = [
            here.post(
                model="shared",
                training={**TRAINING, "epochs": 2},
                search={
                    "method": "random",
                    "trials": 10,
                    "space": {
                        "regularization.l2.strength": {"low": 1e-5, "high": 1.0, "log": True}
                    },
                },
            )
            for _ in range(2)
        ]
        ended = [here.ended(job_id) for job_id in job_ids]
        for job in ended:
            with here.database.read() as session:
                fleets = jobs.fleets(session, job.id)
                rows = jobs.trials(session, job)
                logged = [e.type for e in events.event_page(session, job.id, limit=1000).items]
            assert (job.state, job.error) == ("succeeded", None)
            assert sorted(row.configuration for row in rows) == list(range(10))
            assert {fleet.attempt for fleet in fleets} == {1}
            assert logged.count("succeeded") == 1
    assert sorted(job.model_version or 0 for job in ended) == [1, 2]
