"""The report of a path: losses, zeros and, for linear networks, weights against the strength."""

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import select
from sqlalchemy.orm import Session

from worker.models import ModelFile
from worker.results import PathReport, WeightPath
from worker.search.report import is_numeric_value
from worker.statistics import mean, standard_error
from worker.storage.artefacts import Artefacts
from worker.storage.states import State
from worker.storage.tables import Fleet, Job, TrialRow

MOST_WEIGHTS = 200


def path_report(session: Session, artefacts: Artefacts, job: Job) -> PathReport | None:
    """The points that have been planned, in the path's order; none for a job without a path."""
    search = job.spec.get("search") or {}
    over = search.get("over")
    if search.get("method") != "path" or over is None:
        return None
    points = _points(session, job)
    strengths = [trials[0].overrides[over] for trials in points if trials[0].overrides]
    if not all(map(is_numeric_value, strengths)):
        return None
    losses = [_metric(trials, "validation_loss") for trials in points]
    return PathReport(
        over=over,
        values=strengths,
        log=[math.log(value) if value > 0 else None for value in strengths],
        configurations=[trials[0].configuration for trials in points],
        train_loss=[_mean(_metric(trials, "train_loss")) for trials in points],
        validation_loss=[_mean(values) for values in losses],
        validation_error=[standard_error(values) for values in losses],
        sparsity=[_mean(_metric(trials, "sparsity")) for trials in points],
        weights=_weight_paths(session, artefacts, [trials[0] for trials in points])
        if job.spec["network"]["kind"] == "linear"
        else [],
    )


def _points(session: Session, job: Job) -> list[list[TrialRow]]:
    rows = session.scalars(
        select(TrialRow)
        .where(TrialRow.job_id == job.id, TrialRow.overrides.is_not(None))
        .order_by(TrialRow.configuration, TrialRow.repeat, TrialRow.fold)
    )
    points: dict[int, list[TrialRow]] = {}
    for row in rows:
        points.setdefault(row.configuration, []).append(row)
    return list(points.values())


def _metric(trials: Sequence[TrialRow], name: str) -> list[float]:
    values = [trial.metrics.get(name) for trial in trials if trial.state == State.SUCCEEDED]
    return [value for value in values if value is not None]


def _mean(values: Sequence[float]) -> float | None:
    return mean(values) if values else None


def _weight_paths(
    session: Session, artefacts: Artefacts, trials: Sequence[TrialRow]
) -> list[WeightPath]:
    """Each weight along the path, of one trial a point; none before the first fleet has ended."""
    files: dict[str, ModelFile] = {}
    for fleet_id in dict.fromkeys(trial.fleet_id for trial in trials):
        fleet = session.get_one(Fleet, fleet_id)
        if fleet.result_path is not None and fleet.result_sha256 is not None:
            content = artefacts.read(fleet.result_path, fleet.result_sha256)
            files[fleet_id] = ModelFile.load(content)
    if not files:
        return []
    first = next(iter(files.values()))
    features, target = first.encoder(0).feature_names, first.target()
    outputs: Sequence[str | None] = (None,) if target.outputs == 1 else target.classes
    weights = {fleet_id: file.linear_weights().numpy() for fleet_id, file in files.items()}
    table = np.full((len(trials), len(features), len(outputs)), np.nan)
    for point, trial in enumerate(trials):
        if trial.fleet_id in weights and trial.state == State.SUCCEEDED:
            table[point] = weights[trial.fleet_id][trial.position]
    paths = [
        _weight_path(feature, name, table[:, column, output])
        for column, feature in enumerate(features)
        for output, name in enumerate(outputs)
    ]
    paths.sort(key=lambda path: len(trials) if path.enters is None else path.enters)
    return paths[:MOST_WEIGHTS]


def _weight_path(feature: str, output: str | None, values: NDArray[np.float64]) -> WeightPath:
    used = np.flatnonzero(np.isfinite(values) & (values != 0))
    return WeightPath(
        feature=feature,
        output=output,
        values=[float(value) if math.isfinite(value) else None for value in values],
        enters=int(used[0]) if len(used) else None,
    )
