"""From rows to bodies, where they differ by more than the type."""

from service.schemas.datasets import ColumnView, DatasetView
from service.schemas.jobs import (
    CheckpointView,
    JobView,
    ModelReference,
    Progress,
    TrialCounts,
    TrialView,
)
from service.schemas.models import ModelVersionView, ModelView
from worker.results import Estimated, SparsityReport, SparsitySummary
from worker.schema import Json
from worker.spec import shown, without_off
from worker.storage.models import ESTIMATE, ModelDetail
from worker.storage.states import TERMINAL, State
from worker.storage.tables import Checkpoint, Dataset, Job, ModelVersion, TrialRow
from worker.storage.types import utc_now

FEW = 20
"""Most columns of a data set in a list, and most categories of a column."""
LONGEST = 100
"""Letters of a category, where not all are asked for."""


def job_view(row: Job, *, resolved: bool = False) -> JobView:
    """A job as it is now; ``resolved`` with its complete specification."""
    # Earlier releases kept the complete specification alone.
    spec = shown(row.spec) if row.posted is None else row.posted
    search = spec.get("search") or {}
    return JobView(
        id=row.id,
        name=row.name,
        state=State(row.state).value,
        progress=_progress(row, search.get("budget_seconds")),
        spec=spec,
        resolved=without_off(row.spec) if resolved else None,
        advice=row.advice,
        trials=TrialCounts(
            total=row.trials_planned if _is_open_ended(search) else row.trials_total,
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


def _is_open_ended(search: Json) -> bool:
    """Whether only a budget of time says how many trials a job will have."""
    return search.get("budget_seconds") is not None and search.get("trials") is None


def _progress(row: Job, budget: float | None) -> Progress:
    fraction = min(row.epoch / row.epochs, 1.0) if row.epochs else 0.0
    if row.trials_total > row.trials_planned:
        # Of a search only the first fleets are planned; the others will be alike.
        fraction *= row.trials_planned / row.trials_total
    if row.state == State.SUCCEEDED:
        fraction = 1.0
    spent = 0.0
    if row.started_at is not None:
        spent = max((utc_now() - row.started_at).total_seconds(), 0.0)
    if budget is not None and row.state not in TERMINAL:
        fraction = min(max(fraction, spent / budget), 0.99)
    eta = None
    if row.state == State.RUNNING and fraction > 0:
        eta = round(spent * (1 - fraction) / fraction, 3)
    return Progress(fraction=fraction, epoch=row.epoch, epochs=row.epochs, eta_seconds=eta)


def network_summary(trial: TrialRow) -> SparsitySummary | None:
    """What is left of a trial's network, in short; none before it succeeded."""
    if trial.report is None:
        return None
    return trial.report.summary(_by_subgradient(trial), constant=_is_constant(trial))


def network_report(trial: TrialRow) -> SparsityReport | None:
    """All that is known of what is left of a trial's network; none before it succeeded."""
    if trial.report is None:
        return None
    return trial.report.full(trial.id, _by_subgradient(trial), constant=_is_constant(trial))


def _is_constant(trial: TrialRow) -> bool:
    """Whether it answers one class alone, on the rows of any part."""
    return any(
        name.endswith("classes_predicted") and value == 1 for name, value in trial.metrics.items()
    )


def _by_subgradient(trial: TrialRow) -> list[str]:
    techniques = trial.settings.get("regularization", {})
    return [
        name
        for name, settings in techniques.items()
        if settings and settings.get("method") == "subgradient"
    ]


def dataset_view(
    row: Dataset, *, columns: int | None = None, categories: int | None = FEW
) -> DatasetView:
    """A data set, with so many of its columns, and of their categories; without a number, all."""
    return DatasetView(
        id=row.id,
        name=row.name,
        target=row.target,
        rows=row.rows,
        columns=[_column_view(column, categories) for column in row.columns[:columns]],
        columns_count=len(row.columns),
        bytes=row.bytes,
        sha256=row.sha256,
        created_at=row.created_at,
    )


def _column_view(column: Json, most: int | None) -> ColumnView:
    categories = column["categories"]
    view = ColumnView.model_validate({**column, "categories_count": len(categories)})
    if most is not None:
        view.categories = [
            text if len(text) <= LONGEST else f"{text[: LONGEST - 1]}…"
            for text in categories[:most]
        ]
    return view


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
        settings=without_off(row.settings),
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
    estimate = row.manifest.get(ESTIMATE) or {}
    expected = Estimated.model_validate({**estimate, "metrics": row.metrics})
    return ModelVersionView(
        model=name,
        version=row.version,
        job=row.job_id,
        trial=row.trial_id,
        metrics=expected.metrics,
        deviations=expected.deviations,
        n=expected.n,
        single=expected.single,
        network=network_report(trial),
        manifest=_manifest(row.manifest),
        bytes=row.bytes,
        sha256=row.sha256,
        created_at=row.created_at,
    )


def _manifest(manifest: Json) -> Json:
    """What is shown of it; the estimate stands apart."""
    shown = {name: part for name, part in manifest.items() if name != ESTIMATE}
    settings = shown.get("settings")
    return {**shown, "settings": without_off(settings)} if settings else shown
