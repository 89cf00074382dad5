"""Jobs: created, listed, cancelled, counted.

A job has the state of its fleets: queued until one is claimed, running while one runs. Once the
last has ended, :func:`~worker.storage.outcome.conclude` says in the same transaction what came of
it.
"""

from collections.abc import Iterable, Sequence
from datetime import datetime

from sqlalchemy import Select, func, select, tuple_, update
from sqlalchemy.orm import Session, defer

from worker.caller import DEFAULT_TENANT
from worker.errors import ConflictError, NotFoundError
from worker.results import UNSCORED, Advice, Understood, place_of
from worker.schema import Json
from worker.storage import events, pauses
from worker.storage.additions import NewFleet, add_fleets
from worker.storage.outcome import conclude
from worker.storage.page import Page, newest_first
from worker.storage.states import OPEN, TERMINAL, Kind, State
from worker.storage.tables import Checkpoint, Fleet, Job, TrialRow
from worker.storage.types import new_id, utc_now

MOST_LOOKED_AT = 50
"""Trials of a configuration among which one with curves is looked for."""


def add_job(
    session: Session,
    *,
    spec: Json,
    posted: Json | None = None,
    summary: Json | None = None,
    fleets: Iterable[NewFleet],
    objective: str,
    maximize: bool = False,
    trials_total: int | None = None,
    advice: Sequence[Advice] = (),
    understood: Understood | None = None,
    name: str = "",
    dataset_id: str | None = None,
    model_name: str | None = None,
    device: str | None = None,
    priority: int = 0,
    estimated_seconds: float | None = None,
    tenant: str = DEFAULT_TENANT,
) -> Job:
    """Accept a job: the job, its fleets and trials, all queued. Commit before answering 202.

    ``posted`` is what answers show of ``spec``, and ``summary`` what lists do. ``trials_total`` is
    how many trials it will have, where these fleets are but the first.
    """
    job = Job(
        id=new_id("job"),
        tenant=tenant,
        name=name,
        spec=spec,
        posted=posted,
        summary=summary,
        dataset_id=dataset_id,
        advice=list(advice),
        understood=understood,
        model_name=model_name,
        device=device,
        priority=priority,
        estimated_seconds=estimated_seconds,
        objective=objective,
        maximize=maximize,
        trials_total=trials_total or 0,
        trials_planned=0,
        epochs=0,
    )
    session.add(job)
    session.flush()
    planned = add_fleets(session, job, fleets)
    job.trials_total = planned if trials_total is None else trials_total
    if not planned:
        raise ValueError("a job needs at least one trial")
    events.append(session, job, "accepted", f"accepted, {job.trials_total} trial(s)")
    session.flush()
    return job


def find_job(
    session: Session,
    job_id: str,
    *,
    tenant: str = DEFAULT_TENANT,
    kind: Kind = Kind.TRAINING,
    lock: bool = False,
    complete: bool = True,
) -> Job:
    """The tenant's job of this id and kind; ``NotFoundError`` without one.

    Unless it is to be ``complete``, its spec, which may name a million rows, is read when it is
    first asked for.
    """
    query = select(Job).where(Job.id == job_id, Job.tenant == tenant, Job.kind == kind)
    if not complete:
        query = query.options(defer(Job.spec))
    job = session.scalar(query.with_for_update() if lock else query)
    if job is None:
        what, listed = _NOUNS[kind]
        raise NotFoundError(f"there is no {what} {job_id}; GET {listed} lists yours", param="id")
    return job


_NOUNS = {Kind.TRAINING: ("job", "/v1/jobs"), Kind.PREDICTION: ("prediction", "/v1/predictions")}
"""What a job of each kind is called, and where it is listed."""


