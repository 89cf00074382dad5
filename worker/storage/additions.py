"""Fleets and trials are added to a job: all at its POST, or wave by wave in a search or a long
comparison; and in the end those that refit its winner.

A wave is proposed from a :class:`Snapshot` and added in the transaction that ends the fleet before
it. If the job has changed in between, :class:`OutdatedError` is raised, and the proposal is made
anew.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from sqlalchemy import delete, func, insert, select, update
from sqlalchemy.orm import Session

from worker.errors import ConflictError
from worker.results import JobError, competes, standing_of
from worker.schema import Json
from worker.storage import pauses
from worker.storage.states import OPEN, State
from worker.storage.tables import Checkpoint, EpochMetrics, Fleet, Job, TrialRow
from worker.storage.types import new_id, utc_now


class OutdatedError(ConflictError):
    """Another fleet of the job was planned or ended meanwhile: propose again."""

    code = "outdated"


@dataclass(frozen=True)
class NewTrial:
    """One trial that is being added. ``settings`` is the trial as JSON, whole."""

    name: str
    configuration: int
    repeat: int
    fold: int | None
    settings: Json
    overrides: Json | None = None
    """In a search, what it changes in the job: path → value."""


@dataclass(frozen=True)
class NewFleet:
    """One fleet that is being added. Without trials, it only plans what follows in its job."""

    trials: Sequence[NewTrial]
    epochs: int
    error: JobError | None = None
    """Why its trials cannot be trained: it is kept as failed."""


@dataclass(frozen=True)
class Snapshot:
    """What a proposal was made from."""

    planned: int
    """Trials of the job that had been planned."""
    open_fleets: int
    """Fleets of the job that had not ended, but for the one that is ending."""


@dataclass(frozen=True)
class Following:
    """What follows the end of a fleet."""

    seen: Snapshot
    fleets: Sequence[NewFleet] = field(default=())
    complete: bool = False
    """Whether nothing more will follow."""
    winner: int | None = None
    """The configuration that wins although another has a better mean; none where the best does."""

    @property
    def ends(self) -> bool:
        """Whether the job ends with this fleet, as far as its other fleets have ended."""
        return self.complete and all(fleet.error is not None for fleet in self.fleets)


def add_fleets(session: Session, job: Job, fleets: Iterable[NewFleet]) -> int:
    """Add fleets to a job whose row the caller holds; how many trials they have."""
    added = 0
    fleets = list(fleets)
    seconds, now = _seconds_each(job, fleets), utc_now()
    for number, new in enumerate(fleets, _next_number(session, job)):
        state = pauses.waiting(job) if new.error is None else State.FAILED
        fleet = Fleet(
            id=new_id("flt"),
            tenant=job.tenant,
            job_id=job.id,
            number=number,
            epochs=new.epochs,
            state=state,
            device=job.device,
            rank=-job.priority,
            turn=now.timestamp() + seconds,
            estimated_seconds=seconds,
            created_at=now,
            error=new.error,
            finished_at=None if new.error is None else utc_now(),
        )
        session.add(fleet)
        session.flush()
        if not new.trials:
            continue
        session.execute(
            insert(TrialRow),
            [
                {
                    "id": new_id("trl"),
                    "tenant": job.tenant,
                    "job_id": job.id,
                    "fleet_id": fleet.id,
                    "position": position,
                    "name": trial.name,
                    "configuration": trial.configuration,
                    "repeat": trial.repeat,
                    "fold": trial.fold,
                    "settings": trial.settings,
                    "overrides": trial.overrides,
                    "state": state,
                    "error": new.error,
                    "standing": standing_of(None, competes=competes(trial.settings)),
                }
                for position, trial in enumerate(new.trials)
            ],
        )
        added += len(new.trials)
        job.epochs += new.epochs
    job.trials_planned += added
    return added


def _seconds_each(job: Job, fleets: Sequence[NewFleet]) -> float:
    """What each of some fleets will take: their trials' part of the job, in equal parts."""
    trials = sum(len(fleet.trials) for fleet in fleets)
    if not trials or not job.estimated_seconds:
        return 0.0
    part = trials / max(job.trials_total, trials)
    return job.estimated_seconds * part / len(fleets)


def _next_number(session: Session, job: Job) -> int:
    newest = session.scalar(select(func.max(Fleet.number)).where(Fleet.job_id == job.id))
    return 0 if newest is None else newest + 1


