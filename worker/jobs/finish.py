"""A fleet ends: what its trials came to is stored and ranked, what follows in its search or
comparison is planned, in the end the refit of its winner; its job is appraised and concluded, if
that was all. One transaction.

What follows is proposed from a snapshot, outside of the transaction, since a proposal may take
seconds; if another fleet of the job was planned or ended meanwhile, it is made anew. So is the
appraisal, which the last fleet of a job makes.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from sqlalchemy.orm import Session

from worker.data import Outline
from worker.failpoints import failpoint
from worker.jobs.accept import new_fleet, new_fleets
from worker.jobs.memory import fleet_limits
from worker.results import Appraisal, Baseline, Group, JobError, TrialResult
from worker.search import Comparison, FleetPlan, Search, Trained
from worker.settings import ServiceSettings
from worker.spec import JobSpec
from worker.storage import events, fleets, pauses, queries
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
from worker.storage.queries import BASELINE, Ending
from worker.storage.types import read_clock


@dataclass(frozen=True)
class OngoingJob:
    """The job that a fleet belongs to, where something is planned as its fleets end: the waves of a
    search or a long comparison, or a refit.
    """

    settings: ServiceSettings
    spec: JobSpec
    outline: Outline


@dataclass(frozen=True)
class Ended:
    """A job whose last fleet ends: what its configurations came to, that fleet's too."""

    groups: Sequence[Group]
    winner: int
    """The number of the configuration that wins."""


@dataclass(frozen=True)
class Appraised:
    """What a job's networks come to together, and the file that is served: of an ensemble, or of
    a trial with what it keeps of rows that did not train it.
    """

    appraisal: Appraisal
    served: ResultFile | None = None
    in_place: bool = False
    """Whether that file holds all that the fleet that ends has trained, a single trial: it is kept
    in the place of the fleet's own."""


def finish_fleet(
    database: Database,
    lease: Lease,
    *,
    results: Sequence[TrialResult] = (),
    file: ResultFile | None = None,
    error: JobError | None = None,
    baseline: Baseline | None = None,
    ongoing: OngoingJob | None = None,
    appraise: Callable[[Ended], Appraised | None] | None = None,
) -> bool:
    """End a fleet; whether another file than ``file`` is kept, in its place.

    Args:
        database: where it is stored.
        lease: the right to end it.
        results: what each of its trials came to, by position; none of a fleet without trials.
        file: where its models are.
        error: why all its trials failed, where another attempt would only fail again.
        baseline: what gradient boosting came to on its rows, for the job's log.
        ongoing: the job, if something is planned as its fleets end.
        appraise: looks at the networks of the job, if this is its last fleet and something has won.

    Raises:
        StaleToken: the fleet is somebody else's.
    """
    while True:
        following = None if ongoing is None else _following(database, lease, ongoing, results)
        appraised, seen = None, None
        if appraise is not None and (following is None or following.ends):
            ended, seen = _ended(database, lease, following, results)
            appraised = None if ended is None else appraise(ended)
        in_place = appraised is not None and appraised.in_place
        try:
            with database.write() as session:
                if seen is not None:
                    _check_alone(session, lease, seen)
                if appraised is not None:
                    _keep(session, lease, appraised)
                if baseline is not None:
                    job, _ = hold(session, lease)
                    measured = f"measured {baseline.name}"
                    events.append(session, job, BASELINE, measured, data=baseline.model_dump())
                if error is not None:
                    fleets.fail(session, lease, error, following)
                else:
                    kept = appraised.served if in_place and appraised is not None else file
                    fleets.finish(session, lease, results, kept, following)
                if following is not None and following.complete:
                    failpoint("plan.complete")
                failpoint("finish.before_commit")
            failpoint("finish.after_commit")
            return in_place
        except OutdatedError:
            continue  # another fleet ended meanwhile, so this comes to an end


def _ended(
    database: Database,
    lease: Lease,
    following: Following | None,
    results: Sequence[TrialResult],
) -> tuple[Ended | None, int]:
    """The job, if this fleet is its last and a configuration wins; and how many others are open."""
    with database.read() as session:
        job, fleet = hold(session, lease)
        others = snapshot(session, job, fleet.id).open_fleets
        if others or job.cancel_requested:
            return None, others
        groups = queries.groups(session, job, ending=Ending(fleet.id, results))
        if is_refit(session, fleet):
            return (None if job.best is None else Ended(groups, job.best.configuration)), others
    best = min((group.rank for group in groups if group.rank.wins), default=None)
    if best is None:
        return None, others
    chosen = None if following is None else following.winner
    return Ended(groups, best.configuration if chosen is None else chosen), others


