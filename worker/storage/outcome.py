"""What comes of a job: its winner so far as its fleets end, and in the end its state.

The winner is the configuration with the best mean (`worker.results.ranking`), unless its search
chooses otherwise. What is served is its refit, in a job that has one; else its first trial.
"""

from collections.abc import Mapping, Sequence

from sqlalchemy import ColumnElement, func, or_, select
from sqlalchemy.orm import Session

from worker.results import (
    NOT_MEASURABLE,
    UNSCORED,
    Advice,
    Estimated,
    Group,
    JobError,
    Single,
    Standing,
    TrialResult,
    Winner,
    competes,
    estimated,
    objective_of,
    standing_of,
)
from worker.schema import Json
from worker.storage import events, models, queries, webhooks
from worker.storage.states import OPEN, TERMINAL, Kind, State
from worker.storage.tables import Fleet, Job, TrialRow
from worker.storage.types import utc_now

POISON = "poison"
"""The code of the error of a fleet that no trainer survived."""


def store(
    session: Session, job: Job, fleet: Fleet, results: Sequence[TrialResult]
) -> list[TrialRow]:
    """Write the results into the fleet's trials, which are given back in order."""
    of_fleet = select(TrialRow).where(TrialRow.fleet_id == fleet.id)
    trials = list(session.scalars(of_fleet.order_by(TrialRow.position)))
    if len(trials) != len(results):
        raise ValueError(f"fleet {fleet.id} has {len(trials)} trials, {len(results)} results given")
    for trial, result in zip(trials, results, strict=True):
        trial.state = State(result.state)
        trial.metrics = result.metrics
        trial.epochs = result.epochs
        trial.best_epoch = result.best_epoch
        trial.error = result.error
        trial.advice = result.advice
        trial.report = result.report
        trial.halved_at = result.halved_at
        trial.score = queries.stored_score(job, result)
        known = None if trial.score == UNSCORED else trial.score
        trial.standing = standing_of(
            known, competes=competes(trial.settings), halved=result.halved_at is not None
        )
    return trials


def update_best(session: Session, job: Job, fleet: Fleet) -> None:
    """Let the configurations of a fleet that has ended compete with the job's best so far.

    No other configuration need be looked at: a rank changes only by the end of a fleet that trains
    the configuration, and only for the better. One without a finite objective does not win.
    """
    contenders: ColumnElement[bool] = TrialRow.configuration.in_(
        select(TrialRow.configuration).where(TrialRow.fleet_id == fleet.id)
    )
    if job.best is not None:
        contenders = or_(contenders, TrialRow.configuration == job.best.configuration)
    ranked = queries.best_first(session, job, contenders)
    if not ranked or not ranked[0].rank.wins:
        return
    best = _winner(session, job, ranked[0])
    if job.best is not None and job.best.configuration == best.configuration:
        best = best.model_copy(update={"chosen_by": job.best.chosen_by})
    job.best = best


def choose(session: Session, job: Job, number: int) -> None:
    """Let a configuration win although another has a better mean."""
    if job.best is None or job.best.configuration == number:
        by = job.best
    else:
        (group,) = queries.groups(session, job, TrialRow.configuration == number, overrides=False)
        by = _winner(session, job, group)
    if by is not None:
        job.best = by.model_copy(update={"chosen_by": "one_standard_error"})


def _winner(session: Session, job: Job, group: Group) -> Winner:
    """What a configuration came to, and its first trial, which is served unless it is refitted."""
    rows = session.scalars(
        select(TrialRow)
        .where(
            TrialRow.job_id == job.id,
            TrialRow.configuration == group.number,
            TrialRow.score < UNSCORED,
        )
        .order_by(TrialRow.repeat, func.coalesce(TrialRow.fold, 0))
    ).all()
    first, expected = rows[0], estimated([row.metrics for row in rows])
    return Winner(
        trial=first.id,
        name=first.name,
        configuration=group.number,
        objective=job.objective,
        value=objective_of(group.rank.mean, maximize=job.maximize),
        metrics=expected.metrics,
        deviations=expected.deviations,
        n=expected.n,
        single=Single(trial=first.id, metrics=first.metrics),
    )


