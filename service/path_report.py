"""The report of a path: losses, zeros and, for linear networks, weights against the strength."""

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from safetensors.numpy import load
from sqlalchemy import select
from sqlalchemy.orm import Session

from worker.results.path import PathReport, WeightPath
from worker.search.report.axes import is_number
from worker.statistics import mean, standard_error
from worker.storage.artefacts import Artefacts
from worker.storage.states import State
from worker.storage.tables import Fleet, Job, TrialRow
from worker.training.model import TrainedModel

MOST_WEIGHTS = 200


def path_report(session: Session, artefacts: Artefacts, job: Job) -> PathReport | None:
    """The points that have been planned, in the path's order; none for a job without a path."""
    search = job.spec.get("search") or {}
    over = search.get("over")
    if search.get("method") != "path" or over is None:
        return None
    points = _points(session, job)
    values = [members[0].overrides[over] for members in points if members[0].overrides]
    if not all(is_number(value) for value in values):
        return None
    losses = [_metric(members, "validation_loss") for members in points]
    return PathReport(
        over=over,
        values=values,
        log=[math.log(value) if value > 0 else None for value in values],
        configurations=[members[0].configuration for members in points],
        train_loss=[_mean(_metric(members, "train_loss")) for members in points],
        validation_loss=[_mean(each) for each in losses],
        validation_error=[standard_error(each) for each in losses],
        sparsity=[_mean(_metric(members, "sparsity")) for members in points],
        weights=_weights(session, artefacts, [members[0] for members in points])
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


def _metric(members: Sequence[TrialRow], name: str) -> list[float]:
    found = [row.metrics.get(name) for row in members if row.state == State.SUCCEEDED]
    return [value for value in found if value is not None]


def _mean(values: Sequence[float]) -> float | None:
    return mean(values) if values else None


def _weights(
    session: Session, artefacts: Artefacts, trials: Sequence[TrialRow]
) -> list[WeightPath]:
    """Each weight along the path; nothing before the first fleet has ended."""
    table: NDArray[np.float64] | None = None
    features: Sequence[str] = ()
    classes: Sequence[str | None] = (None,)
    for fleet_id in dict.fromkeys(trial.fleet_id for trial in trials):
        fleet = session.get_one(Fleet, fleet_id)
        if fleet.result_path is None or fleet.result_sha256 is None:
            continue
        data = artefacts.read(fleet.result_path, fleet.result_sha256)
        weights = next(
            tensor
            for name, tensor in load(data).items()
            if name.startswith("weights.") and tensor.ndim == 3
        )  # [K, F, O]
        if table is None:
            model = TrainedModel.load(data, 0)
            features = model.encoder.feature_names
            if weights.shape[2] > 1:
                classes = model.target.classes
            table = np.full((len(trials), *weights.shape[1:]), np.nan)
        for point, trial in enumerate(trials):
            if trial.fleet_id == fleet_id and trial.state == State.SUCCEEDED:
                table[point] = weights[trial.position]
    if table is None:
        return []
    found = [
        _weight(feature, name, table[:, column, output])
        for column, feature in enumerate(features)
        for output, name in enumerate(classes)
    ]
    last = len(trials)
    found.sort(key=lambda path: last if path.enters is None else path.enters)
    return found[:MOST_WEIGHTS]


def _weight(feature: str, output: str | None, values: NDArray[np.float64]) -> WeightPath:
    used = np.flatnonzero(np.isfinite(values) & (values != 0))
    return WeightPath(
        feature=feature,
        output=output,
        values=[float(value) if math.isfinite(value) else None for value in values],
        enters=int(used[0]) if len(used) else None,
    )
