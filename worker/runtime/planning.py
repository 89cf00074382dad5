"""A search goes on: what to train after a fleet has ended, from what has been trained so far.

Imports torch: for trainer processes and the HTTP service.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from sqlalchemy import select
from sqlalchemy.orm import Session

from worker.data import Outline
from worker.runtime.memory import fleet_limits
from worker.search.plan import FleetPlan, stored_plan
from worker.search.samplers import Trained
from worker.search.scheduler import Refused, Search, Wave
from worker.settings import ServiceSettings
from worker.spec import JobSpec
from worker.storage.database import Database
from worker.storage.fleets import Outcome
from worker.storage.lease import Lease, hold
from worker.storage.outcomes import score
from worker.storage.planning import (
    Following,
    NewFleet,
    NewTrial,
    OutdatedError,
    is_refit,
    snapshot,
)
from worker.storage.states import State
from worker.storage.tables import Job, TrialRow
from worker.storage.types import utc_now


def new_fleet(plan: FleetPlan) -> NewFleet:
    """The rows of a fleet: each trial complete, the plan as short as can be."""
    changes = plan.overrides or [None] * len(plan.trials)
    return NewFleet(
        plan=stored_plan(plan),
        trials=[
            NewTrial(
                name=trial.name,
                configuration=trial.configuration,
                repeat=trial.repeat,
                fold=trial.fold,
                settings=trial.model_dump(mode="json"),
                overrides=overrides,
            )
            for trial, overrides in zip(plan.trials, changes, strict=True)
        ],
        epochs=max(trial.training.epochs for trial in plan.trials),
    )


def new_fleets(wave: Wave) -> list[NewFleet]:
    """The rows of a wave; configurations that cannot be trained are kept as failed."""
    return [*map(new_fleet, wave.plans), *map(_refused, wave.refused)]


def _refused(refused: Refused) -> NewFleet:
    plan = FleetPlan(
        trials=refused.trials,
        objective=refused.objective,
        overrides=(refused.overrides,) * len(refused.trials),
    )
    fleet = new_fleet(plan)
    return NewFleet(plan=fleet.plan, trials=fleet.trials, epochs=0, error=refused.error.body())


@dataclass(frozen=True)
class Ongoing:
    """The search that a fleet belongs to."""

    settings: ServiceSettings
    spec: JobSpec
    outline: Outline


def end(
    database: Database,
    lease: Lease,
    search: Ongoing | None,
    outcomes: Sequence[Outcome],
    write: Callable[[Session, Following | None], object],
) -> None:
    """End a fleet by ``write``; in a search, with what follows it in the same transaction."""
    while True:
        found = None if search is None else following(database, lease, search, outcomes)
        try:
            with database.write() as session:
                write(session, found)
                return
        except OutdatedError:
            continue  # another fleet ended meanwhile, so this comes to an end


def following(
    database: Database, lease: Lease, ongoing: Ongoing, outcomes: Sequence[Outcome]
) -> Following:
    """What to plan in the transaction that ends this fleet; ``outcomes`` are none of a failed one.

    Raises:
        StaleToken: the fleet is somebody else's.
    """
    search = Search(ongoing.spec, ongoing.outline, fleet_limits(ongoing.settings))
    with database.read() as session:
        job, fleet = hold(session, lease)
        seen = snapshot(session, job, fleet.id)
        if is_refit(fleet.plan):
            return Following(seen, complete=True)
        asked = search.search.adaptive or (search.search.refit and not seen.open_fleets)
        trained = _trained(session, job, lease, outcomes) if asked else {}
    first = seen.planned // search.each
    spent = 0.0 if job.started_at is None else (utc_now() - job.started_at).total_seconds()
    wave = search.wave(
        first,
        open_fleets=seen.open_fleets,
        workers=ongoing.settings.workers,
        history=list(trained.values()),
        spent=spent,
    )
    end = first if wave is None else wave.end
    complete = end >= search.total or search.affordable(first, spent) == 0
    fleets = [] if wave is None else new_fleets(wave)
    if complete and search.search.refit:
        if seen.open_fleets or any(fleet.error is None for fleet in fleets):
            complete = False  # the winner is not known yet
        else:
            fleets += map(new_fleet, search.refits(trained, end))
    return Following(seen, fleets=fleets, complete=complete)


def _trained(
    session: Session, job: Job, lease: Lease, outcomes: Sequence[Outcome]
) -> dict[int, Trained]:
    """Each configuration with its mean score; without one while a member of it is not done.

    Those with a failed member are left out.
    """
    rows = session.execute(
        select(
            TrialRow.configuration,
            TrialRow.overrides,
            TrialRow.fleet_id,
            TrialRow.position,
            TrialRow.state,
            TrialRow.standing,
            TrialRow.score,
        )
        .where(TrialRow.job_id == job.id)
        .order_by(TrialRow.configuration, TrialRow.repeat, TrialRow.fold)
    )
    overrides: dict[int, Mapping[str, object]] = {}
    values: dict[int, list[float | None]] = {}
    failed: set[int] = set()
    for row in rows:
        overrides[row.configuration] = row.overrides or {}
        value = row.score if row.standing == 0 else None
        is_failed = row.state == State.FAILED or (row.state == State.SUCCEEDED and value is None)
        if row.fleet_id == lease.fleet_id and outcomes:
            outcome = outcomes[row.position]
            ended = outcome.state == State.SUCCEEDED and outcome.halved_at is None
            value = score(outcome.metrics, job) if ended else None
            is_failed = value is None
        if is_failed:
            failed.add(row.configuration)
        values.setdefault(row.configuration, []).append(value)
    return {
        number: Trained(dict(overrides[number]), _mean(found))
        for number, found in values.items()
        if number not in failed
    }


def _mean(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return sum(known) / len(known) if len(known) == len(values) else None
