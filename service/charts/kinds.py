"""Which pictures a job has, why it has no others, and the data that each is drawn from."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, NoReturn, get_args

from sqlalchemy.orm import Session

from service import comparison
from service.charts.attribution import Contribution, attribution_picture
from service.charts.classifier import (
    calibration_picture,
    confusion_picture,
    precision_recall_picture,
    roc_picture,
)
from service.charts.curves import CurveGroup, curves_picture, training_picture
from service.charts.importance import importance_picture
from service.charts.path import path_picture
from service.charts.picture import Picture, PictureKind
from service.charts.surface import surface_picture
from service.path_report import path_report
from service.schemas.results import Report
from service.search_report import search_report
from worker.errors import ConflictError, NotFoundError
from worker.results import Attribution, Curves, PartCurves
from worker.schema import Json
from worker.storage import jobs, queries
from worker.storage.artefacts import Artefacts
from worker.storage.states import OPEN, State
from worker.storage.tables import Job, TrialRow

PartName = Literal["validation", "test", "train"]
KINDS: tuple[PictureKind, ...] = get_args(PictureKind)
OF_A_CLASSIFIER: tuple[PictureKind, ...] = ("confusion", "calibration", "roc", "precision_recall")
NOT_KEPT = (
    "its trial keeps no curves: a trial has some once it has succeeded, and of a large fleet only "
    "its best trials"
)


@dataclass(frozen=True)
class Wanted:
    """What a request asks for; what a kind does not need is not looked at."""

    kind: PictureKind = "curves"
    metric: str | None = None
    top: int = 12
    trial: str | None = None
    part: PartName | None = None


@dataclass(frozen=True)
class Absent:
    """Why a job has no picture of a kind."""

    why: str
    later: bool = False
    """Whether it may have one as it goes on."""


def picture_of(session: Session, artefacts: Artefacts, job: Job, wanted: Wanted) -> Picture:
    """The picture that is asked for.

    Raises:
        NotFoundError: the job has none of this kind (``kind``), and never will; or no such metric,
            trial or part.
        ConflictError: it has none of this kind yet.
    """
    row = _trial(session, job, wanted)
    absent = _absent(job, wanted.kind, row)
    if absent is not None:
        _refuse(session, job, wanted.kind, absent)
    if wanted.kind in ("curves", "training"):
        return _curves(session, job, wanted)
    if wanted.kind == "path":
        return _path(session, artefacts, job, wanted)
    if wanted.kind == "surface":
        return _surface(session, job, wanted)
    if wanted.kind == "attribution":
        return _attribution(session, job, wanted)
    if wanted.kind == "importance":
        return _importance(session, job, wanted)
    return _classifier(session, job, wanted, row)


def _refuse(session: Session, job: Job, kind: PictureKind, absent: Absent) -> NoReturn:
    """Say why, which kinds the job has, and why it has no others."""
    best = _trial(session, job, Wanted(kind="confusion"))
    others = {name: _absent(job, name, best) for name in KINDS if name != kind}
    has = ", ".join(name for name, why in others.items() if why is None)
    reasons: dict[str, list[str]] = {}
    for name, why in others.items():
        if why is not None:
            reasons.setdefault(why.why, []).append(name)
    lacks = "; ".join(f"{', '.join(names)}: {why}" for why, names in reasons.items())
    message = (
        f"Job {job.id} has no picture of the kind {kind!r}: {absent.why}. It has: {has}. "
        f"Of the others, {lacks}."
    )
    if absent.later:
        raise ConflictError(message, param="kind")
    raise NotFoundError(message, param="kind")


def _absent(job: Job, kind: PictureKind, row: TrialRow | None) -> Absent | None:
    """Why a job has no picture of a kind, as far as its specification and one trial say."""
    if kind in ("curves", "training"):
        return None
    if kind == "importance":
        return _absent_importance(job)
    if kind in OF_A_CLASSIFIER:
        return _absent_curves(job, kind, row)
    search: Json = job.spec.get("search") or {}
    if kind == "attribution":
        if job.spec.get("attribute"):
            return None
        return Absent('the job does not ask for it by "attribute": true')
    if kind == "path":
        if search.get("method") == "path" and search.get("over") is not None:
            return None
        return Absent('the job is no search with "method": "path" over one strength')
    return None if search else Absent("the job is no search")


def _absent_importance(job: Job) -> Absent | None:
    if job.appraisal is None:
        why = "it is measured as a job ends, on rows that were held back from training"
        return Absent(why, later=job.state in OPEN)
    if job.appraisal.importance is None:
        return Absent("none was measured: it is of images, or would have taken too long")
    return None


def _absent_curves(job: Job, kind: PictureKind, row: TrialRow | None) -> Absent | None:
    if job.understood is not None and job.understood.task == "regression":
        return Absent("the job predicts numbers, not classes")
    curves = None if row is None or row.report is None else row.report.curves
    if curves is None:
        return Absent(NOT_KEPT, later=row is None or row.state in OPEN)
    parts = curves.parts.values()
    if kind == "confusion" and any(part.confusion is None for part in parts):
        return Absent("there are more than 100 classes")
    if kind == "roc" and all(part.roc is None for part in parts):
        return Absent("it takes two classes that both occur")
    if kind == "precision_recall" and all(part.pr is None for part in parts):
        return Absent("it takes two classes, and rows of the positive one")
    return None


def _trial(session: Session, job: Job, wanted: Wanted) -> TrialRow | None:
    """The trial that a picture of one trial shows; the best one unless said."""
    if wanted.kind not in OF_A_CLASSIFIER:
        return None
    try:
        return jobs.trial(session, job, wanted.trial, param="trial")
    except NotFoundError:
        if wanted.trial is None:
            return None
        raise


def _task(job: Job) -> str | None:
    return None if job.understood is None else job.understood.task


def _curves(session: Session, job: Job, wanted: Wanted) -> Picture:
    if job.spec.get("search") is None:
        rows = jobs.trials(session, job)
    else:  # thousands, of which a few are drawn
        best = queries.best_first(session, job)[: wanted.top]
        rows = queries.trials_of(session, job, [group.number for group in best])
    ranked = comparison.ranked(job, rows)[: wanted.top]
    series = queries.series(session, [trial for trials in ranked for trial in trials])
    groups = [
        CurveGroup(
            trials[0].configuration,
            trials[0].name,
            tuple(series.get(trial.id, {}) for trial in trials),
            _replicas(trials),
        )
        for trials in ranked
    ]
    known = {name for curve in series.values() for name in curve}
    if wanted.metric is not None and known and wanted.metric not in known:
        raise NotFoundError(
            f"Job {job.id} has no metric {wanted.metric!r} of each epoch; it has "
            f"{', '.join(sorted(known))}.",
            param="metric",
        )
    if wanted.kind == "training":
        metric = wanted.metric or "train_loss"
        return training_picture(groups, metric=metric, job_name=job.name, task=_task(job))
    asked = wanted.metric or job.objective
    usual = (asked, "validation_loss", "train_loss")
    return curves_picture(
        groups,
        metric=next((name for name in usual if name in known), asked),
        winner=_winner(job, groups),
        job_name=job.name,
        task=_task(job),
        asked=asked,
    )


def _replicas(trials: Sequence[TrialRow]) -> str:
    """What the trials of one configuration are: `5 folds`, `3 repeats`, `2 repeats of 5 folds`."""
    repeats = len({trial.repeat for trial in trials})
    folds = len({trial.fold for trial in trials if trial.fold is not None})
    words = [f"{repeats} repeats"] if repeats > 1 else []
    words += [f"{folds} folds"] if folds > 1 else []
    return " of ".join(words)


def _winner(job: Job, groups: Sequence[CurveGroup]) -> int | None:
    """The job's best where it is told already; that of a refit is the configuration refitted."""
    if job.best is None:
        return groups[0].number if groups else None
    return job.best.configuration


