"""Curves are the same before and after they are packed, and are packed once their job has ended."""

from typing import Any

import pytest

from tests.rows import RESULT, accept, claimed, good, trial
from worker.storage import curves, fleets, jobs, progress, queries
from worker.storage.database import Database

EPOCHS: list[tuple[int, dict[str, Any]]] = [
    (1, {"train_loss": [0.1, 1 / 3], "gap": [None, 1e-300]}),
    (2, {"train_loss": [0.30000000000000004, 2.0]}),
    (4, {"train_loss": [None, 1.0], "penalty": [0.0, 5e20], "gap": [-0.0, None]}),
]


@pytest.mark.parametrize("epochs", [EPOCHS, EPOCHS[:1], []])
def test_nothing_is_lost_in_packing(epochs: list[tuple[int, dict[str, Any]]]) -> None:
    assert curves.unpack(curves.pack(epochs)) == epochs


def test_curves_are_packed_when_their_job_has_ended(database: Database) -> None:
    with database.write() as session:
        job, (first, second) = accept(
            session, [trial("a"), trial("b", 1)], [trial("c", 2), trial("d", 3)]
        )
        leases = [claimed(session, fleet.id) for fleet in (first, second)]
        for lease in leases:
            progress.record_epochs(session, lease, EPOCHS)
        fleets.finish(session, leases[0], [good(), good()], RESULT)
        # Halving compares with what ended fleets of the job have recorded.
        assert curves.unpacked(session, limit=None) == []
        assert queries.rung(session, job.id, 1, "train_loss", without=second.id)
        fleets.finish(session, leases[1], [good(), good()], RESULT)
        assert set(curves.unpacked(session, limit=None)) == {first.id, second.id}
        assert len(curves.unpacked(session, limit=1, job_id=job.id)) == 1
        assert curves.unpacked(session, limit=None, job_id="job_other") == []
    with database.read() as session:
        before = queries.series(session, jobs.trials(session, jobs.find_job(session, job.id)))
    with database.write() as session:
        for fleet in (first, second):
            curves.replace(session, fleet.id, curves.pack(curves.rows(session, fleet.id)))
    with database.read() as session:
        assert curves.rows(session, first.id) == []
        assert curves.unpacked(session, limit=None) == []
        assert queries.series(session, jobs.trials(session, jobs.find_job(session, job.id))) == (
            before
        )
        assert curves.fleet_epochs(session, first.id) == EPOCHS
