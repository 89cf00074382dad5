"""The last fleet of a job looks at all its networks: their files are read, and compared.

Imports torch: for trainer processes only.
"""

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import orjson
from sqlalchemy import select

from worker.appraisal import Contender, TrainedTrial, appraise, wanted
from worker.data import Prepared
from worker.errors import ParsimonyError, UnavailableError
from worker.jobs import Appraised, Ended
from worker.models import ModelFile
from worker.results import Metrics, TrialResult
from worker.spec import Trial
from worker.storage import queries
from worker.storage.artefacts import Artefacts
from worker.storage.database import Database
from worker.storage.fleets import Lease, hold
from worker.storage.states import State
from worker.storage.tables import Fleet

logger = logging.getLogger(__name__)


@dataclass(frozen=True, eq=False)
class OwnTrials:
    """The fleet that ends, whose results are not stored yet."""

    results: Sequence[TrialResult]
    file: ModelFile | None


def appraise_job(
    database: Database,
    artefacts: Artefacts,
    lease: Lease,
    ended: Ended,
    own: OwnTrials,
    prepared: Callable[[], Prepared],
    objective: str,
) -> Appraised | None:
    """What the networks of a job come to together.

    It is not worth a job: where something in the data or the networks keeps it from being said,
    that is logged, and the job ends without it.
    """
    try:
        contenders = _contenders(database, artefacts, lease, ended, own)
        appraisal = appraise(prepared(), contenders, winner=ended.winner, objective=objective)
    except UnavailableError:
        raise
    except ParsimonyError:
        logger.warning("job %s cannot be appraised", lease.job_id, exc_info=True)
        return None
    return None if appraisal is None else Appraised(appraisal)


@dataclass(frozen=True)
class _Row:
    """A trial as the database has it, and where its network is."""

    configuration: int
    settings: Trial
    metrics: Metrics
    fleet: str
    position: int
    is_done: bool


def _contenders(
    database: Database, artefacts: Artefacts, lease: Lease, ended: Ended, own: OwnTrials
) -> list[Contender]:
    numbers = wanted(ended.groups)
    numbers += [ended.winner] * (ended.winner not in numbers)
    with database.read() as session:
        job, _ = hold(session, lease)
        rows = [
            _Row(
                configuration=row.configuration,
                settings=Trial.model_validate_json(orjson.dumps(row.settings)),
                metrics=row.metrics,
                fleet=row.fleet_id,
                position=row.position,
                is_done=row.state == State.SUCCEEDED,
            )
            for row in queries.trials_of(session, job, numbers)
        ]
        stored = {
            fleet: (path, sha256)
            for fleet, path, sha256 in session.execute(
                select(Fleet.id, Fleet.result_path, Fleet.result_sha256).where(
                    Fleet.id.in_({row.fleet for row in rows})
                )
            )
            if path is not None
        }
    files: dict[str, ModelFile] = {}
    if own.file is not None:
        files[lease.fleet_id] = own.file
    by_number: dict[int, list[TrainedTrial]] = {number: [] for number in numbers}
    for row in rows:
        metrics, is_done = row.metrics, row.is_done
        if row.fleet == lease.fleet_id and own.results:
            result = own.results[row.position]
            metrics, is_done = result.metrics, result.state == "succeeded"
        if not is_done:
            continue
        file = files.get(row.fleet)
        if file is None:
            path, sha256 = stored[row.fleet]
            file = files[row.fleet] = ModelFile.load(artefacts.read(path, sha256))
        by_number[row.configuration].append(TrainedTrial(row.settings, metrics, file, row.position))
    return [
        Contender(number, trials[0].trial.name, trials)
        for number, trials in by_number.items()
        if trials
    ]
