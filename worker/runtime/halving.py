"""Halving of one fleet of a search, in the light of the job's other fleets.

Imports torch: for trainer processes only.
"""

from worker.search.halving import Halving, RungValues
from worker.search.plan import FleetPlan
from worker.spec import JobSpec
from worker.storage.database import Database
from worker.storage.lease import Lease
from worker.storage.rungs import rung


def halving(database: Database, lease: Lease, spec: JobSpec, plan: FleetPlan) -> Halving | None:
    """The rule by which configurations leave this fleet; none unless the job asks for it.

    Each rung reads what the other fleets have recorded there. Refits train to their end.
    """
    search = spec.search
    refits = any(trial.refit is not None for trial in plan.trials)
    if search is None or search.method != "halving" or refits:
        return None

    def elsewhere(epoch: int) -> RungValues:
        with database.read() as session:
            return rung(session, lease, epoch, plan.objective)

    return Halving(
        [trial.configuration for trial in plan.trials],
        epochs=plan.trials[0].training.epochs,
        min_epochs=search.min_epochs,
        eta=search.eta,
        objective=plan.objective,
        maximize=plan.maximize,
        elsewhere=elsewhere,
    )
