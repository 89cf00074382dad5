"""Predictions: jobs that score a data set, part by part; each has one fleet without trials.

Claims, leases, heartbeats, retries and cancellation are those of any fleet. A fleet's ``epoch`` is
the number of its parts that are stored.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import select
from sqlalchemy.orm import Session

from worker.caller import DEFAULT_TENANT
from worker.errors import NotFoundError
from worker.results import Metrics
from worker.schema import Json
from worker.storage import events, fleets, jobs, waits
from worker.storage.additions import NewFleet, add_fleets
from worker.storage.fleets import Lease, ResultFile, hold
from worker.storage.page import Page
from worker.storage.states import Kind
from worker.storage.tables import (
    Fleet,
    Job,
    ModelVersion,
    PredictionJob,
    PredictionPart,
)
from worker.storage.types import new_id

LISTED = ("dataset", "format")
"""What lists show of what was posted."""


@dataclass(frozen=True)
class PredictionRows:
    """The rows of one prediction."""

    job: Job
    prediction: PredictionJob
    fleet: Fleet


@dataclass(frozen=True)
class PartFile:
    """Where a part lies, and what its manifest must hash to."""

    rows: int
    path: str
    sha256: str


def prediction_folder(prediction_id: str) -> str:
    """Where all its files lie, relative to the root of the artefacts."""
    return f"predictions/{prediction_id}"


def parts_folder(prediction_id: str) -> str:
    """Where its parts lie while it is scored."""
    return f"{prediction_folder(prediction_id)}/parts"


def result_folder(prediction_id: str) -> str:
    """Where its result lies."""
    return f"{prediction_folder(prediction_id)}/result"


def add_prediction(
    session: Session,
    *,
    spec: Json,
    version: ModelVersion,
    model_name: str,
    rows: int,
    part_rows: int,
    name: str = "",
    dataset_id: str | None = None,
    tenant: str = DEFAULT_TENANT,
) -> PredictionRows:
    """Accept a prediction: its job, its fleet, what is its own. Commit before answering 202."""
    job = Job(
        id=new_id("pred"),
        tenant=tenant,
        kind=Kind.PREDICTION,
        name=name,
        spec=spec,
        summary={name: spec[name] for name in LISTED},
        dataset_id=dataset_id,
        objective="",
        trials_planned=0,
        epochs=0,
    )
    session.add(job)
    session.flush()
    prediction = PredictionJob(
        id=job.id,
        tenant=tenant,
        model_id=version.model_id,
        model_name=model_name,
        version=version.version,
        rows_total=rows,
        part_rows=part_rows,
    )
    session.add(prediction)
    add_fleets(session, job, [NewFleet(trials=(), epochs=-(-rows // part_rows))])
    events.append(session, job, "accepted", f"accepted, {rows} row(s)")
    session.flush()
    return _complete(session, [job])[0]


def find_prediction(
    session: Session, prediction_id: str, *, tenant: str = DEFAULT_TENANT
) -> PredictionRows:
    """The tenant's prediction of this id; ``NotFoundError`` without one."""
    job = jobs.find_job(session, prediction_id, kind=Kind.PREDICTION, tenant=tenant)
    return of_job(session, job)


def of_job(session: Session, job: Job) -> PredictionRows:
    """The rows of the prediction that a job is."""
    return _complete(session, [job])[0]


def prediction_page(
    session: Session,
    *,
    state: str | None = None,
    limit: int = 20,
    after: str | None = None,
    tenant: str = DEFAULT_TENANT,
) -> Page[PredictionRows]:
    """The tenant's predictions, newest first; of one state, if given."""
    page = jobs.job_page(
        session, kind=Kind.PREDICTION, state=state, limit=limit, after=after, tenant=tenant
    )
    return Page(items=_complete(session, page.items), has_more=page.has_more)


def _complete(session: Session, found: Sequence[Job]) -> list[PredictionRows]:
    """What belongs to these jobs, in two queries for all."""
    ids = [job.id for job in found]
    own = session.scalars(select(PredictionJob).where(PredictionJob.id.in_(ids)))
    fleets_of = session.scalars(select(Fleet).where(Fleet.job_id.in_(ids)))
    by_id = {prediction.id: prediction for prediction in own}
    by_job = {fleet.job_id: fleet for fleet in fleets_of}
    return [PredictionRows(job, by_id[job.id], by_job[job.id]) for job in found]


def held(session: Session, lease: Lease) -> PredictionRows:
    """The rows, locked; ``StaleToken`` when the lease is no longer current."""
    job, fleet = hold(session, lease)
    return PredictionRows(job, session.get_one(PredictionJob, job.id), fleet)


def find_version(session: Session, prediction: PredictionJob) -> ModelVersion:
    """The version that was pinned; ``NotFoundError`` when it has been deleted since."""
    version = session.get(ModelVersion, (prediction.model_id, prediction.version))
    if version is None:
        raise NotFoundError(
            f"version {prediction.version} of model {prediction.model_name!r} has been deleted",
            param="version",
        )
    return version


def stored_parts(session: Session, prediction_id: str) -> dict[int, PartFile]:
    """The parts that are done, by number."""
    rows = session.scalars(
        select(PredictionPart).where(PredictionPart.prediction_id == prediction_id)
    )
    return {row.number: PartFile(row.rows, row.path, row.sha256) for row in rows}


def save_part(session: Session, lease: Lease, number: int, part: PartFile) -> None:
    """Refer to a part that is whole and verified, in place of a damaged one if there is one.

    Only a part more than ever before counts as progress.
    """
    current = held(session, lease)
    prediction, fleet = current.prediction, current.fleet
    waits.note(session, current.job, fleet, None)
    row = session.get(PredictionPart, (prediction.id, number))
    if row is not None:
        row.path, row.sha256 = part.path, part.sha256
        return
    session.add(
        PredictionPart(
            prediction_id=prediction.id,
            number=number,
            tenant=prediction.tenant,
            rows=part.rows,
            path=part.path,
            sha256=part.sha256,
        )
    )
    prediction.rows_done += part.rows
    fleet.epoch += 1
    if fleet.epoch > fleet.progress_epoch:
        fleet.progress_epoch = fleet.epoch
        fleet.stalled_attempts = fleet.place_faults = 0


def store_result(session: Session, lease: Lease, file: ResultFile, metrics: Metrics | None) -> None:
    """End the prediction with its result. However it ends, nobody needs its parts any more."""
    held(session, lease).prediction.metrics = metrics
    fleets.finish(session, lease, [], file)
