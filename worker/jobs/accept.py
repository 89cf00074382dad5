"""A job is accepted: from its specification to committed rows; and trials back from their rows."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace

import orjson
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from worker.advice import advise
from worker.caller import LOCAL, Caller
from worker.data import Outline
from worker.errors import NotFoundError, SpecError
from worker.jobs.admission import Admission
from worker.jobs.memory import fleet_limits
from worker.jobs.table_cache import TableCache, unknown_dataset
from worker.metrics import is_maximized
from worker.results import Advice, JobError
from worker.schema import Json
from worker.search import (
    Comparison,
    Cost,
    FleetPlan,
    Overrides,
    Refused,
    Search,
    Wave,
    check_threshold,
    comparison_costs,
    effort,
    goes_in_waves,
    job_objective,
    plan,
    planned_costs,
    posted_configurations,
    refit_costs,
    resolve_refit,
    resolve_refit_repeats,
    resolve_search,
    with_path_from_lambda_max,
)
from worker.settings import ServiceSettings
from worker.spec import Builtin, FoldColumn, JobSpec, Trial, shown, summary_of
from worker.storage import datasets, idempotency, jobs, queries, quotas, webhooks
from worker.storage.additions import NewFleet, NewTrial
from worker.storage.database import Database
from worker.storage.tables import Job


@dataclass(frozen=True)
class Proposal:
    """A specification that was found sound, and what it means."""

    spec: JobSpec
    """Complete: what a search leaves to defaults is written out."""
    outline: Outline
    plans: Sequence[FleetPlan]
    """All fleets; of a search or a long comparison, the first ones."""
    cost: Cost
    """Of all of it."""
    advice: Sequence[Advice]
    """What was found in the data, then what is to be said of the job."""

    @property
    def trials(self) -> int:
        """All of them."""
        return self.cost.trials


@dataclass(frozen=True)
class Accepted:
    """What came of a request for a job."""

    job: Job
    replayed: bool
    """Whether an earlier request with the same key made it."""


class JobIntake:
    """Accepts jobs. Whoever rings the workers is to be told afterwards."""

    def __init__(self, settings: ServiceSettings, database: Database, tables: TableCache) -> None:
        self._settings, self._database, self._tables = settings, database, tables
        self._admission = Admission(settings)

    def propose(self, spec: JobSpec, *, caller: Caller = LOCAL) -> Proposal:
        """Check a specification against its data, and plan its fleets. Nothing is written.

        Raises:
            SpecError: no such data set, or fields that do not go together.
            LimitExceededError: it costs more than the settings allow.
            DataError: the data do not allow the job.
        """
        rows = self._tables.rows(spec.dataset, tenant=caller.tenant)
        self._admission.admit_size(spec, rows)
        checked = self._tables.checked(spec, tenant=caller.tenant)
        if isinstance(spec.split.folds, FoldColumn):
            spec = _with_fold_count(spec, checked.outline.folds, spec.split.folds)
            self._admission.admit_size(spec, rows)
        check_threshold(spec, checked.outline)
        if checked.lambda_max is not None:
            spec = with_path_from_lambda_max(spec, checked.lambda_max)
        proposal = self._proposed(spec, checked.outline)
        # What is wrong with the data comes before what could be better in the job.
        return replace(proposal, advice=[*checked.findings, *proposal.advice])

    def preview(self, spec: JobSpec, *, caller: Caller = LOCAL) -> Proposal:
        """As `propose`, with what is checked besides when a job is stored.

        Raises:
            SpecError, DataError, LimitExceededError: as `propose`, or there is no such webhook.
        """
        if spec.webhook is not None:
            with self._database.read() as session:
                webhooks.check_named(session, spec.webhook, tenant=caller.tenant)
        return self.propose(spec, caller=caller)

    def _proposed(self, spec: JobSpec, outline: Outline) -> Proposal:
        if spec.search is None:
            return self._propose_comparison(resolve_refit(spec, outline), outline)
        resolved = resolve_refit(resolve_search(spec, outline), outline)
        return self._propose_search(resolved, outline)

    def _propose_comparison(self, spec: JobSpec, outline: Outline) -> Proposal:
        limits = fleet_limits(self._settings)
        posted = posted_configurations(spec)
        for configuration in posted:
            self._admission.admit_network(configuration, outline)
        refits = refit_costs(spec, outline, posted)
        if not goes_in_waves(spec):
            plans = plan(spec, outline, limits.memory)
            total = sum(len(fleet.trials) for fleet in plans)
            cost = Cost.of(planned_costs(plans, outline), total, refits=refits)
            self._admission.admit_cost(spec, cost)
            return Proposal(spec, outline, plans, cost, advise(spec, outline))
        comparison = Comparison(spec, outline, limits)
        comparison.check()
        cost = Cost.of(comparison_costs(spec, outline, limits), comparison.total, refits=refits)
        self._admission.admit_cost(spec, cost)
        wave = comparison.wave(0, workers=self._settings.workers)
        return Proposal(
            spec, outline, _sound(wave, "The job", "compare"), cost, advise(spec, outline)
        )

    def _propose_search(self, spec: JobSpec, outline: Outline) -> Proposal:
        search = Search(spec, outline, fleet_limits(self._settings))
        search.check(lambda configuration: self._admission.admit_network(configuration, outline))
        total = search.total * search.replica_count
        if spec.search is not None and spec.search.budget_seconds is None:
            self._admission.admit_trials(spec, total)
        wave = search.wave(0, workers=self._settings.workers)
        plans = _sound(wave, "The space", "search.space")
        first = sum(len(fleet.trials) for fleet in plans)
        configurations = [trial for plan in plans for trial in plan.trials]
        fleets, share, kept = planned_costs(plans, outline), total / first, _effort(spec, plans)
        search_alone = Cost.of(fleets, total, share=share, effort=kept)
        spec = resolve_refit_repeats(
            spec, outline, configurations, seconds=_within(spec, search_alone), trials=total
        )
        refits = refit_costs(spec, outline, configurations)
        cost = Cost.of(fleets, total, share=share, effort=kept, refits=refits)
        self._admission.admit_cost(spec, cost)
        return Proposal(spec, outline, plans, cost, advise(spec, outline))

    def accept(self, spec: JobSpec, *, caller: Caller = LOCAL) -> Job:
        """Accept a job: it is committed when this returns.

        Raises:
            SpecError, DataError: as :meth:`propose`.
        """
        return self.accept_once(spec, caller=caller).job

    def accept_once(
        self, spec: JobSpec, key: str | None = None, *, caller: Caller = LOCAL
    ) -> Accepted:
        """Accept a job, or find the one that its ``Idempotency-Key`` made before.

        Raises:
            KeyReused: the key made another job, from another body.
            QuotaError: the tenant has as much as it may.
            SpecError, DataError: as :meth:`propose`.
        """
        # As it was asked: with defaults written out, a later release's would make it another body.
        document = spec.model_dump(mode="json", exclude_unset=True)
        canonical = orjson.dumps(document, option=orjson.OPT_SORT_KEYS)
        digest = hashlib.sha256(canonical).hexdigest()
        if key is not None and (known := self._known(key, digest, caller)) is not None:
            return Accepted(known, replayed=True)
        self._database.expect_write()
        proposal = self.propose(spec, caller=caller)
        return self._accept(proposal, shown(document), key, digest, caller)

    def _accept(
        self,
        proposal: Proposal,
        posted: Json,
        key: str | None,
        digest: str,
        caller: Caller,
        retry_of: str | None = None,
    ) -> Accepted:
        """Store a job, unless its key has made it meanwhile."""
        try:
            with self._database.write() as session:
                tenant = caller.tenant
                known = None
                if key is not None:
                    known = idempotency.find(session, key, digest, tenant=tenant)
                if known is not None:
                    return Accepted(known, replayed=True)
                quotas.admit_job(session, tenant, self._settings.shares)
                named = proposal.spec.webhook
                if named is not None and retry_of is None:  # of a retry it may be gone
                    webhooks.check_named(session, named, tenant=caller.tenant)
                job = _create(session, proposal, posted, caller)
                if retry_of is not None:
                    jobs.mark_retry(session, job, retry_of)
                if key is not None:
                    idempotency.remember(session, key, digest, job.id, tenant=tenant)
                return Accepted(job, replayed=False)
        except IntegrityError:
            # PostgreSQL: another request with this key was committed after ours had looked.
            if key is None or (known := self._known(key, digest, caller)) is None:
                raise
            return Accepted(known, replayed=True)

    def retry(self, job_id: str, key: str | None = None, *, caller: Caller = LOCAL) -> Accepted:
        """Accept a job that failed or was cancelled once more, as a new one.

        Its complete specification is taken, so that a search trains what it had chosen.

        Raises:
            NotFoundError: there is no such job.
            ConflictError: it has not ended, or has succeeded.
            KeyReused: the key made another job.
            SpecError, DataError: as :meth:`propose`.
        """
        with self._database.read() as session:
            before = jobs.find_job(session, job_id, tenant=caller.tenant)
        jobs.check_retried(before)
        digest = hashlib.sha256(f"retry {job_id}".encode()).hexdigest()
        if key is not None and (known := self._known(key, digest, caller)) is not None:
            return Accepted(known, replayed=True)
        spec = JobSpec.model_validate_json(orjson.dumps(before.spec))
        posted = shown(before.spec) if before.posted is None else before.posted
        proposal = self.propose(spec, caller=caller)
        return self._accept(proposal, posted, key, digest, caller, retry_of=job_id)

    def _known(self, key: str, digest: str, caller: Caller) -> Job | None:
        with self._database.read() as session:
            return idempotency.find(session, key, digest, tenant=caller.tenant)


def _with_fold_count(spec: JobSpec, count: int, folds: FoldColumn) -> JobSpec:
    """The job with the number of its folds written out, which a column of the data has."""
    counted = folds.model_copy(update={"count": count})
    split = spec.split.model_copy(update={"folds": counted})
    return spec.model_copy(update={"split": split})


def _sound(wave: Wave | None, what: str, param: str) -> Sequence[FleetPlan]:
    """The fleets of a job's first wave; ``SpecError`` where one of them cannot be trained."""
    if wave is None or not wave.plans or wave.refused:
        refused = wave.refused[0].error.message if wave is not None and wave.refused else ""
        raise SpecError(
            f"{what} holds configurations that cannot be trained: {refused}", param=param
        )
    return wave.plans


