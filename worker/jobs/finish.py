"""A fleet ends: what its trials came to is stored and ranked, what follows in its search or
comparison is planned, and its job is concluded if that was all. One transaction.

What follows is proposed from a snapshot, outside of the transaction, since a proposal may take
seconds; if another fleet of the job was planned or ended meanwhile, it is made anew.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from sqlalchemy import select
from sqlalchemy.orm import Session

from worker.data import Outline
from worker.jobs.accept import new_fleet, new_fleets
from worker.jobs.memory import fleet_limits
from worker.results import Baseline, JobError, Standing, TrialResult, rank, score_of
from worker.search import Comparison, Search, Trained
from worker.settings import ServiceSettings
from worker.spec import JobSpec
from worker.storage import events, fleets
from worker.storage.additions import (
    Following,
    NewFleet,
    OutdatedError,
    Snapshot,
    is_refit,
    snapshot,
)
from worker.storage.database import Database
from worker.storage.fleets import Lease, ResultFile, hold
from worker.storage.queries import BASELINE
from worker.storage.states import State
from worker.storage.tables import Job, TrialRow
from worker.storage.types import utc_now


@dataclass(frozen=True)
class OngoingJob:
    """The search or the long comparison that a fleet belongs to: planned as its fleets end."""

    settings: ServiceSettings
    spec: JobSpec
    outline: Outline


def finish_fleet(
    database: Database,
    lease: Lease,
    *,
    results: Sequence[TrialResult] = (),
    file: ResultFile | None = None,
    error: JobError | None = None,
    baseline: Baseline | None = None,
    ongoing: OngoingJob | None = None,
) -> None:
    """End a fleet.

    Args:
        database: where it is stored.
        lease: the right to end it.
        results: what each of its trials came to, by position; none of a fleet without trials.
        file: where its models are.
        error: why all its trials failed, where another attempt would only fail again.
        baseline: what gradient boosting came to on its rows, for the job's log.
        ongoing: the job, if it goes on after it.

    Raises:
        StaleToken: the fleet is somebody else's.
    """
    while True:
        following = None if ongoing is None else _following(database, lease, ongoing, results)
        try:
            with database.write() as session:
                if baseline is not None:
                    job, _ = hold(session, lease)
                    measured = f"measured {baseline.name}"
                    events.append(session, job, BASELINE, measured, data=baseline.model_dump())
                if error is not None:
                    fleets.fail(session, lease, error, following)
                else:
                    fleets.finish(session, lease, results, file, following)
                return
        except OutdatedError:
            continue  # another fleet ended meanwhile, so this comes to an end


@dataclass(frozen=True)
class _Known:
    """What a proposal is made from."""

    seen: Snapshot
    last: bool
    """Whether the fleet that ends was a search's last: a refit of its winner."""
    spent: float
    """Seconds since the search began."""
    trained: Mapping[int, Trained]
    """Configurations by number, those without failed trials."""


def _following(
    database: Database, lease: Lease, ongoing: OngoingJob, results: Sequence[TrialResult]
) -> Following:
    """What to plan in the transaction that ends this fleet; ``results`` are none of a failed one.

    Raises:
        StaleToken: the fleet is somebody else's.
    """
    limits = fleet_limits(ongoing.settings)
    if ongoing.spec.search is None:
        comparison = Comparison(ongoing.spec, ongoing.outline, limits)
        return _rest(database, lease, comparison, ongoing.settings.workers)
    search = Search(ongoing.spec, ongoing.outline, limits)
    known = _look(database, lease, search, results)
    if known.last:
        return Following(known.seen, complete=True)
    first = known.seen.planned // search.replica_count
    wave = search.wave(
        first,
        open_fleets=known.seen.open_fleets,
        workers=ongoing.settings.workers,
        history=list(known.trained.values()),
        spent=known.spent,
    )
    end = first if wave is None else wave.end
    complete = end >= search.total or search.affordable(first, known.spent) == 0
    planned = [] if wave is None else new_fleets(wave)
    if complete and search.search.refit:
        if known.seen.open_fleets or any(fleet.error is None for fleet in planned):
            complete = False  # the winner is not known yet
        else:
            planned += map(new_fleet, search.refits(known.trained, end))
    return Following(known.seen, fleets=planned, complete=complete)


def _rest(database: Database, lease: Lease, comparison: Comparison, workers: int) -> Following:
    """The next wave of a comparison."""
    with database.read() as session:
        job, fleet = hold(session, lease)
        seen = snapshot(session, job, fleet.id)
    planned: list[NewFleet] = []
    first = seen.planned
    while wave := comparison.wave(first, open_fleets=seen.open_fleets, workers=workers):
        planned += new_fleets(wave)
        first = wave.end
        if wave.plans:  # of what is refused nothing would be left to end
            break
    return Following(seen, fleets=planned, complete=first >= comparison.total)


def _look(
    database: Database, lease: Lease, search: Search, results: Sequence[TrialResult]
) -> _Known:
    with database.read() as session:
        job, fleet = hold(session, lease)
        seen = snapshot(session, job, fleet.id)
        spent = 0.0
        if job.started_at is not None:
            spent = (utc_now() - job.started_at).total_seconds()
        needed = search.search.adaptive or (search.search.refit and not seen.open_fleets)
        return _Known(
            seen=seen,
            last=is_refit(session, fleet),
            spent=spent,
            trained=_trained(session, job, lease, results) if needed else {},
        )


def _trained(
    session: Session, job: Job, lease: Lease, results: Sequence[TrialResult]
) -> dict[int, Trained]:
    """Each configuration with its mean score; without one while a trial of it is not done.

    Those with a failed trial are left out. Of the fleet that ends, ``results`` are not stored yet.
    """
    trials = session.execute(
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
    scores: dict[int, list[float | None]] = {}
    failed: set[int] = set()
    for trial in trials:
        overrides[trial.configuration] = trial.overrides or {}
        score = trial.score if trial.standing == Standing.SCORED else None
        ended = trial.state in (State.SUCCEEDED, State.FAILED)
        if trial.fleet_id == lease.fleet_id and results:
            result = results[trial.position]
            whole = result.state == "succeeded" and result.halved_at is None
            objective = result.metrics.get(job.objective) if whole else None
            score, ended = score_of(objective, maximize=job.maximize), True
        if ended and score is None:
            failed.add(trial.configuration)
        scores.setdefault(trial.configuration, []).append(score)
    return {
        number: Trained(dict(overrides[number]), _mean(number, of_trials))
        for number, of_trials in scores.items()
        if number not in failed
    }


def _mean(number: int, scores: Sequence[float | None]) -> float | None:
    known = [score for score in scores if score is not None]
    return rank(number, known).mean if len(known) == len(scores) else None
