"""A fleet that is cancelled keeps what its trials had come to."""

from collections.abc import Iterator
from typing import Any

import pytest

from tests.unit.runtime.work import Work, accepted
from worker.runtime.standby import CANCEL, Channel
from worker.settings import ServiceSettings
from worker.storage import jobs
from worker.storage.database import Database
from worker.training import FleetRun

STOPS: dict[str, Any] = {"early_stopping": {"patience": 1, "min_delta": 10.0}}


@pytest.mark.parametrize("stopped", [0, 2])
def test_trials_that_had_ended_stay_ended(
    work: Work,
    channel: Channel,
    settings: ServiceSettings,
    database: Database,
    monkeypatch: pytest.MonkeyPatch,
    stopped: int,
) -> None:
    whole = FleetRun.epochs

    def epochs(self: FleetRun, *args: Any, **kwargs: Any) -> Iterator[Any]:
        for report in whole(self, *args, **kwargs):
            yield report
            if report.epoch == 4:
                with database.write() as session:
                    jobs.request_cancel(session, job_id)
                channel.stop_reason = CANCEL

    monkeypatch.setattr(FleetRun, "epochs", epochs)
    job_id = accepted(
        settings,
        database,
        training={"epochs": 9, "batch_size": 500},
        compare=[
            {"name": f"{n}", "regularization": STOPS if n < stopped else {}} for n in range(4)
        ],
    )
    assert work() == ["cancelled"]
    with database.read() as session:
        job = jobs.find_job(session, job_id)
        rows = {row.name: row for row in jobs.trials(session, job)}
        (fleet,) = jobs.fleets(session, job_id)
    assert job.state == "cancelled"
    assert job.trials_finished == stopped
    ended = [rows[f"{n}"] for n in range(stopped)]
    others = [rows[f"{n}"] for n in range(stopped, 4)]
    assert all(row.state == "succeeded" and row.epochs == 2 and row.metrics for row in ended)
    assert all(row.state == "cancelled" and not row.metrics for row in others)
    assert (job.best is not None) == (fleet.result_path is not None) == bool(stopped)
