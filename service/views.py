"""From rows to bodies, where they differ by more than the type."""

from sqlalchemy.orm import Session

from service.schemas.datasets import DatasetSummary, DatasetView, SourceView
from service.schemas.jobs import (
    BestSummary,
    CheckpointView,
    ErrorSummary,
    JobSummary,
    JobView,
    ModelReference,
    Progress,
    QueuePlaceView,
    TrialCounts,
    TrialView,
)
from service.schemas.learnt import ModelManifest
from service.schemas.models import ModelSummary, ModelVersionView, ModelView
from worker.data import Listed, Table, listed, stored_report
from worker.jobs import stored_reading
from worker.results import Estimated, SparsityReport, SparsitySummary
from worker.shares import Shares
from worker.spec import is_open_ended, shown, summary_of, without_off
from worker.storage import queries, waits
from worker.storage.models import ENSEMBLE, ESTIMATE, ModelBrief, ModelDetail, Origin
from worker.storage.states import TERMINAL, State
from worker.storage.tables import Checkpoint, Dataset, Job, ModelVersion, TrialRow
from worker.storage.types import utc_now
from worker.storage.waits import QueuePlace
from worker.text import shortened

LONGEST_LISTED, LONGEST_MESSAGE = 100, 200
"""Letters of a name and of an error in a list."""


def job_view(
    row: Job,
    *,
    waiting_for: str | None = None,
    place: QueuePlace | None = None,
    exact: bool = True,
    resolved: bool = False,
) -> JobView:
    """A job as it is now; ``resolved`` with its complete specification.

    ``waiting_for`` and ``place`` come from ``worker.storage.waits``, ``exact`` from
    ``worker.storage.queries``.
    """
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
        understood=row.understood,
        advice=row.advice,
        trials=_trial_counts(row, open_ended=is_open_ended(search)),
        objective=row.objective,
        best=row.best,
        model=_model_reference(row),
        retry_of=row.retry_of,
        waiting_for=waiting_for,
        queue=None if place is None else QueuePlaceView(**vars(place)),
        exact=exact,
        error=row.error,
        created_at=row.created_at,
        started_at=row.started_at,
        finished_at=row.finished_at,
    )


def stored_view(session: Session, row: Job, shares: Shares, *, resolved: bool = False) -> JobView:
    """A job as it is now, with what its fleets wait for."""
    return job_view(
        row,
        waiting_for=waits.waiting_for(session, row, shares),
        place=waits.find_place(session, row, shares),
        exact=queries.is_exact(session, row),
        resolved=resolved,
    )


def job_summary(row: Job, *, waiting_for: str | None = None) -> JobSummary:
    """A job in a list; ``waiting_for`` is what ``worker.storage.waits`` knows of it."""
    brief = row.summary
    if brief is None:  # of an earlier release
        brief = summary_of(row.spec if row.posted is None else row.posted)
    return JobSummary(
        id=row.id,
        name=row.name,
        state=State(row.state).value,
        progress=_progress(row, brief["budget_seconds"]),
        trials=_trial_counts(row, open_ended=brief["open_ended"]),
        objective=row.objective,
        dataset=brief["dataset"],
        target=_listed(brief["target"]),
        best=None
        if row.best is None
        else BestSummary(trial=row.best.trial, name=_listed(row.best.name), value=row.best.value),
        model=_model_reference(row),
        retry_of=row.retry_of,
        error=None
        if row.error is None
        else ErrorSummary(
            code=row.error.code, message=shortened(row.error.message, LONGEST_MESSAGE)
        ),
        advice_count=len(row.advice),
        waiting_for=waiting_for,
        created_at=row.created_at,
        started_at=row.started_at,
        finished_at=row.finished_at,
    )


def _listed(text: str | None) -> str | None:
    return None if text is None else shortened(text, LONGEST_LISTED)


def _trial_counts(row: Job, *, open_ended: bool) -> TrialCounts:
    return TrialCounts(
        total=row.trials_planned if open_ended else row.trials_total,
        finished=row.trials_finished,
        failed=row.trials_failed,
    )


def _model_reference(row: Job) -> ModelReference | None:
    if row.model_name is None:
        return None
    return ModelReference(name=row.model_name, version=row.model_version)


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


def network_report(trial: TrialRow | Origin) -> SparsityReport | None:
    """All that is known of what is left of a trial's network; none before it succeeded."""
    if trial.report is None:
        return None
    return trial.report.full(trial.id, _by_subgradient(trial), constant=_is_constant(trial))


def _is_constant(trial: TrialRow | Origin) -> bool:
    """Whether it answers one class alone, on the rows of any part."""
    return any(
        name.endswith("classes_predicted") and value == 1 for name, value in trial.metrics.items()
    )


def _by_subgradient(trial: TrialRow | Origin) -> list[str]:
    techniques = trial.settings.get("regularization", {})
    return [
        name
        for name, settings in techniques.items()
        if settings and settings.get("method") == "subgradient"
    ]


def dataset_view(row: Dataset, whole: Table | None = None) -> DatasetView:
    """A data set; with its table, all categories of its columns."""
    columns = list(stored_report(row.columns))
    if whole is not None:
        columns = [
            column.model_copy(update={"categories": list(whole.column(column.name).categories)})
            for column in columns
        ]
    source = None
    if row.source_sha256 is not None:
        source = SourceView(
            filename=row.filename, bytes=row.source_bytes or 0, sha256=row.source_sha256
        )
    return DatasetView(
        id=row.id,
        name=row.name,
        target=row.target,
        rows=row.rows,
        columns=columns,
        columns_count=len(columns),
        reading=stored_reading(row),
        understood=row.understood,
        findings=row.findings or [],
        source=source,
        bytes=row.bytes,
        sha256=row.sha256,
        created_at=row.created_at,
    )


def dataset_summary(row: Dataset) -> DatasetSummary:
    """A data set in a list."""
    if row.summary is None:  # of an earlier release
        brief = listed(stored_report(row.columns))
    else:
        brief = Listed.model_validate(row.summary)
    return DatasetSummary(
        id=row.id,
        name=row.name,
        target=row.target,
        rows=row.rows,
        columns=brief.columns,
        columns_count=brief.columns_count,
        findings_count=brief.findings_count,
        bytes=row.bytes,
        sha256=row.sha256,
        created_at=row.created_at,
    )


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


def model_summary(brief: ModelBrief) -> ModelSummary:
    """A model in a list."""
    return ModelSummary(
        id=brief.model.id,
        name=brief.model.name,
        versions_count=brief.versions,
        latest=brief.latest,
        aliases=brief.aliases,
        aliases_count=brief.aliases_count,
        created_at=brief.model.created_at,
    )


def version_view(
    row: ModelVersion, name: str, origin: Origin, manifest: ModelManifest
) -> ModelVersionView:
    """A version of a model, where it comes from, and what rebuilds it."""
    estimate = row.manifest.get(ESTIMATE) or {}
    expected = Estimated.model_validate({**estimate, "metrics": row.metrics})
    return ModelVersionView(
        model=name,
        version=row.version,
        job=row.job_id,
        served="ensemble" if ENSEMBLE in row.manifest else "trial",
        trial=row.trial_id,
        metrics=expected.metrics,
        deviations=expected.deviations,
        n=expected.n,
        single=expected.single,
        understood=origin.understood,
        network=network_report(origin),
        manifest=manifest,
        bytes=row.bytes,
        sha256=row.sha256,
        created_at=row.created_at,
    )