def _effort(spec: JobSpec, plans: Sequence[FleetPlan]) -> float:
    """The share of their epochs that is trained: halving lets most trials go."""
    search = spec.search
    if search is None or search.method != "halving":
        return 1.0
    epochs = max(trial.training.epochs for fleet in plans for trial in fleet.trials)
    return effort(epochs=epochs, min_epochs=search.min_epochs, eta=search.eta)


def _within(spec: JobSpec, cost: Cost) -> float:
    """Seconds of a search, within its budget."""
    budget = None if spec.search is None else spec.search.budget_seconds
    return cost.seconds if budget is None else min(cost.seconds, budget)


def _create(session: Session, proposal: Proposal, posted: Json, caller: Caller) -> Job:
    spec = proposal.spec
    dataset_id = None if isinstance(spec.dataset, Builtin) else spec.dataset
    if dataset_id is not None:
        try:
            datasets.find_dataset(session, dataset_id, lock="keep", tenant=caller.tenant)
        except NotFoundError as error:
            raise unknown_dataset(dataset_id) from error
    objective = job_objective(spec, proposal.outline)
    return jobs.add_job(
        session,
        spec=spec.model_dump(mode="json"),
        posted=posted,
        summary=summary_of(posted, proposal.outline.target.column),
        fleets=[new_fleet(fleet) for fleet in proposal.plans],
        objective=objective,
        maximize=is_maximized(objective),
        trials_total=proposal.trials,
        advice=proposal.advice,
        understood=proposal.outline.understood,
        name=spec.name,
        dataset_id=dataset_id,
        model_name=spec.model,
        device=spec.device,
        priority=spec.priority,
        estimated_seconds=_within(spec, proposal.cost),
        tenant=caller.tenant,
    )


