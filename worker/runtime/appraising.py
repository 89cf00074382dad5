"""The last fleet of a job looks at all its networks: their files are read, and compared.

Imports torch: for trainer processes only.
"""

import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import orjson
from sqlalchemy import ColumnElement, select
from sqlalchemy.orm import Session

from worker.appraisal import (
    AppraisedUncertainty,
    Beside,
    Contender,
    ServedTrial,
    TrainedTrial,
    appraise,
    served_uncertainty,
    wanted,
)
from worker.data import Prepared
from worker.errors import ParsimonyError, UnavailableError
from worker.jobs import Appraised, Ended
from worker.models import ModelFile
from worker.results import Appraisal, Curve, Metrics, Standing, TrialResult, score_of
from worker.runtime.ensembling import PreparedTwice, Together, join_networks
from worker.runtime.patience import Interrupted
from worker.search import Boosted, posted_configurations
from worker.spec import JobSpec, Switch, Trial
from worker.storage import queries
from worker.storage.artefacts import Artefacts
from worker.storage.database import Database
from worker.storage.faults import is_collision, place_fault
from worker.storage.fleets import Lease, ResultFile, StaleToken, hold
from worker.storage.states import State
from worker.storage.tables import Fleet, Job, TrialRow

logger = logging.getLogger(__name__)

MOST_PLAIN = 4
"""Configurations without regularization that are looked at beside the best."""
FEW_REPEATS = 2
"""Repeats up to which the part of the seeds is known little from them."""
LAST, FEWEST = 4, 4
"""Of the epochs the last one in so many, and at least so many, say how far metrics still go."""
SERVED = "model.safetensors"
"""The file of a trial that is served with what it keeps of rows that did not train it."""
_VALIDATION = "validation_"


@dataclass(frozen=True, eq=False)
class OwnTrials:
    """The fleet that ends, whose results are not stored yet."""

    results: Sequence[TrialResult]
    file: ModelFile | None
    refit_data: Prepared | None = None
    """Its data, where it trains a winner once more."""
    boosted: Boosted | None = None
    """Gradient boosting, where it was measured."""


@dataclass(frozen=True, eq=False)
class AppraisedJob:
    """The job that ends."""

    spec: JobSpec
    objective: str
    prepared: Callable[[], Prepared]
    """Its data, as the trials that are no refits see them."""
    whole: Callable[[], Prepared]
    """The same as refits see them."""
    device: str


def appraise_job(
    database: Database,
    artefacts: Artefacts,
    lease: Lease,
    ended: Ended,
    own: OwnTrials,
    job: AppraisedJob,
) -> Appraised | None:
    """What the networks of a job come to together.

    It is not worth a job: where something in the data or the networks keeps it from being said,
    that is logged, and the job ends without it.
    """
    try:
        rows = _rows(database, lease, ended, own, job)
        trained = _trained(artefacts, rows, lease, own)
        prepared = job.prepared()
    except UnavailableError:
        raise
    except ParsimonyError:
        logger.warning("job %s cannot be appraised", lease.job_id, exc_info=True)
        return None
    refits = _contenders(trained, rows.refits)
    reference = _reference(job.spec)
    beside = Beside(
        competing=sum(group.rank.wins for group in ended.groups),
        searched=job.spec.search is not None,
        let_go=sum(group.rank.wins and group.halved for group in ended.groups),
        ordered_by=job.spec.split.order,
        twin=reference if reference in rows.numbers else None,
        left_out=_contenders(trained, rows.left_out),
        refits=[
            Contender(refit.trials[0].trial.refit or 0, refit.name, refit.trials)
            for refit in refits
        ],
        refit_data=own.refit_data,
        boosted=None if own.boosted is None else own.boosted.scores,
    )
    try:
        appraisal = appraise(
            prepared,
            _contenders(trained, rows.numbers),
            winner=ended.winner,
            objective=job.objective,
            device=job.device,
            beside=beside,
        )
        if appraisal is None:
            return None
        # What cannot be read back must not be stored: the report would fail for ever.
        Appraisal.model_validate_json(appraisal.model_dump_json())
        served = _served(trained, refits, ended, own, job, prepared, beside.competing)
        del trained, refits, beside
        together = join_networks(
            database,
            artefacts,
            lease,
            ended,
            (own.results, own.file),
            PreparedTwice(job.prepared, lambda: own.refit_data or job.whole()),
            job.spec,
            job.objective,
        )
        return _appraised(artefacts, lease, appraisal, together, served, own, job)
    except (Interrupted, StaleToken):
        raise
    except Exception as error:
        if place_fault(error) is not None or is_collision(error):
            raise
        # Arithmetic alone: the job is done without it.
        logger.exception("job %s cannot be appraised", lease.job_id)
        return None


