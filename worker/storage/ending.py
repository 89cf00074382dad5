"""The end of a fleet: finished, failed or cancelled, with what came of its trials."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import update
from sqlalchemy.orm import Session

from worker.storage import events
from worker.storage.conclusion import conclude, count, lead
from worker.storage.lease import Lease, hold
from worker.storage.outcomes import Outcome, Result, store
from worker.storage.planning import Following, follow
from worker.storage.states import OPEN, State
from worker.storage.tables import Fleet, Job, TrialRow
from worker.storage.types import utc_now


def finish(
    session: Session,
    lease: Lease,
    outcomes: Sequence[Outcome],
    result: Result | None,
    following: Following | None = None,
) -> bool:
    """Store what came of each trial; true when this ended the job, in the same transaction.

    The fleet has failed when none of its trials succeeded. ``following`` are the fleets that a
    search goes on with; ``OutdatedError`` when the job is not as it was when they were proposed.
    """
    job, fleet = hold(session, lease)
    trials = store(session, job, fleet, outcomes)
    failed = [trial for trial in trials if trial.state != State.SUCCEEDED]
    _keep(fleet, result)
    fleet.epoch = fleet.epochs
    if failed and len(failed) == len(trials):
        fleet.error = failed[0].error
        return end(session, job, fleet, State.FAILED, following)
    lead(session, job)
    for trial in failed:
        events.append(
            session,
            job,
            "trial_failed",
            f"{trial.name}: {(trial.error or {}).get('message', 'failed')}",
            level="warning",
            data={"trial": trial.id, "error": trial.error},
        )
    return end(session, job, fleet, State.SUCCEEDED, following)


def fail(
    session: Session, lease: Lease, error: dict[str, Any], following: Following | None = None
) -> bool:
    """End the fleet with an error that another attempt would only repeat."""
    job, fleet = hold(session, lease)
    return give_up(session, job, fleet, error, following)


def cancel(
    session: Session, lease: Lease, outcomes: Sequence[Outcome] = (), result: Result | None = None
) -> bool:
    """End the fleet because its job is to be cancelled; what its trials came to is kept.

    ``outcomes`` are those of all its trials, those that go on cancelled; none if none has ended.
    """
    job, fleet = hold(session, lease)
    if outcomes:
        store(session, job, fleet, outcomes)
        _keep(fleet, result)
        lead(session, job)
    set_trials(session, fleet, State.CANCELLED)
    return end(session, job, fleet, State.CANCELLED)


def give_up(
    session: Session,
    job: Job,
    fleet: Fleet,
    error: dict[str, Any],
    following: Following | None = None,
) -> bool:
    """Fail a fleet that the caller holds, and those of its trials that have not ended."""
    fleet.error = error
    session.execute(
        update(TrialRow)
        .where(TrialRow.fleet_id == fleet.id, TrialRow.state.in_(OPEN))
        .values(state=State.FAILED, error=error)
    )
    return end(session, job, fleet, State.FAILED, following)


def end(
    session: Session, job: Job, fleet: Fleet, state: State, following: Following | None = None
) -> bool:
    """End a fleet that the caller holds, and the job if it was the last; true if it did."""
    if following is not None:
        follow(session, job, fleet, following)
    fleet.state = state
    fleet.finished_at = utc_now()
    fleet.owner = None
    session.flush()
    count(session, job)
    return conclude(session, job)


def set_trials(session: Session, fleet: Fleet, state: State) -> None:
    """Set the state of those of its trials that have not ended."""
    session.execute(
        update(TrialRow)
        .where(TrialRow.fleet_id == fleet.id, TrialRow.state.in_(OPEN))
        .values(state=state)
    )


def _keep(fleet: Fleet, result: Result | None) -> None:
    if result is not None:
        fleet.result_path = result.path
        fleet.result_sha256 = result.sha256
        fleet.result_bytes = result.bytes