def _path(session: Session, artefacts: Artefacts, job: Job, wanted: Wanted) -> Picture:
    path = path_report(session, artefacts, job)
    if path is None or not any(value is not None for value in path.log):
        _refuse(session, job, "path", Absent("its points are no numbers above 0"))
    if all(value is None for value in path.train_loss):
        _refuse(session, job, "path", Absent("none of its points is trained", _is_open(job)))
    trials = queries.trials_of(session, job, path.configurations[:1])
    return path_picture(
        path, most=wanted.top, job_name=job.name, task=_task(job), replicas=_replicas(trials)
    )


def _surface(session: Session, job: Job, wanted: Wanted) -> Picture:
    report, _ = search_report(session, job)
    if report.surface is None or not any(n for row in report.surface.count for n in row):
        why = "fewer than two of the searched numbers vary over configurations with a result"
        _refuse(session, job, "surface", Absent(why, _is_open(job)))
    return surface_picture(
        report.surface,
        objective=job.objective,
        maximize=job.maximize,
        job_name=job.name,
        task=_task(job),
    )


def _is_open(job: Job) -> bool:
    return job.state in OPEN


def _attribution(session: Session, job: Job, wanted: Wanted) -> Picture:
    trials = jobs.trials(session, job)
    report = comparison.report_of(job, trials)
    chosen = _attributed(report)
    known = sorted({effect.metric for one in chosen for effect in one.effects})
    if not known:
        why = "no trial has succeeded both with a technique and without it"
        _refuse(session, job, "attribution", Absent(why, _is_open(job)))
    metric = wanted.metric or job.objective
    if metric not in known:
        if wanted.metric is not None:
            raise NotFoundError(
                f"The attribution of job {job.id} has no metric {metric!r}; it has "
                f"{', '.join(known)}.",
                param="metric",
            )
        metric = known[0]
    contributions = [
        Contribution(one.technique, effect)
        for one in chosen
        for effect in one.effects
        if effect.metric == metric
    ]
    return attribution_picture(
        contributions,
        configuration=chosen[0].name,
        without_any=_without_any(report, trials, chosen[0].configuration, metric),
        job_name=job.name,
        task=_task(job),
    )


