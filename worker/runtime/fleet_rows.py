"""What the database says of a claimed fleet, as its training takes it.

Imports torch: for trainer processes only.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import orjson
from sqlalchemy.orm import Session

from worker.jobs import load_trials
from worker.spec import Builtin, JobSpec, Trial
from worker.statistics import mean
from worker.storage import datasets, progress, queries
from worker.storage.database import Database
from worker.storage.fleets import Lease, hold
from worker.storage.tables import Checkpoint, Dataset
from worker.training import Threshold


@dataclass(frozen=True)
class FleetRows:
    """A fleet's job, trials and checkpoints."""

    spec: JobSpec
    trials: Sequence[Trial]
    objective: str
    maximize: bool
    dataset: Dataset | None
    checkpoints: Sequence[Checkpoint]
    threshold: Threshold | None


def read_fleet(database: Database, lease: Lease) -> FleetRows:
    """Read it; ``StaleToken`` when it is somebody else's."""
    with database.read() as session:
        job, fleet = hold(session, lease)
        spec = JobSpec.model_validate_json(orjson.dumps(job.spec))
        trials = load_trials(session, fleet.id)
        dataset = (
            None
            if isinstance(spec.dataset, Builtin)
            else datasets.find_dataset(session, spec.dataset, tenant=job.tenant)
        )
        return FleetRows(
            spec=spec,
            trials=trials,
            objective=job.objective,
            maximize=job.maximize,
            dataset=dataset,
            checkpoints=progress.candidates(session, fleet.id),
            threshold=_threshold(session, job.id, spec, trials),
        )


def _threshold(
    session: Session, job_id: str, spec: JobSpec, trials: Sequence[Trial]
) -> Threshold | None:
    """The threshold that a job asks for. A refit has no rows to choose it on: it takes the mean of
    those that were chosen for its configuration, on the validation rows of each repeat and fold.
    """
    refitted = [trial.refit for trial in trials if trial.refit is not None]
    if not isinstance(spec.threshold, str) or not refitted:
        return spec.threshold
    chosen = queries.final_metric(session, job_id, "threshold", refitted)
    return [mean(chosen.get(number, [0.5])) for number in refitted]
