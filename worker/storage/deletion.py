"""Jobs, versions and models are deleted.

A job goes in steps, each of which may be done again after an interruption: it is marked, and from
then on nobody finds it; its files are removed; then its rows, a fleet a transaction, itself last.
So no transaction takes long, and what is half gone is found by its row.

A version outlives its job: it keeps what it tells of it, and its file, until it is deleted itself.
Whoever comes last, the version or the job, removes the file: both look for the other under the lock
of the job's row.
"""

from collections.abc import Sequence

from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from worker.caller import DEFAULT_TENANT
from worker.errors import ConflictError, NotFoundError
from worker.storage import jobs, models
from worker.storage.catalogue import mark_changed, mark_deleted
from worker.storage.idempotency import Idempotency
from worker.storage.predictions import prediction_folder
from worker.storage.progress import checkpoints_folder, job_folder
from worker.storage.states import OPEN, Kind
from worker.storage.tables import (
    Fleet,
    Job,
    Model,
    ModelAlias,
    ModelVersion,
    PredictionJob,
)


def delete_job(
    session: Session, job_id: str, *, kind: Kind = Kind.TRAINING, tenant: str = DEFAULT_TENANT
) -> None:
    """Forget a job that has ended, and the keys that made it; its files and rows go later.

    Raises ``ConflictError`` unless it has ended.
    """
    job = jobs.find_job(session, job_id, kind=kind, tenant=tenant, lock=True)
    jobs.check_ended(job)
    version = session.scalar(select(ModelVersion).where(ModelVersion.job_id == job_id))
    if version is not None:
        kept = models.origin(session, version).model_dump(mode="json")
        version.manifest = version.manifest | {models.ORIGIN: kept}
    session.execute(delete(Idempotency).where(Idempotency.job_id == job_id))
    job.kind = Kind.DELETED
    session.flush()


def deleted_jobs(session: Session, *, limit: int | None) -> list[str]:
    """The jobs of all tenants that are deleted and have files or rows still."""
    marked = select(Job.id).where(Job.kind == Kind.DELETED)
    return list(session.scalars(marked.limit(limit)))


def folders_of(session: Session, job_id: str) -> list[str]:
    """The folders of a deleted job's files, without the file of a version that it made."""
    if session.get(PredictionJob, job_id) is not None:
        return [prediction_folder(job_id)]
    serving = session.scalar(select(ModelVersion.fleet_id).where(ModelVersion.job_id == job_id))
    if serving is None:
        return [job_folder(job_id)]
    fleets = session.scalars(select(Fleet.id).where(Fleet.job_id == job_id))
    return [
        checkpoints_folder(job_id, each) if each == serving else f"{job_folder(job_id)}/{each}"
        for each in fleets
    ]


def remove_rows(session: Session, job_id: str) -> bool:
    """Remove some rows of a deleted job, in the end itself; true while some are left."""
    some = session.scalars(select(Fleet.id).where(Fleet.job_id == job_id).limit(2)).all()
    if len(some) > 1:
        session.execute(delete(Fleet).where(Fleet.id == some[0]))
        return True
    session.execute(select(Job.id).where(Job.id == job_id).with_for_update())
    session.execute(delete(Job).where(Job.id == job_id, Job.kind == Kind.DELETED))
    return False


def needed_by_version(session: Session, job_id: str) -> bool:
    """Whether a version has its file among those of this job."""
    versions = select(ModelVersion.version).where(ModelVersion.job_id == job_id)
    return session.scalar(versions) is not None


def delete_alias(session: Session, name: str, alias: str, *, tenant: str = DEFAULT_TENANT) -> None:
    """Have an alias point at nothing more; ``NotFoundError`` for an unknown model or alias."""
    model = models.find_model(session, name, tenant=tenant, lock=True)
    row = session.get(ModelAlias, (model.id, alias))
    if row is None:
        raise NotFoundError(
            f"model {name!r} has no alias {alias!r}; GET /v1/models/{name} lists them",
            param="alias",
        )
    session.delete(row)
    session.flush()
    mark_changed(session, model.id)


def delete_version(
    session: Session, name: str, number: int, *, tenant: str = DEFAULT_TENANT
) -> list[str]:
    """Delete a version; the folders of files that nobody needs any more.

    Raises:
        NotFoundError: there is no such model or version.
        ConflictError: an alias points at it, or a prediction that has not ended needs it.
    """
    model = models.find_model(session, name, tenant=tenant, lock=True)
    row = models.resolve(session, name, number, tenant=tenant)
    aliases = session.scalars(
        select(ModelAlias.alias)
        .where(ModelAlias.model_id == model.id, ModelAlias.version == number)
        .order_by(ModelAlias.alias)
    ).all()
    if aliases:
        raise ConflictError(
            f"{', '.join(map(repr, aliases[:9]))} of model {name!r} points at version {number}; "
            f"point it at another one first, by PUT /v1/models/{name}/aliases/{aliases[0]}, or "
            f"delete it, by DELETE of that path",
            code="version_has_alias",
            param="version",
        )
    _check_unused(session, model, number)
    model.newest = models.highest(session, model)
    folders = _given_up(session, [row])
    session.delete(row)
    session.flush()
    mark_changed(session, model.id)
    return folders


def delete_model(session: Session, name: str, *, tenant: str = DEFAULT_TENANT) -> list[str]:
    """Delete a model with its versions and aliases; the folders that nobody needs any more.

    Raises:
        NotFoundError: there is no such model.
        ConflictError: a prediction that has not ended needs it.
    """
    model = models.find_model(session, name, tenant=tenant, lock=True)
    _check_unused(session, model)
    versions = session.scalars(select(ModelVersion).where(ModelVersion.model_id == model.id))
    folders = _given_up(session, versions.all())
    session.execute(delete(Model).where(Model.id == model.id))
    mark_deleted(session)
    return folders


def _check_unused(session: Session, model: Model, number: int | None = None) -> None:
    using = (
        select(Job.id)
        .join(PredictionJob, PredictionJob.id == Job.id)
        .where(PredictionJob.model_id == model.id, Job.state.in_(OPEN))
        .limit(1)
    )
    if number is not None:
        using = using.where(PredictionJob.version == number)
    user = session.scalar(using)
    if user is not None:
        what = f"model {model.name!r}" if number is None else f"version {number}"
        raise ConflictError(
            f"{what} is in use by {user}; wait for that prediction, or cancel it by "
            f"POST /v1/predictions/{user}/cancel",
            code="model_in_use",
            param="name" if number is None else "version",
        )


def _given_up(session: Session, versions: Sequence[ModelVersion]) -> list[str]:
    """The folders of those versions whose jobs are gone. The others are their jobs' results."""
    made_by = [row.job_id for row in versions]
    present = set(
        session.scalars(
            select(Job.id).where(Job.id.in_(made_by)).order_by(Job.id).with_for_update()
        )
    )
    return [job_folder(job_id) for job_id in made_by if job_id not in present]
