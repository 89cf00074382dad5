"""Gradient boosting on the rows of a job: what its networks are compared with."""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from worker.data import Prepared, Target
from worker.metrics import (
    PARTS,
    Measured,
    confusion,
    final_classification,
    final_regression,
    from_confusion,
    from_squares,
)
from worker.results import Baseline

MOST_ROWS = 200_000
"""Training rows that boosting sees: of more, the first of a seeded choice."""

LARGE = 2_000_000
"""Numbers in the features below which further threads cost more than they bring; on a busy machine
they cost twenty times as much."""


@dataclass(frozen=True, eq=False)
class Boosted:
    """Gradient boosting, fitted and measured."""

    baseline: Baseline
    scores: Sequence[NDArray[np.float32]] | None
    """Of each split, the scores ``[n, O]`` of its test rows, or of its validation rows where there
    are none; of a regression the target as preprocessed. None where a class has no training row."""


def boosting(prepared: Prepared, *, seed: int = 0, threads: int = 1) -> Boosted:
    """scikit-learn's HistGradientBoosting, untuned, all classes weighing the same.

    It is fitted on the training rows, whose features are encoded as for the networks (one-hot,
    medians for what is missing), and measured by the metrics of the networks on all parts; of
    several splits, the means of those that have the metric.

    Shapes: x ``[S, N, …]``, flattened to ``[N, F]`` for each split; y ``[S, N]``.
    """
    from threadpoolctl import threadpool_limits

    by_split: list[dict[str, float | None]] = []
    scores: list[NDArray[np.float32]] = []
    began = time.perf_counter()
    large = prepared.x[0].size > LARGE
    with threadpool_limits(limits=threads if large else 1):
        for number in range(len(prepared.splits)):
            metrics, held_out = _of_split(prepared, number, seed)
            by_split.append(metrics)
            scores.append(held_out)
    width = prepared.target.outputs
    baseline = Baseline(
        name=f"HistGradientBoosting{', balanced class weights' if prepared.target.classes else ''}",
        metrics={name: _mean([metrics[name] for metrics in by_split]) for name in by_split[0]},
        seconds=time.perf_counter() - began,
    )
    return Boosted(baseline, scores if all(one.shape[1] == width for one in scores) else None)


def _of_split(
    prepared: Prepared, number: int, seed: int
) -> tuple[dict[str, float | None], NDArray[np.float32]]:
    """The metrics of all parts, and the scores of the rows that are furthest from training."""
    from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor

    split, y = prepared.splits[number], prepared.y[number]
    if prepared.target.classes:
        model = HistGradientBoostingClassifier(class_weight="balanced", random_state=seed)
    else:
        model = HistGradientBoostingRegressor(random_state=seed)
    x = prepared.x[number].reshape(len(y), -1)
    rows = split.train
    if len(rows) > MOST_ROWS:
        rows = np.random.default_rng(seed).permutation(rows)[:MOST_ROWS]
    model.fit(x[rows], y[rows])
    metrics: dict[str, float | None] = {}
    scores = np.zeros((0, prepared.target.outputs), dtype=np.float32)
    for part in PARTS:
        chosen: NDArray[np.int64] = getattr(split, part)
        if not len(chosen):
            continue
        if prepared.target.classes:
            logits = model.decision_function(x[chosen])
            known = logits[:, None] if logits.ndim == 1 else logits
            answers = np.asarray(model.predict(x[chosen]), dtype=np.int64)
            measured = _classification(
                known, answers, y[chosen], prepared.target, classes=len(model.classes_)
            )
        else:
            values = model.predict(x[chosen])
            known = values[:, None]
            own = slice(number, number + 1)
            unit, center = prepared.target_scale[own], prepared.target_center[own]
            measured = _regression(values, y[chosen], unit, center)
        if part != "train":
            scores = known.astype(np.float32)
        metrics |= {
            f"{part}_{name}": float(values[0]) if np.isfinite(values[0]) else None
            for name, values in measured.items()
        }
    return metrics, scores


def _classification(
    known: NDArray[Any],
    answers: NDArray[np.int64],
    y: NDArray[Any],
    target: Target,
    *,
    classes: int,
) -> Measured:
    """Of scores ``[n, O]`` and answers ``[n]`` of a model that knows so many classes."""
    positive = 1 if target.positive_number is None else target.positive_number
    table = confusion(answers[None], y[None], len(target.classes))
    metrics = from_confusion(table, positive)
    whole = classes == len(target.classes)
    # It gives no probability to a class that none of its training rows has.
    return metrics | (final_classification(known[None], y[None], positive) if whole else {})


def _regression(
    values: NDArray[Any], y: NDArray[Any], unit: NDArray[Any], center: NDArray[Any]
) -> Measured:
    truth = y.astype(np.float64)
    errors, deviations = np.square(values - truth).mean(), np.square(truth - truth.mean()).mean()
    apart = 0.0 if (y == y[0]).all() else deviations
    return {
        **from_squares(np.array([errors]), np.array([apart]), unit),
        **final_regression(values[None], y[None], unit, center),
    }


def _mean(values: list[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return float(np.mean(known)) if known else None
