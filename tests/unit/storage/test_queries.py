"""What other fleets of a job had at a rung."""

from tests.rows import accept, claimed, trial
from worker.storage import progress, queries
from worker.storage.database import Database


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
    job_id, mine_id = mine.job_id, mine.id
    with database.read() as session:

        def rung(epoch: int, metric: str = "validation_loss") -> dict[int, list[float]]:
            return queries.rung(session, job_id, epoch, metric, without=mine_id)

        # A configuration with a trial that has no value is not known yet.
        assert rung(1) == {1: [0.1, 0.2], 2: [0.3], 4: [0.7]}
        assert rung(2) == {1: [0.1, 0.2], 2: [0.3]}
        assert rung(3) == {}
        assert rung(1, "no_metric") == {}