def conclude(session: Session, job: Job) -> bool:
    """End the job if all its fleets have ended, in the caller's transaction.

    The caller holds the job's row, so that of two last fleets only the later one concludes. True
    when this call ended it. The job succeeds if a configuration that competes has a finite
    objective, and its refit, where the job has one, has not failed; it is cancelled if that was
    asked and a fleet did not finish, or nothing was refitted for it; else it fails, and says why.
    A prediction has no trials: it ends as its fleet.
    """
    if job.state in TERMINAL:
        return False
    states = set(session.scalars(select(Fleet.state).where(Fleet.job_id == job.id)))
    if states & OPEN:
        return False
    if job.kind == Kind.PREDICTION:
        _conclude_prediction(session, job)
        return True
    served = None if job.best is None else session.get_one(TrialRow, job.best.trial)
    job.advice = [*job.advice, *_findings(session, job, served)]
    job.finished_at = utc_now()
    error = None
    if served is None:
        error = _without_winner(session, job)
    elif _refits(job):
        served, error = _refitted(session, job, served)
    if State.CANCELLED in states or (error is not None and job.cancel_requested):
        job.state = State.CANCELLED
        events.append(session, job, "cancelled", "cancelled")
    elif error is not None or served is None:
        _fail(session, job, error or JobError(code="failed", message="Nothing came of it."))
    else:
        _succeed(session, job, served)
    webhooks.announce(session, job)
    session.flush()
    return True


def _conclude_prediction(session: Session, job: Job) -> None:
    fleet = session.scalars(select(Fleet).where(Fleet.job_id == job.id)).one()
    job.finished_at = utc_now()
    if fleet.state == State.FAILED:
        _fail(session, job, fleet.error or JobError(code="failed", message="Nothing came of it."))
    else:
        job.state = fleet.state
        events.append(session, job, job.state, str(job.state))
    webhooks.announce(session, job)
    session.flush()


def _fail(session: Session, job: Job, error: JobError) -> None:
    job.state = State.FAILED
    job.error = error
    events.append(session, job, "failed", error.message, level="error", data={"error": error})


def _refits(job: Job) -> bool:
    """Whether its winner is to be trained once more; jobs of earlier releases that compare are not.

    As ``JobSpec.refits``.
    """
    return bool((job.spec.get("search") or job.spec).get("refit"))


def _refitted(
    session: Session, job: Job, winner: TrialRow
) -> tuple[TrialRow | None, JobError | None]:
    """What is served of a winner that was to be trained once more, or why nothing is.

    A refit that failed fails its job. One that no trainer survived is a fault of the place, which
    does not count against the job: then the winner's first trial is served, and that is told.
    """
    best = job.best
    rows = [] if best is None else queries.refitted(session, job).get(best.configuration, [])
    if best is not None and rows:
        job.best = best.refit(
            [Single(trial=row.id, metrics=row.metrics) for row in rows],
            # The names of a comparison are those of its body, by which the winner is looked for.
            name=None if job.spec.get("search") is None else rows[0].name,
        )
        return rows[0], None
    field = "refit" if job.spec.get("search") is None else "search.refit"
    why = _first_error(session, job, TrialRow.settings["refit"].as_integer().is_not(None))
    message = f"{winner.name} won, but could not be trained once more on all rows: {why.message}"
    if why.code != POISON:
        fix = f" Set {field} to false to be served the winner's first trial as it was measured."
        return None, why.model_copy(update={"message": message + fix})
    finding = Advice(
        severity="warning",
        code="not_refitted",
        field=field,
        message=message,
        evidence={"trial": winner.id},
        fix="What is served is the winner's first trial, which saw a part of the rows only. Post "
        "the winner as a job of its own, with more memory or smaller batches.",
    )
    job.advice = [*job.advice, finding]
    return winner, None


def _succeed(session: Session, job: Job, served: TrialRow) -> None:
    job.state = State.SUCCEEDED
    job.epoch = job.epochs
    together = None if job.ensemble_path is None or not job.appraisal else job.appraisal.ensemble
    if job.best is not None and together is not None:
        job.best = job.best.model_copy(update={"served": "ensemble"})
    if job.model_name is not None:
        fleet = session.get_one(Fleet, served.fleet_id)
        manifest = {"trial": served.id, "settings": served.settings}
        expected = job.best or estimated([served.metrics])
        if together is not None:
            manifest[models.ENSEMBLE] = together.model_dump(mode="json", exclude={"metrics"})
            expected = Estimated(metrics=together.metrics.by_part())
        version = models.register(session, job, fleet, served, manifest, expected)
        job.model_version = version.version
        events.append(
            session,
            job,
            "model_registered",
            f"registered as version {version.version} of model {job.model_name}",
            data={"name": job.model_name, "version": version.version},
        )
    events.append(
        session, job, "succeeded", f"succeeded; best: {served.name}", data=_brief(job.best)
    )