def _check_alone(session: Session, lease: Lease, others: int) -> None:
    """Refuse to end what has become the last fleet of its job since it was looked at.

    Raises:
        OutdatedError: the others have ended meanwhile.
    """
    job, fleet = hold(session, lease)
    if others and not snapshot(session, job, fleet.id).open_fleets:
        raise OutdatedError(f"the other fleets of job {job.id} ended meanwhile")


def _keep(session: Session, lease: Lease, appraised: Appraised) -> None:
    job, _ = hold(session, lease)
    job.appraisal = appraised.appraisal
    if appraised.served is not None and not appraised.in_place:
        job.ensemble_path = appraised.served.path
        job.ensemble_sha256 = appraised.served.sha256
        job.ensemble_bytes = appraised.served.bytes


@dataclass(frozen=True)
class _Known:
    """What a proposal is made from."""

    seen: Snapshot
    last: bool
    """Whether the fleet that ends was the job's last: a refit of its winner."""
    spent: float
    """Seconds since the job began, without its pauses."""
    groups: Sequence[Group]
    """What its configurations came to, this fleet's too; none where nobody asks."""


def _following(
    database: Database, lease: Lease, ongoing: OngoingJob, results: Sequence[TrialResult]
) -> Following:
    """What to plan in the transaction that ends this fleet; ``results`` are none of a failed one.

    Raises:
        StaleToken: the fleet is somebody else's.
    """
    spec, outline, workers = ongoing.spec, ongoing.outline, ongoing.settings.workers
    limits = fleet_limits(ongoing.settings)
    known = _look(database, lease, spec, results)
    if known.last:
        return Following(known.seen, complete=True)
    if spec.search is None:
        comparison = Comparison(spec, outline, limits)
        following = _rest(known, comparison, workers)
        if not spec.refits:
            return following
        return _settle(known, following, lambda: comparison.refits(known.groups))
    search = Search(spec, outline, limits)
    first = known.seen.planned // search.replica_count
    wave = search.wave(
        first,
        open_fleets=known.seen.open_fleets,
        workers=workers,
        history=_history(known.groups),
        spent=known.spent,
    )
    end = first if wave is None else wave.end
    complete = end >= search.total or search.affordable(first, known.spent) == 0
    planned = [] if wave is None else new_fleets(wave)
    following = Following(known.seen, fleets=planned, complete=complete)
    if not spec.refits and search.chooses_best:
        return following
    return _settle(
        known,
        following,
        lambda: search.refits(known.groups, end) if spec.refits else [],
        winner=None if search.chooses_best else lambda: search.winner(known.groups),
    )


def _settle(
    known: _Known,
    following: Following,
    refits: Callable[[], Sequence[FleetPlan]],
    *,
    winner: Callable[[], int | None] | None = None,
) -> Following:
    """Once all configurations have ended: which of them wins, and what trains it once more.

    ``winner`` says it where that is not simply the best.
    """
    if not following.complete:
        return following
    if known.seen.open_fleets or any(fleet.error is None for fleet in following.fleets):
        # The winner is not known yet; of two last fleets that end at a time, the second will see.
        return replace(following, complete=False)
    return replace(
        following,
        fleets=[*following.fleets, *map(new_fleet, refits())],
        winner=None if winner is None else winner(),
    )


def _rest(known: _Known, comparison: Comparison, workers: int) -> Following:
    """The next wave of a comparison."""
    planned: list[NewFleet] = []
    first, seen = known.seen.planned, known.seen
    while wave := comparison.wave(first, open_fleets=seen.open_fleets, workers=workers):
        planned += new_fleets(wave)
        first = wave.end
        if wave.plans:  # of what is refused nothing would be left to end
            break
    return Following(seen, fleets=planned, complete=first >= comparison.total)


def _look(
    database: Database, lease: Lease, spec: JobSpec, results: Sequence[TrialResult]
) -> _Known:
    search = spec.search
    with database.read() as session:
        job, fleet = hold(session, lease)
        seen = snapshot(session, job, fleet.id)
        spent = 0.0
        if job.started_at is not None:
            spent = (read_clock(session) - job.started_at).total_seconds()
            spent -= pauses.paused_seconds(session, job.id)
        settles = spec.refits or (search is not None and search.choose != "best")
        adaptive = search is not None and search.adaptive
        groups: Sequence[Group] = ()
        if adaptive or (settles and not seen.open_fleets):
            groups = queries.groups(session, job, ending=Ending(fleet.id, results))
        return _Known(seen=seen, last=is_refit(session, fleet), spent=spent, groups=groups)


def _history(groups: Sequence[Group]) -> list[Trained]:
    """Each configuration with its mean score; without one while a trial of it is not done.

    Those with a failed trial, and those that halving let go, are left out.
    """
    return [
        Trained(dict(group.overrides), group.rank.mean if not group.missing else None)
        for group in groups
        if not group.halved and group.missing == group.open
    ]