def _appraised(
    artefacts: Artefacts,
    lease: Lease,
    appraisal: Appraisal,
    together: Together | None,
    served: ServedTrial | None,
    own: OwnTrials,
    job: AppraisedJob,
) -> Appraised:
    """The appraisal with what is served, and the file of that: an ensemble's, or the winner's with
    what it keeps of rows that did not train it.
    """
    update: dict[str, object] = {}
    if together is not None:
        update |= {
            "choice": together.choice,
            "ensemble": together.ensemble,
            "uncertainty": together.uncertainty,
        }
    file, in_place = None if together is None else together.file, False
    if file is None and served is not None:
        sure = served_uncertainty(served)
        update["uncertainty"] = None if sure is None else sure.report
        alone = len(own.results) == 1 and served.trained.trial.fold is None
        in_place = sure is not None and alone and served.trained.file is own.file
        # Where a fleet is one trial it has one file, whether that becomes a model or not.
        if sure is not None and (in_place or job.spec.model is not None):
            file = _written(artefacts, lease, served.trained, sure)
    return Appraised(appraisal.model_copy(update=update), file, in_place)


def _served(
    trained: Mapping[int, Sequence[TrainedTrial]],
    refits: Sequence[Contender],
    ended: Ended,
    own: OwnTrials,
    job: AppraisedJob,
    prepared: Prepared,
    competing: int,
) -> ServedTrial | None:
    """The trial that is served unless an ensemble is: the winner's first that has an objective or,
    where it is trained once more, the first that does that; as `worker.storage.outcome` has it.
    """
    number = ended.winner
    (winner,) = _contenders(trained, [number])
    again = [one for refit in refits for one in refit.trials if one.trial.refit == number]
    if job.spec.refits:
        if not again:
            return None
        data = own.refit_data or job.whole()
        return ServedTrial(
            again[0].id, again[0], winner, competing, prepared, data, device=job.device
        )
    scored = (
        one
        for one in winner.trials
        if score_of(one.metrics.get(job.objective), maximize=False) is not None
    )
    first = next(scored, None)
    if first is None:
        return None
    return ServedTrial(first.id, first, winner, competing, prepared, device=job.device)


def _written(
    artefacts: Artefacts, lease: Lease, trained: TrainedTrial, sure: AppraisedUncertainty
) -> ResultFile:
    """The file of the trial that is served, with what it keeps."""
    file = trained.file.alone(trained.position).with_calibration(sure.kept)
    folder = f"jobs/{lease.job_id}/{lease.fleet_id}/served"
    written = artefacts.write(folder, {SERVED: file.dump()})
    entry = written.files[SERVED]
    return ResultFile(path=written.file(SERVED), sha256=entry.sha256, bytes=entry.bytes)


def _reference(spec: JobSpec) -> int | None:
    """The configuration of a search with all its switches off, if it has one: the first."""
    search = spec.search
    if search is None or not search.references or not isinstance(search.space, dict):
        return None
    return 0 if any(isinstance(one, Switch) for one in search.space.values()) else None


def _plain(spec: JobSpec) -> list[int]:
    """The numbers of the configurations without regularization that a job names."""
    reference = _reference(spec)
    if reference is not None:
        return [reference]
    if spec.search is not None or spec.compare is None:
        return []
    posted = posted_configurations(spec)
    plain = (one for one in posted if not any(True for _ in one.regularization.techniques()))
    return [one.configuration for one in plain][:MOST_PLAIN]


@dataclass(frozen=True, eq=False)
class _Rows:
    """The trials of a job as the database has them."""

    numbers: Sequence[int]
    """The configurations that compete, best first."""
    left_out: Sequence[int]
    """The winner's, with a technique left out."""
    refits: Sequence[int]
    """Those that train a winner once more."""
    trials: Sequence["_Row"]
    stored: Mapping[str, tuple[str, str]]
    """Fleet → path and hash of its file."""


@dataclass(frozen=True)
class _Row:
    """A trial as the database has it, and where its network is."""

    configuration: int
    settings: Trial
    metrics: Metrics
    is_done: bool
    fleet: str
    position: int
    wander: Mapping[str, float]
    id: str


