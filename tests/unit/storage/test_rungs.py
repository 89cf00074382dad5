"""What other fleets of a job had at a rung."""

from tests.rows import accept, claimed, trial
from worker.storage import progress
from worker.storage.database import Database
from worker.storage.rungs import rung


def test_values_are_those_of_other_fleets_of_the_job_at_that_epoch(database: Database) -> None:
    with database.write() as session:
        _, (mine, other, third) = accept(
            session,
            [trial("a", 0)],
            [trial("b", 1), trial("b", 1, 1), trial("c", 2), trial("d", 3), trial("d", 3, 1)],
            [trial("e", 4)],
        )
        _, (foreign,) = accept(session)
        leases = {f.id: claimed(session, f.id) for f in (mine, other, third, foreign)}
        for fleet, values in (
            (mine, [0.9]),
            (other, [0.1, 0.2, 0.3, 0.4, None]),
            (foreign, [0.5]),
        ):
            epochs = [
                (epoch, {"validation_loss": values, "gap": [0.0] * len(values)}) for epoch in (1, 2)
            ]
            progress.record_epochs(session, leases[fleet.id], epochs)
        progress.record_epochs(session, leases[third.id], [(1, {"validation_loss": [0.7]})])
    with database.read() as session:
        # A configuration with a member that has no value is not known yet.
        found = rung(session, leases[mine.id], 1, "validation_loss")
        assert found == {1: [0.1, 0.2], 2: [0.3], 4: [0.7]}
        assert rung(session, leases[mine.id], 2, "validation_loss") == {1: [0.1, 0.2], 2: [0.3]}
        assert rung(session, leases[mine.id], 3, "validation_loss") == {}
        assert rung(session, leases[mine.id], 1, "no_metric") == {}