def _brief(best: Winner | None) -> Json:
    """What the log says of a winner; the job has the rest."""
    if best is None:
        return {}
    return best.model_dump(mode="json", include={"trial", "name", "objective", "value"})


def _findings(session: Session, job: Job, winner: TrialRow | None) -> list[Advice]:
    """What the trials' results advise, each finding once for a configuration and its refit; of a
    search, what the winner's do.
    """
    refitted = TrialRow.settings["refit"].as_integer()
    complete = TrialRow.settings[("without", "configuration")].as_integer()
    query = select(
        func.coalesce(refitted, TrialRow.configuration),
        complete,
        TrialRow.overrides,
        TrialRow.advice,
    ).where(TrialRow.job_id == job.id)
    if job.spec.get("search") is not None:
        best = None if winner is None else winner.configuration
        query = query.where(TrialRow.configuration == best)
    query = query.join(Fleet, Fleet.id == TrialRow.fleet_id)
    first: dict[tuple[str, int], Advice] = {}
    trials = session.execute(query.order_by(Fleet.number, TrialRow.position))
    for configuration, whole, overrides, advice in trials:
        for finding in advice:
            number = configuration if whole is None else whole
            placed = finding.within(job.spec, number, overrides)
            first.setdefault((finding.code, configuration), placed)
    return list(first.values())


def _without_winner(session: Session, job: Job) -> JobError:
    """Why nothing has won: no objective is a finite number, or no trial succeeded."""
    counted = session.execute(
        select(TrialRow.state, func.count())
        .where(TrialRow.job_id == job.id, TrialRow.standing <= Standing.BEHIND)
        .group_by(TrialRow.state)
    )
    trials = {State(state): number for state, number in counted}
    if not trials.get(State.SUCCEEDED):
        return _first_error(session, job)
    return _no_finite_objective(session, job, trials)


def _no_finite_objective(session: Session, job: Job, trials: Mapping[State, int]) -> JobError:
    """Trials have been trained, and none can be judged."""
    succeeded, failed = trials[State.SUCCEEDED], trials.get(State.FAILED, 0)
    came = f"{succeeded} of its {sum(trials.values())} trials ended with weights"
    if failed:
        came += f", {failed} failed ({_first_error(session, job).code})"
    advice = session.scalars(
        select(TrialRow.advice)
        .where(
            TrialRow.job_id == job.id,
            TrialRow.standing <= Standing.BEHIND,
            TrialRow.state == State.SUCCEEDED,
        )
        .limit(1)
    ).first()
    finding = next((f for f in advice or [] if f.code == NOT_MEASURABLE), None)
    why = (
        f"{finding.message} {finding.fix}"
        if finding is not None
        else "The network's answers there are infinite or no numbers, or the metric is not defined "
        "for these rows. Look for extreme values in the data, name another metric in "
        "search.objective, or give the part more rows."
    )
    evidence = {"objective": job.objective, "succeeded": succeeded, "failed": failed}
    return JobError.model_validate(
        {
            "code": "no_finite_objective",
            "message": f"No configuration has a finite {job.objective}, so none wins: {came}. "
            f"{why}",
            "param": None if finding is None else finding.field,
            "evidence": evidence | ({} if finding is None else finding.evidence),
        }
    )


def _first_error(session: Session, job: Job, among: ColumnElement[bool] | None = None) -> JobError:
    """The first error of a trial, of some or all, or that of the last fleet which failed."""
    query = (
        select(TrialRow.error)
        .join(Fleet, Fleet.id == TrialRow.fleet_id)
        .where(TrialRow.job_id == job.id, TrialRow.error.is_not(None))
    )
    if among is not None:
        query = query.where(among)
    error = session.scalar(query.order_by(Fleet.number, TrialRow.position).limit(1))
    if error is not None:
        return error
    fleet = session.scalar(
        select(Fleet)
        .where(Fleet.job_id == job.id, Fleet.state == State.FAILED)
        .order_by(Fleet.number if among is None else Fleet.number.desc())
        .limit(1)
    )
    if fleet is not None and fleet.error is not None:
        return fleet.error
    return JobError(code="failed", message="No trial succeeded.")
