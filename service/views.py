"""From rows to bodies, where they differ by more than the type."""

from datetime import datetime

from service.schemas.jobs import (
    CheckpointView,
    JobView,
    ModelReference,
    Progress,
    TrialCounts,
    TrialView,
)
from service.schemas.models import ModelVersionView, ModelView
from worker.results import SparsityReport, SparsitySummary
from worker.storage.models import ModelDetail
from worker.storage.states import TERMINAL, State
from worker.storage.tables import Checkpoint, Job, ModelVersion, TrialRow
from worker.storage.types import utc_now


def job_view(row: Job, now: datetime | None = None) -> JobView:
    """A job as it is now; ``now`` sets the time that its progress is judged by."""
    return JobView(
        id=row.id,
        name=row.name,
        state=State(row.state).value,
        progress=_progress(row, now or utc_now()),
        spec=row.spec,
        advice=row.advice,
        trials=TrialCounts(
            total=row.trials_planned if _is_open_ended(row) else row.trials_total,
            finished=row.trials_finished,
            failed=row.trials_failed,
        ),
        objective=row.objective,
        best=row.best,
        model=_model_reference(row),
        error=row.error,
        created_at=row.created_at,
        started_at=row.started_at,
        finished_at=row.finished_at,
    )


def _model_reference(row: Job) -> ModelReference | None:
    if row.model_name is None:
        return None
    return ModelReference(name=row.model_name, version=row.model_version)


def _is_open_ended(row: Job) -> bool:
    """Whether only a budget of time says how many trials a job will have."""
    search = row.spec.get("search") or {}
    return search.get("budget_seconds") is not None and search.get("trials") is None


def _progress(row: Job, now: datetime) -> Progress:
    fraction = min(row.epoch / row.epochs, 1.0) if row.epochs else 0.0
    if row.trials_total > row.trials_planned:
        # Of a search only the first fleets are planned; the others will be alike.
        fraction *= row.trials_planned / row.trials_total
    if row.state == State.SUCCEEDED:
        fraction = 1.0
    spent = 0.0
    if row.started_at is not None:
        spent = max((now - row.started_at).total_seconds(), 0.0)
    budget = (row.spec.get("search") or {}).get("budget_seconds")
    if budget is not None and row.state not in TERMINAL:
        fraction = min(max(fraction, spent / budget), 0.99)
    eta = None
    if row.state == State.RUNNING and fraction > 0:
        eta = round(spent * (1 - fraction) / fraction, 3)
    return Progress(fraction=fraction, epoch=row.epoch, epochs=row.epochs, eta_seconds=eta)


def network_summary(trial: TrialRow) -> SparsitySummary | None:
    """What is left of a trial's network, in short; none before it succeeded."""
    return None if trial.report is None else trial.report.summary(_by_subgradient(trial))


def network_report(trial: TrialRow) -> SparsityReport | None:
    """All that is known of what is left of a trial's network; none before it succeeded."""
    return None if trial.report is None else trial.report.full(trial.id, _by_subgradient(trial))


def _by_subgradient(trial: TrialRow) -> list[str]:
    techniques = trial.settings.get("regularization", {})
    return [
        name
        for name, settings in techniques.items()
        if settings and settings.get("method") == "subgradient"
    ]


def trial_view(row: TrialRow) -> TrialView:
    """A trial, with what is left of its network in short."""
    return TrialView(
        id=row.id,
        name=row.name,
        configuration=row.configuration,
        repeat=row.repeat,
        fold=row.fold,
        state=State(row.state).value,
        metrics=row.metrics,
        epochs=row.epochs,
        best_epoch=row.best_epoch,
        halved_at=row.halved_at,
        network=network_summary(row),
        settings=row.settings,
        overrides=row.overrides,
        advice=row.advice,
        error=row.error,
    )


def checkpoint_view(row: Checkpoint) -> CheckpointView:
    """A checkpoint of a fleet."""
    return CheckpointView(
        id=row.id,
        fleet=row.fleet_id,
        epoch=row.epoch,
        bytes=row.bytes,
        sha256=row.sha256,
        created_at=row.created_at,
    )


def model_view(detail: ModelDetail) -> ModelView:
    """A model, with its versions and aliases."""
    versions = sorted(row.version for row in detail.versions)
    return ModelView(
        id=detail.model.id,
        name=detail.model.name,
        versions=versions,
        latest=versions[-1] if versions else None,
        aliases=detail.aliases,
        created_at=detail.model.created_at,
    )


def version_view(row: ModelVersion, name: str, trial: TrialRow) -> ModelVersionView:
    """A version of a model, and the trial whose weights it has."""
    return ModelVersionView(
        model=name,
        version=row.version,
        job=row.job_id,
        trial=row.trial_id,
        metrics=row.metrics,
        network=network_report(trial),
        manifest=row.manifest,
        bytes=row.bytes,
        sha256=row.sha256,
        created_at=row.created_at,
    )