def job_page(
    session: Session,
    *,
    kind: Kind = Kind.TRAINING,
    state: str | None = None,
    limit: int = 20,
    after: str | None = None,
    tenant: str = DEFAULT_TENANT,
) -> Page[Job]:
    """The tenant's jobs of a kind, newest first; of one state, if given. What their summaries stand
    for is not read.
    """
    query = select(Job).where(Job.kind == kind)
    query = query.options(*map(defer, (Job.spec, Job.posted, Job.understood)))
    if state is not None:
        query = query.where(Job.state == state)
    return newest_first(session, Job, query, tenant=tenant, limit=limit, after=after)


_PLACE = (
    TrialRow.standing,
    TrialRow.score,
    TrialRow.configuration,
    TrialRow.repeat,
    func.coalesce(TrialRow.fold, 0),
)
"""``place_of`` in SQL; an index begins with it."""


def _ranked(job: Job) -> Select[TrialRow]:
    return select(TrialRow).where(TrialRow.job_id == job.id).order_by(*_PLACE)


def trials(session: Session, job: Job) -> list[TrialRow]:
    """The job's trials, best first: by the objective, then those without one, as posted.

    Those that leave a technique out, and so do not compete, come after all others.
    """
    return list(session.scalars(_ranked(job)))


def trial(session: Session, job: Job, trial_id: str | None, *, param: str) -> TrialRow:
    """One trial of the job; ``NotFoundError`` when it has no such.

    Unless said it is the first one of the winning configuration, the best so far: of all trials
    the best may be the luckiest of another one. Without any winner it is the first on the
    leaderboard.
    """
    query = _ranked(job).limit(1)
    if trial_id is None and job.best is not None:
        query = _of_winner(job, job.best.configuration).limit(1)
    if trial_id is not None:
        query = select(TrialRow).where(TrialRow.id == trial_id, TrialRow.job_id == job.id)
    row = session.scalar(query)
    if row is None:
        raise NotFoundError(
            f"The job has no trial {trial_id}; its /trials lists them.", param=param
        )
    return row


def trial_with_curves(session: Session, job: Job, trial_id: str | None, *, param: str) -> TrialRow:
    """As ``trial``; unless one is named, of the winning configuration's the first that keeps curves
    of a classifier, which of large fleets only some do.
    """
    row = trial(session, job, trial_id, param=param)
    if trial_id is not None or job.best is None:
        return row
    others = session.scalars(_of_winner(job, job.best.configuration).limit(MOST_LOOKED_AT))
    kept = (one for one in others if one.report is not None and one.report.curves is not None)
    return next(kept, row)


def _of_winner(job: Job, configuration: int) -> Select[TrialRow]:
    return (
        select(TrialRow)
        .where(TrialRow.job_id == job.id, TrialRow.configuration == configuration)
        .order_by(TrialRow.score >= UNSCORED, TrialRow.repeat, func.coalesce(TrialRow.fold, 0))
    )


def leaderboard(
    session: Session, job: Job, *, limit: int, after: str | None = None
) -> Page[TrialRow]:
    """The ``limit`` trials that follow the one with id ``after``, in the order of ``trials``.

    Raises ``NotFoundError`` (param ``after``) when the job has no such trial.
    """
    query = _ranked(job)
    if after is not None:
        last = trial(session, job, after, param="after")
        query = query.where(tuple_(*_PLACE) > tuple_(*place_of(last)))
    rows = list(session.scalars(query.limit(limit + 1)))
    return Page(items=rows[:limit], has_more=len(rows) > limit)


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


def first_step_at(session: Session, job_id: str) -> datetime | None:
    """When the first training step of the job ended; none before it."""
    return session.scalar(select(func.min(Fleet.first_step_at)).where(Fleet.job_id == job_id))


def request_cancel(
    session: Session, job_id: str, *, kind: Kind = Kind.TRAINING, tenant: str = DEFAULT_TENANT
) -> Job:
    """Cancel a job: what is queued ends now, what runs is told at its next heartbeat.

    Cancelling a cancelled job again changes nothing. Raises ``ConflictError`` when it has ended
    otherwise.
    """
    job = find_job(session, job_id, tenant=tenant, kind=kind, lock=True)
    if job.state == State.CANCELLED or (job.cancel_requested and job.state not in TERMINAL):
        return job
    if job.state in TERMINAL:
        raise _ended(job, "nothing of it is left to be cancelled")
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
    conclude(session, job)
    return job