def _rows(
    database: Database, lease: Lease, ended: Ended, own: OwnTrials, job: AppraisedJob
) -> _Rows:
    known = {group.number for group in ended.groups if group.rank.wins and not group.halved}
    numbers = list(
        dict.fromkeys(
            [
                *wanted(ended.groups),
                ended.winner,
                *(number for number in _plain(job.spec) if number in known),
            ]
        )
    )
    with database.read() as session:
        row, _ = hold(session, lease)
        left_out = _left_out(session, row, ended.winner) if job.spec.attribute else []
        refits = _refits(session, row) if job.spec.refits else []
        found = queries.trials_of(session, row, [*numbers, *left_out, *refits])
        few = job.spec.split.folds is None and job.spec.repeats <= FEW_REPEATS
        series = queries.series(session, found) if few else {}
        trials = [_row(trial, lease, own, series.get(trial.id, {})) for trial in found]
        fleet_ids = {trial.fleet for trial in trials}
        query = select(Fleet.id, Fleet.result_path, Fleet.result_sha256)
        stored = {
            fleet: (path, sha256)
            for fleet, path, sha256 in session.execute(query.where(Fleet.id.in_(fleet_ids)))
            if path is not None and sha256 is not None
        }
    return _Rows(numbers, left_out, refits, trials, stored)


def _row(trial: TrialRow, lease: Lease, own: OwnTrials, series: Mapping[str, Curve]) -> _Row:
    metrics, is_done = trial.metrics, trial.state == State.SUCCEEDED
    if trial.fleet_id == lease.fleet_id and own.results:
        result = own.results[trial.position]
        metrics, is_done = result.metrics, result.state == "succeeded"
    return _Row(
        configuration=trial.configuration,
        settings=Trial.model_validate_json(orjson.dumps(trial.settings)),
        metrics=metrics,
        is_done=is_done,
        fleet=trial.fleet_id,
        position=trial.position,
        wander=_wander(series),
        id=trial.id,
    )


def _left_out(session: Session, job: Job, winner: int) -> list[int]:
    """The numbers of the configurations that leave a technique of the winner out."""
    whole = TrialRow.settings["without"]["configuration"].as_integer()
    return _numbers(session, job, whole == winner)


def _refits(session: Session, job: Job) -> list[int]:
    """The numbers of the configurations that train a winner once more."""
    return _numbers(session, job, TrialRow.settings["refit"].as_integer().is_not(None))


def _numbers(session: Session, job: Job, which: ColumnElement[bool]) -> list[int]:
    aside = TrialRow.standing > Standing.BEHIND
    query = select(TrialRow.configuration).where(TrialRow.job_id == job.id, aside, which)
    return list(session.scalars(query.distinct().order_by(TrialRow.configuration)))


def _wander(series: Mapping[str, Curve]) -> dict[str, float]:
    """By metric of validation rows: how far it is from a straight line over the last epochs.

    The standard deviation of what a regression on the epochs leaves, with m − 2 degrees of freedom:
    what still falls or rises does not count.
    """
    spreads: dict[str, float] = {}
    for name, values in series.items():
        last = values[-max(FEWEST, len(values) // LAST) :]
        known = np.array([value for value in last if value is not None], dtype=np.float64)
        if not name.startswith(_VALIDATION) or len(known) < FEWEST or not np.isfinite(known).all():
            continue
        epochs = np.arange(len(known)) - (len(known) - 1) / 2
        rest = known - known.mean()
        rest -= epochs * (epochs @ rest) / (epochs @ epochs)
        deviation = float(np.sqrt(rest @ rest / (len(known) - 2)))
        spreads[name.removeprefix(_VALIDATION)] = deviation
    return spreads


def _trained(
    artefacts: Artefacts, rows: _Rows, lease: Lease, own: OwnTrials
) -> dict[int, list[TrainedTrial]]:
    """The networks of each configuration, from the files of their fleets."""
    files: dict[str, ModelFile] = {}
    if own.file is not None:
        files[lease.fleet_id] = own.file
    by_number: dict[int, list[TrainedTrial]] = {}
    for row in rows.trials:
        if not row.is_done:
            continue
        file = files.get(row.fleet)
        if file is None:
            file = files[row.fleet] = ModelFile.load(artefacts.read(*rows.stored[row.fleet]))
        trained = TrainedTrial(row.settings, row.metrics, file, row.position, row.wander, row.id)
        by_number.setdefault(row.configuration, []).append(trained)
    return by_number


def _contenders(
    trained: Mapping[int, Sequence[TrainedTrial]], numbers: Iterable[int]
) -> list[Contender]:
    """Those of which a trial succeeded, in this order."""
    return [
        Contender(number, trained[number][0].trial.name, trained[number])
        for number in numbers
        if number in trained
    ]
