"""Jobs: accepted, listed, cancelled, concluded."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import func, select, update
from sqlalchemy.orm import Session

from worker.errors import ConflictError, NotFoundError
from worker.storage import conclusion, events
from worker.storage.page import Page, newest_first
from worker.storage.states import OPEN, TERMINAL, State
from worker.storage.tables import DEFAULT_TENANT, Checkpoint, Fleet, Job, TrialRow
from worker.storage.types import new_id, utc_now


@dataclass(frozen=True)
class NewTrial:
    """One trial of a job that is being accepted. ``settings`` is the trial as JSON."""

    name: str
    configuration: int
    repeat: int
    fold: int | None
    settings: dict[str, Any]


@dataclass(frozen=True)
class NewFleet:
    """One fleet of a job that is being accepted. ``plan`` is the fleet's plan as JSON."""

    plan: dict[str, Any]
    trials: Sequence[NewTrial]
    epochs: int


def create(
    session: Session,
    *,
    spec: dict[str, Any],
    fleets: Iterable[NewFleet],
    objective: str,
    maximize: bool = False,
    advice: Sequence[dict[str, Any]] = (),
    name: str = "",
    dataset_id: str | None = None,
    model_name: str | None = None,
    tenant: str = DEFAULT_TENANT,
) -> Job:
    """Accept a job: the job, its fleets and trials, all queued. Commit before answering 202."""
    job = Job(
        id=new_id("job"),
        tenant=tenant,
        name=name,
        spec=spec,
        dataset_id=dataset_id,
        advice=list(advice),
        model_name=model_name,
        objective=objective,
        maximize=maximize,
        trials_total=0,
        epochs=0,
    )
    session.add(job)
    session.flush()
    for number, new in enumerate(fleets):
        fleet = Fleet(
            id=new_id("flt"),
            tenant=tenant,
            job_id=job.id,
            number=number,
            plan=new.plan,
            epochs=new.epochs,
        )
        session.add(fleet)
        session.flush()
        session.add_all(
            TrialRow(
                id=new_id("trl"),
                tenant=tenant,
                job_id=job.id,
                fleet_id=fleet.id,
                position=position,
                name=trial.name,
                configuration=trial.configuration,
                repeat=trial.repeat,
                fold=trial.fold,
                settings=trial.settings,
            )
            for position, trial in enumerate(new.trials)
        )
        job.trials_total += len(new.trials)
        job.epochs += new.epochs
    if not job.trials_total:
        raise ValueError("a job needs at least one trial")
    events.append(session, job, "accepted", f"accepted, {job.trials_total} trial(s)")
    session.flush()
    return job


def get(session: Session, job_id: str, *, tenant: str = DEFAULT_TENANT, lock: bool = False) -> Job:
    """The tenant's job of this id; ``NotFoundError`` without one."""
    query = select(Job).where(Job.id == job_id, Job.tenant == tenant)
    job = session.scalar(query.with_for_update() if lock else query)
    if job is None:
        raise NotFoundError(f"there is no job {job_id}; GET /v1/jobs lists yours", param="id")
    return job


def page(
    session: Session,
    *,
    state: str | None = None,
    limit: int = 20,
    after: str | None = None,
    tenant: str = DEFAULT_TENANT,
) -> Page[Job]:
    """The tenant's jobs, newest first; of one state, if given."""
    query = select(Job)
    if state is not None:
        query = query.where(Job.state == state)
    return newest_first(session, Job, query, tenant=tenant, limit=limit, after=after)


def trials(session: Session, job: Job) -> list[TrialRow]:
    """The job's trials, best first: by the objective, then those without one, as posted.

    Those that leave a technique out, and so do not compete, come after all others.
    """
    rows = session.scalars(
        select(TrialRow)
        .where(TrialRow.job_id == job.id)
        .order_by(TrialRow.configuration, TrialRow.repeat, TrialRow.fold)
    )
    return sorted(rows, key=lambda row: (not conclusion.competes(row), conclusion.rank(row, job)))


def fleets(session: Session, job_id: str) -> list[Fleet]:
    """The job's fleets, in order."""
    return list(session.scalars(select(Fleet).where(Fleet.job_id == job_id).order_by(Fleet.number)))


def checkpoints(session: Session, job_id: str) -> list[Checkpoint]:
    """The job's checkpoints that are kept, newest first."""
    return list(
        session.scalars(
            select(Checkpoint)
            .where(Checkpoint.job_id == job_id)
            .order_by(Checkpoint.created_at.desc(), Checkpoint.id)
        )
    )


def first_step_at(session: Session, job_id: str) -> Any:
    """When the first training step of the job ended; none before it."""
    return session.scalar(select(func.min(Fleet.first_step_at)).where(Fleet.job_id == job_id))


def request_cancel(session: Session, job_id: str, *, tenant: str = DEFAULT_TENANT) -> Job:
    """Cancel a job: what is queued ends now, what runs is told at its next heartbeat.

    Cancelling a cancelled job again changes nothing. Raises ``ConflictError`` when it has ended
    otherwise.
    """
    job = get(session, job_id, tenant=tenant, lock=True)
    if job.state == State.CANCELLED or (job.cancel_requested and job.state not in TERMINAL):
        return job
    if job.state in TERMINAL:
        raise ConflictError(f"job {job_id} has {job.state} already", code="job_ended", param="id")
    job.cancel_requested = True
    events.append(session, job, "cancel_requested", "cancellation requested")
    waiting = list(
        session.scalars(
            select(Fleet.id).where(
                Fleet.job_id == job_id, Fleet.state.in_([State.QUEUED, State.PAUSED])
            )
        )
    )
    session.execute(
        update(Fleet)
        .where(Fleet.id.in_(waiting), Fleet.state.in_([State.QUEUED, State.PAUSED]))
        .values(state=State.CANCELLED, finished_at=utc_now())
    )
    session.execute(
        update(TrialRow)
        .where(TrialRow.fleet_id.in_(waiting), TrialRow.state.in_(OPEN))
        .values(state=State.CANCELLED)
    )
    session.flush()
    conclusion.conclude(session, job)
    return job