def new_fleet(plan: FleetPlan) -> NewFleet:
    """The rows of a planned fleet. Each trial is stored whole, once."""
    return _fleet(
        plan.trials,
        plan.overrides or [None] * len(plan.trials),
        epochs=max(trial.training.epochs for trial in plan.trials),
    )


def new_fleets(wave: Wave) -> list[NewFleet]:
    """The rows of a wave; configurations that cannot be trained are kept as failed."""
    return [*map(new_fleet, wave.plans), *map(_refused, wave.refused)]


def _refused(refused: Refused) -> NewFleet:
    overrides = [refused.overrides] * len(refused.trials)
    return _fleet(refused.trials, overrides, epochs=0, error=JobError.of(refused.error))


def _fleet(
    trials: Sequence[Trial],
    overrides: Sequence[Overrides | None],
    epochs: int,
    error: JobError | None = None,
) -> NewFleet:
    return NewFleet(
        trials=[
            NewTrial(
                name=trial.name,
                configuration=trial.configuration,
                repeat=trial.repeat,
                fold=trial.fold,
                settings=trial.model_dump(mode="json"),
                overrides=changes,
            )
            for trial, changes in zip(trials, overrides, strict=True)
        ],
        epochs=epochs,
        error=error,
    )


def load_trials(session: Session, fleet_id: str) -> list[Trial]:
    """The trials of a fleet, by position; none of one that only plans what follows."""
    return [
        Trial.model_validate_json(orjson.dumps(settings))
        for settings in queries.settings_of(session, fleet_id)
    ]