def _importance(session: Session, job: Job, wanted: Wanted) -> Picture:
    appraisal = job.appraisal
    if appraisal is None or appraisal.importance is None:
        _refuse(session, job, "importance", Absent("none was measured"))
    return importance_picture(
        appraisal.importance,
        most=wanted.top,
        winner=appraisal.intervals[0].name,
        part=appraisal.part,
        job_name=job.name,
        task=_task(job),
    )


def _attributed(report: Report) -> list[Attribution]:
    """The attribution of the configuration that ranks first of those that have one."""
    for entry in report.configurations:
        of_it = [one for one in report.attribution if one.configuration == entry.configuration]
        if any(one.effects for one in of_it):
            return of_it
    return []


def _without_any(
    report: Report, trials: Sequence[TrialRow], whole: int, metric: str
) -> float | None:
    """The metric of a configuration that differs from a whole one by having no technique at all."""
    first: dict[int, TrialRow] = {}
    for trial in trials:
        if trial.repeat == 0 and trial.state == State.SUCCEEDED:
            first.setdefault(trial.configuration, trial)
    if whole not in first:
        return None
    settings = first[whole].settings
    for entry in report.configurations:
        other = first.get(entry.configuration)
        if other is None or any((other.settings.get("regularization") or {}).values()):
            continue
        same = all(other.settings.get(key) == settings.get(key) for key in ("network", "training"))
        if same and metric in entry.metrics:
            return entry.metrics[metric].mean
    return None


def _classifier(session: Session, job: Job, wanted: Wanted, row: TrialRow | None) -> Picture:
    if row is None or row.report is None or row.report.curves is None:
        _refuse(session, job, wanted.kind, Absent(NOT_KEPT))
    curves = row.report.curves
    part = _part(job, curves, wanted)
    name = row.name if row.fold is None else f"{row.name}, fold {row.fold}"
    if wanted.kind == "confusion":
        return confusion_picture(curves, part, name)
    if wanted.kind == "calibration":
        return calibration_picture(curves, part, name)
    if wanted.kind == "roc":
        return roc_picture(curves, part, name, row.metrics)
    return precision_recall_picture(curves, part, name, row.metrics)


def _part(job: Job, found: Curves, wanted: Wanted) -> str:
    """The rows that are furthest from training, unless said, of those that have this curve."""

    def has(part: PartCurves) -> bool:
        curve = {"roc": part.roc, "precision_recall": part.pr, "confusion": part.confusion}
        return curve.get(wanted.kind, part.calibration) is not None

    known = [name for name in ("test", "validation", "train") if name in found.parts]
    fit = [name for name in known if has(found.parts[name])]
    if wanted.part is None:
        return fit[0]
    if wanted.part not in fit:
        raise NotFoundError(
            f"The trial keeps no such curve of {wanted.part} rows; it has one of "
            f"{', '.join(fit)} rows.",
            param="part",
        )
    return wanted.part