def request_pause(session: Session, job_id: str, *, tenant: str = DEFAULT_TENANT) -> Job:
    """Pause a job: what is queued stays, what runs writes a checkpoint and stops.

    Pausing a paused job again changes nothing. Raises ``ConflictError`` when it has ended, or is to
    be cancelled.
    """
    job = find_job(session, job_id, tenant=tenant, lock=True)
    if job.state in TERMINAL:
        raise _ended(job, "nothing of it is left to be paused")
    if job.cancel_requested:
        raise ConflictError(
            f"job {job_id} is being cancelled; it cannot be paused",
            code="job_cancelling",
            param="id",
        )
    pauses.pause(session, job)
    return job


def request_resume(session: Session, job_id: str, *, tenant: str = DEFAULT_TENANT) -> Job:
    """Let a paused job go on, from its checkpoints.

    Resuming a job that is not paused changes nothing. Raises ``ConflictError`` when it has ended.
    """
    job = find_job(session, job_id, tenant=tenant, lock=True)
    if job.state in TERMINAL:
        remedy = f"POST /v1/jobs/{job_id}/retry trains it anew"
        raise _ended(job, "post a new one" if job.state == State.SUCCEEDED else remedy)
    if not job.cancel_requested:
        pauses.resume(session, job)
    return job


def check_retried(job: Job) -> None:
    """Raise ``ConflictError`` unless a job has failed or been cancelled."""
    check_ended(job)
    if job.state == State.SUCCEEDED:
        raise ConflictError(
            f"job {job.id} has succeeded; to train it again all the same, post its spec",
            code="job_succeeded",
            param="id",
        )


def mark_retry(session: Session, job: Job, before_id: str) -> None:
    """Say that a new job does another once more, in its row and in the other's log."""
    before = find_job(session, before_id, tenant=job.tenant, lock=True)
    job.retry_of = before.id
    message = f"trained once more, as {job.id}"
    events.append(session, before, "retried", message, data={"job": job.id})
    session.flush()


def check_ended(job: Job) -> None:
    """Raise ``ConflictError`` unless a job has ended: while it has not, something works for it."""
    if job.state not in TERMINAL:
        noun, listed = _NOUNS[Kind(job.kind)]
        raise ConflictError(
            f"{noun} {job.id} is {job.state}; cancel it first, by POST {listed}/{job.id}/cancel, "
            "and wait for its end",
            code="job_not_ended",
            param="id",
        )


def _ended(job: Job, remedy: str) -> ConflictError:
    state = "been cancelled" if job.state == State.CANCELLED else job.state
    noun = _NOUNS[Kind(job.kind)][0]
    return ConflictError(
        f"{noun} {job.id} has {state} already; {remedy}", code="job_ended", param="id"
    )


def count(session: Session, job: Job) -> None:
    """Bring the job's counters up to date with its trials and fleets."""
    finished = select(func.count()).where(
        TrialRow.job_id == job.id, TrialRow.state.in_([State.SUCCEEDED, State.FAILED])
    )
    failed = select(func.count()).where(TrialRow.job_id == job.id, TrialRow.state == State.FAILED)
    session.flush()
    job.trials_finished = session.scalar(finished) or 0
    job.trials_failed = session.scalar(failed) or 0
    count_epochs(session, job)


def count_epochs(session: Session, job: Job) -> None:
    """Bring the number of epochs up to date with the fleets."""
    epochs = select(func.coalesce(func.sum(Fleet.epoch), 0)).where(Fleet.job_id == job.id)
    session.flush()
    job.epoch = int(session.scalar(epochs) or 0)
