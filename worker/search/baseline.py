"""Gradient boosting on the rows of a job: what its networks are compared with."""

import time
from typing import TYPE_CHECKING, Any

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

if TYPE_CHECKING:
    from sklearn.ensemble import HistGradientBoostingClassifier

MOST_ROWS = 200_000
"""Training rows that boosting sees: of more, the first of a seeded choice."""

LARGE = 2_000_000
"""Numbers in the features below which further threads cost more than they bring; on a busy machine
they cost twenty times as much."""


def boosting(prepared: Prepared, *, seed: int = 0, threads: int = 1) -> Baseline:
    """scikit-learn's HistGradientBoosting, untuned, all classes weighing the same.

    It is fitted on the training rows, whose features are encoded as for the networks (one-hot,
    medians for what is missing), and measured by the metrics of the networks on all parts; of
    several splits, the means of those that have the metric.

    Shapes: x ``[S, N, …]``, flattened to ``[N, F]`` for each split; y ``[S, N]``.
    """
    from threadpoolctl import threadpool_limits

    by_split: list[dict[str, float | None]] = []
    began = time.perf_counter()
    large = prepared.x[0].size > LARGE
    with threadpool_limits(limits=threads if large else 1):
        for number in range(len(prepared.splits)):
            by_split.append(_of_split(prepared, number, seed))
    return Baseline(
        name=f"HistGradientBoosting{', balanced class weights' if prepared.target.classes else ''}",
        metrics={name: _mean([metrics[name] for metrics in by_split]) for name in by_split[0]},
        seconds=time.perf_counter() - began,
    )


def _of_split(prepared: Prepared, number: int, seed: int) -> dict[str, float | None]:
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
    for part in PARTS:
        chosen: NDArray[np.int64] = getattr(split, part)
        if not len(chosen):
            continue
        if prepared.target.classes:
            measured = _classification(model, x[chosen], y[chosen], prepared.target)
        else:
            own = slice(number, number + 1)
            unit, center = prepared.target_scale[own], prepared.target_center[own]
            measured = _regression(model.predict(x[chosen]), y[chosen], unit, center)
        metrics |= {
            f"{part}_{name}": float(values[0]) if np.isfinite(values[0]) else None
            for name, values in measured.items()
        }
    return metrics


def _classification(
    model: "HistGradientBoostingClassifier", x: NDArray[Any], y: NDArray[Any], target: Target
) -> Measured:
    positive = 1 if target.positive_number is None else target.positive_number
    logits = model.decision_function(x)
    known = logits[:, None] if logits.ndim == 1 else logits
    answers = np.asarray(model.predict(x), dtype=np.int64)
    table = confusion(answers[None], y[None], len(target.classes))
    metrics = from_confusion(table, positive)
    whole = len(model.classes_) == len(target.classes)
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
