"""A job is accepted: from its specification to committed rows."""

import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass

import orjson
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from worker.advice import Advice, advise
from worker.data import Outline, prepare
from worker.errors import NotFoundError, SpecError
from worker.jobs.admission import Admission
from worker.jobs.memory import fleet_limits
from worker.jobs.rows import new_fleet
from worker.jobs.table_cache import TableCache, unknown_dataset
from worker.search import (
    Comparison,
    Cost,
    FleetPlan,
    Search,
    Wave,
    begins_at_lambda_max,
    comparison_costs,
    effort,
    goes_in_waves,
    job_objective,
    plan,
    planned_costs,
    posted_configurations,
    resolve_search,
    with_path_from_lambda_max,
)
from worker.settings import ServiceSettings
from worker.spec import Builtin, JobSpec, is_maximized
from worker.storage import datasets, idempotency, jobs
from worker.storage.database import Database
from worker.storage.tables import Job

ZERO = re.compile(rb"(?<!\\)(?:\\\\)*\\u0000")
"""U+0000 as JSON writes it. PostgreSQL cannot keep it."""


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

    @property
    def trials(self) -> int:
        """All of them."""
        return self.cost.trials


class JobIntake:
    """Accepts jobs. Whoever rings the workers is to be told afterwards."""

    def __init__(self, settings: ServiceSettings, database: Database, tables: TableCache) -> None:
        self._settings, self._database, self._tables = settings, database, tables
        self._admission = Admission(settings)

    def propose(self, spec: JobSpec) -> Proposal:
        """Check a specification against its data, and plan its fleets. Nothing is written.

        Raises:
            SpecError: no such data set, or fields that do not go together.
            LimitExceededError: it costs more than the settings allow.
            DataError: the data do not allow the job.
        """
        self._admission.admit_size(spec, self._tables.rows(spec.dataset))
        outline = self._tables.outline(spec)
        if spec.search is None:
            return self._propose_comparison(spec, outline)
        if begins_at_lambda_max(spec):
            table, default_target = self._tables.get(spec.dataset)
            spec = with_path_from_lambda_max(spec, prepare(table, spec, default_target))
        return self._propose_search(resolve_search(spec, outline), outline)

    def _propose_comparison(self, spec: JobSpec, outline: Outline) -> Proposal:
        limits = fleet_limits(self._settings)
        for configuration in posted_configurations(spec):
            self._admission.admit_network(configuration, outline)
        if not goes_in_waves(spec):
            plans = plan(spec, outline, limits.memory)
            total = sum(len(fleet.trials) for fleet in plans)
            cost = Cost.of(planned_costs(plans, outline), total)
            self._admission.admit_cost(spec, cost)
            return Proposal(spec, outline, plans, cost, advise(spec, outline))
        comparison = Comparison(spec, outline, limits)
        comparison.check()
        cost = Cost.of(comparison_costs(spec, outline, limits), comparison.total)
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
        cost = Cost.of(
            planned_costs(plans, outline), total, share=total / first, effort=_effort(spec, plans)
        )
        self._admission.admit_cost(spec, cost)
        return Proposal(spec, outline, plans, cost, advise(spec, outline))

    def accept(self, spec: JobSpec, key: str | None = None) -> Job:
        """Accept a job: it is committed when this returns.

        ``key`` is the request's ``Idempotency-Key``: sent again, it gives the same job.

        Raises:
            KeyReused: the key made another job, from another body.
            SpecError, DataError: as :meth:`propose`.
        """
        # As it was asked: with defaults written out, a later release's would make it another body.
        document = spec.model_dump(mode="json", exclude_unset=True)
        canonical = orjson.dumps(document, option=orjson.OPT_SORT_KEYS)
        if ZERO.search(canonical):
            raise SpecError("Texts must not hold the character U+0000.", code="invalid_text")
        digest = hashlib.sha256(canonical).hexdigest()
        if key is not None and (known := self._known(key, digest)) is not None:
            return known
        proposal = self.propose(spec)
        try:
            with self._database.write() as session:
                job = idempotency.find(session, key, digest) if key is not None else None
                if job is None:
                    job = _create(session, proposal)
                    if key is not None:
                        idempotency.remember(session, key, digest, job.id)
                return job
        except IntegrityError:
            # PostgreSQL: another request with this key was committed after ours had looked.
            if key is None or (known := self._known(key, digest)) is None:
                raise
            return known

    def _known(self, key: str, digest: str) -> Job | None:
        with self._database.read() as session:
            return idempotency.find(session, key, digest)


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


def _create(session: Session, proposal: Proposal) -> Job:
    spec = proposal.spec
    dataset_id = None if isinstance(spec.dataset, Builtin) else spec.dataset
    if dataset_id is not None:
        try:
            datasets.get(session, dataset_id, lock="keep")
        except NotFoundError as error:
            raise unknown_dataset(dataset_id) from error
    objective = job_objective(spec, proposal.outline)
    return jobs.create(
        session,
        spec=spec.model_dump(mode="json"),
        fleets=[new_fleet(fleet) for fleet in proposal.plans],
        objective=objective,
        maximize=is_maximized(objective),
        trials_total=proposal.trials,
        advice=proposal.advice,
        name=spec.name,
        dataset_id=dataset_id,
        model_name=spec.model,
    )
