"""From a specification to an accepted job."""

import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass

import orjson
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from service.parts import Parts
from service.tables import unknown_dataset
from worker.advice import Advice, advise
from worker.data import Outline
from worker.data.dataset import check, prepare
from worker.errors import NotFoundError, SpecError
from worker.runtime.memory import fleet_limits, fleet_memory
from worker.runtime.planning import new_fleet
from worker.search import FleetPlan, plan, strongest
from worker.search.halving import effort
from worker.search.waves import Search, resolved
from worker.spec import Builtin, JobSpec
from worker.storage import datasets, idempotency, jobs
from worker.storage.tables import Job

DATA_FIELDS = {"dataset", "target", "task", "split", "preprocessing"}
"""The fields that decide how the data are read and divided."""

ZERO = re.compile(rb"(?<!\\)(?:\\\\)*\\u0000")
"""U+0000 as JSON writes it. PostgreSQL cannot keep it."""


@dataclass(frozen=True)
class Proposal:
    """A specification that was found sound, and what it means."""

    spec: JobSpec
    outline: Outline
    plans: Sequence[FleetPlan]
    """All fleets; of a search, the first ones."""
    trials: int
    """All of them."""
    advice: Sequence[Advice]

    @property
    def effort(self) -> float:
        """The share of their epochs that is trained: halving lets most trials go."""
        search = self.spec.search
        if search is None or search.method != "halving":
            return 1.0
        epochs = max(trial.training.epochs for each in self.plans for trial in each.trials)
        return effort(epochs=epochs, min_epochs=search.min_epochs, eta=search.eta)

    @property
    def share(self) -> float:
        """How many times the trials of `plans` there will be: 1 unless it is a search."""
        return self.trials / sum(len(each.trials) for each in self.plans)


def propose(parts: Parts, spec: JobSpec) -> Proposal:
    """Check a specification against its data, and plan its fleets. Nothing is written.

    Raises:
        SpecError: no such data set, or fields that do not go together.
        DataError: the data do not allow the job.
    """
    outline = _outline(parts, spec)
    if spec.search is None:
        plans = plan(spec, outline, fleet_memory(parts.settings))
        total = sum(len(each.trials) for each in plans)
        return Proposal(spec, outline, plans, total, advise(spec, outline))
    if strongest.is_open(spec):
        table, default_target = parts.tables.get(spec.dataset)
        spec = strongest.closed(spec, prepare(table, spec, default_target))
    spec = resolved(spec, outline)
    search = Search(spec, outline, fleet_limits(parts.settings))
    search.check()
    wave = search.wave(0, workers=parts.settings.workers)
    if wave is None or not wave.plans or wave.refused:
        refused = wave.refused[0].error["message"] if wave is not None and wave.refused else ""
        raise SpecError(
            f"The space holds configurations that cannot be trained: {refused}",
            param="search.space",
        )
    total = search.total * search.each
    return Proposal(spec, outline, wave.plans, total, advise(spec, outline))


def submit(parts: Parts, spec: JobSpec, key: str | None = None) -> Job:
    """Accept a job: it is committed when this returns, and its workers are on their way.

    Raises:
        KeyReused: the key made another job, from another body.
        SpecError, DataError: as `propose`.
    """
    document = spec.model_dump(mode="json")
    canonical = orjson.dumps(document, option=orjson.OPT_SORT_KEYS)
    if ZERO.search(canonical):
        raise SpecError("Texts must not hold the character U+0000.", code="invalid_text")
    digest = hashlib.sha256(canonical).hexdigest()
    if key is not None and (known := _known(parts, key, digest)) is not None:
        return known
    proposal = propose(parts, spec)
    try:
        with parts.database.write() as session:
            job = idempotency.find(session, key, digest) if key is not None else None
            if job is None:
                job = _create(session, proposal)
                if key is not None:
                    idempotency.remember(session, key, digest, job.id)
    except IntegrityError:
        # PostgreSQL: another request with this key was committed after ours had looked.
        if key is None or (known := _known(parts, key, digest)) is None:
            raise
        return known
    parts.reconciler.nudge()
    return job


def _known(parts: Parts, key: str, digest: str) -> Job | None:
    with parts.database.read() as session:
        return idempotency.find(session, key, digest)


def _outline(parts: Parts, spec: JobSpec) -> Outline:
    def look() -> Outline:
        table, default_target = parts.tables.get(spec.dataset)
        return check(table, spec, default_target)

    return parts.outlines.get(spec.model_dump_json(include=DATA_FIELDS), look)


def _create(session: Session, proposal: Proposal) -> Job:
    spec = proposal.spec
    dataset_id = None if isinstance(spec.dataset, Builtin) else spec.dataset
    if dataset_id is not None:
        try:
            datasets.get(session, dataset_id, lock="keep")
        except NotFoundError as error:
            raise unknown_dataset(dataset_id) from error
    first = proposal.plans[0]
    return jobs.create(
        session,
        spec=spec.model_dump(mode="json"),
        fleets=[new_fleet(each) for each in proposal.plans],
        objective=first.objective,
        maximize=first.maximize,
        trials_total=proposal.trials,
        advice=[finding.model_dump(mode="json") for finding in proposal.advice],
        name=spec.name,
        dataset_id=dataset_id,
        model_name=spec.model,
    )