def snapshot(session: Session, job: Job, fleet_id: str | None = None) -> Snapshot:
    """How far a job is planned, and what is open beside one of its fleets."""
    others = select(func.count()).where(
        Fleet.job_id == job.id, Fleet.state.in_(OPEN), Fleet.id != (fleet_id or "")
    )
    return Snapshot(planned=job.trials_planned, open_fleets=session.scalar(others) or 0)


def follow(session: Session, job: Job, fleet: Fleet, following: Following) -> None:
    """Add what follows a fleet that ends, in the transaction that ends it.

    Raises:
        OutdatedError: the job is no longer as it was when this was proposed.
    """
    if job.cancel_requested:
        return
    now = snapshot(session, job, fleet.id)
    seen = following.seen
    # With fewer fleets open than were seen, a proposal of nothing might end the job too early.
    idle = not following.fleets and not following.complete and now.open_fleets < seen.open_fleets
    if now.planned != seen.planned or idle:
        raise OutdatedError(f"job {job.id} was planned further meanwhile")
    add_fleets(session, job, following.fleets)
    if following.complete:
        job.trials_total = job.trials_planned


def continue_job(session: Session, job: Job, fleet: Fleet) -> None:
    """Queue a fleet that plans what follows one which fails outside of a trainer.

    What follows a fleet is planned by its trainer; one that kills its trainers has none. None is
    queued where other fleets are open, whose ends will plan; after the last fleets of a comparison;
    after those that refit a winner; and after a fleet without trials, or it would go round for
    ever.
    """
    first = _first_settings(session, fleet)
    ends = first is None or first.get("refit") is not None
    unfinished = bool(job.spec.get("search")) or job.trials_planned < job.trials_total
    if unfinished and not ends and not snapshot(session, job, fleet.id).open_fleets:
        add_fleets(session, job, [NewFleet(trials=(), epochs=0)])


def is_refit(session: Session, fleet: Fleet) -> bool:
    """Whether a fleet trains the winner of its job once more: that ends the job."""
    first = _first_settings(session, fleet)
    return first is not None and first.get("refit") is not None


def _first_settings(session: Session, fleet: Fleet) -> Json | None:
    return session.scalar(
        select(TrialRow.settings).where(TrialRow.fleet_id == fleet.id, TrialRow.position == 0)
    )


def split_in_two(session: Session, job: Job, fleet: Fleet) -> Fleet | None:
    """Move the second half of a fleet's trials into a new one, queued; none for a single trial.

    The caller holds the rows of the job and the fleet, and queues the fleet itself. Repeats and
    folds of a configuration stay together where that leaves two parts. Both begin anew: a
    checkpoint holds the state of all trials as one.
    """
    configurations = session.scalars(
        select(TrialRow.configuration)
        .where(TrialRow.fleet_id == fleet.id)
        .order_by(TrialRow.position)
    ).all()
    if len(configurations) < 2:
        return None
    middle = _middle(configurations)
    second = Fleet(
        id=new_id("flt"),
        tenant=fleet.tenant,
        job_id=job.id,
        number=_next_number(session, job),
        epochs=fleet.epochs,
        state=pauses.waiting(job),
        device=fleet.device,
        rank=fleet.rank,
        turn=fleet.turn,
        estimated_seconds=fleet.estimated_seconds,
    )
    session.add(second)
    session.flush()
    session.execute(
        update(TrialRow)
        .where(TrialRow.fleet_id == fleet.id, TrialRow.position >= middle)
        .values(fleet_id=second.id, position=TrialRow.position - middle)
        .execution_options(synchronize_session=False)
    )
    session.execute(
        update(TrialRow)
        .where(TrialRow.fleet_id == second.id, TrialRow.state.in_(OPEN))
        .values(state=second.state)
        .execution_options(synchronize_session=False)
    )
    fleet.checkpoint_id = None
    fleet.epoch = fleet.progress_epoch = fleet.stalled_attempts = fleet.place_faults = 0
    fleet.exact = True
    session.execute(delete(Checkpoint).where(Checkpoint.fleet_id == fleet.id))
    session.execute(delete(EpochMetrics).where(EpochMetrics.fleet_id == fleet.id))
    job.epochs += second.epochs
    return second


def _middle(configurations: Sequence[int]) -> int:
    """Where to cut: between two configurations, as near to the middle as can be."""
    count = len(configurations)
    between = [n for n in range(1, count) if configurations[n] != configurations[n - 1]]
    return min(between, key=lambda n: abs(2 * n - count), default=count // 2)
