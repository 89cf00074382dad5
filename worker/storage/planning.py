"""Fleets and trials are added to a job: all at its POST, or in a search wave by wave.

A wave is proposed from a snapshot and added in the transaction that ends the fleet before it. If
the job has changed in between, ``OutdatedError`` is raised, and the proposal is made anew.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import func, insert, select
from sqlalchemy.orm import Session

from worker.errors import ConflictError
from worker.storage.outcomes import competes
from worker.storage.states import OPEN, State
from worker.storage.tables import Fleet, Job, TrialRow
from worker.storage.types import new_id, utc_now

CONTINUATION: dict[str, Any] = {"continuation": True}
"""The plan of a fleet without trials: at its end, what follows in its search is planned."""


class OutdatedError(ConflictError):
    """Another fleet of the job was planned or ended meanwhile: propose again."""

    code = "outdated"


@dataclass(frozen=True)
class NewTrial:
    """One trial that is being added. ``settings`` is the trial as JSON."""

    name: str
    configuration: int
    repeat: int
    fold: int | None
    settings: dict[str, Any]
    overrides: dict[str, Any] | None = None
    """In a search, what it changes in the job: path → value."""


@dataclass(frozen=True)
class NewFleet:
    """One fleet that is being added. ``plan`` is the fleet's plan as JSON."""

    plan: dict[str, Any]
    trials: Sequence[NewTrial]
    epochs: int
    error: dict[str, Any] | None = None
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


def add(session: Session, job: Job, fleets: Iterable[NewFleet]) -> int:
    """Add fleets to a job whose row the caller holds; how many trials they have."""
    added = 0
    for number, new in enumerate(fleets, next_number(session, job)):
        state = State.QUEUED if new.error is None else State.FAILED
        fleet = Fleet(
            id=new_id("flt"),
            tenant=job.tenant,
            job_id=job.id,
            number=number,
            plan=new.plan,
            epochs=new.epochs,
            state=state,
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
                    "standing": 1 if competes(trial.settings) else 3,
                }
                for position, trial in enumerate(new.trials)
            ],
        )
        added += len(new.trials)
        job.epochs += new.epochs
    job.trials_planned += added
    return added


def next_number(session: Session, job: Job) -> int:
    """The number of a job's next fleet."""
    newest = session.scalar(select(func.max(Fleet.number)).where(Fleet.job_id == job.id))
    return 0 if newest is None else newest + 1


def snapshot(session: Session, job: Job, fleet_id: str | None = None) -> Snapshot:
    """How far a job is planned, and what is open beside one of its fleets."""
    others = select(func.count()).where(
        Fleet.job_id == job.id, Fleet.state.in_(OPEN), Fleet.id != (fleet_id or "")
    )
    return Snapshot(planned=job.trials_planned, open_fleets=session.scalar(others) or 0)


def carry_on(session: Session, job: Job, fleet: Fleet) -> None:
    """Queue a fleet that plans what follows one which fails outside of a trainer.

    What follows a fleet is planned by its trainer; one that kills its trainers has none. None is
    queued where other fleets are open, whose ends will plan, and after a search's last fleets.
    """
    ends = fleet.plan == CONTINUATION or is_refit(fleet.plan)
    if job.spec.get("search") and not ends and not snapshot(session, job, fleet.id).open_fleets:
        add(session, job, [NewFleet(plan=CONTINUATION, trials=(), epochs=0)])


def is_refit(plan: Mapping[str, Any]) -> bool:
    """Whether a fleet's plan, as JSON, is that of a refit: those end a search."""
    return any(trial.get("refit") is not None for trial in plan.get("trials", ()))


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
    add(session, job, following.fleets)
    if following.complete:
        job.trials_total = job.trials_planned
