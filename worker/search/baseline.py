"""Gradient boosting on the rows of a job: what its networks are compared with."""

import time
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from worker.data import Prepared

MOST_ROWS = 200_000
"""Training rows that boosting sees: of more, the first of a seeded choice."""


@dataclass(frozen=True)
class Baseline:
    """What boosting came to. ``metrics`` are named as a trial's."""

    name: str
    metrics: dict[str, float]
    seconds: float


def boosting(refitted: Prepared, *, seed: int = 0, threads: int = 1) -> Baseline:
    """scikit-learn's HistGradientBoosting, untuned, all classes weighing the same.

    It is fitted on the training rows of ``refitted``, whose features are encoded as for the
    networks (one-hot, medians for what is missing), and measured on its test rows.

    Shapes: x ``[1, N, …]``, flattened to ``[N, F]``; y ``[1, N]``.
    """
    from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor
    from threadpoolctl import threadpool_limits

    classes = refitted.target.classes
    if classes:
        model = HistGradientBoostingClassifier(class_weight="balanced", random_state=seed)
        name = "HistGradientBoosting, balanced class weights"
    else:
        model = HistGradientBoostingRegressor(random_state=seed)
        name = "HistGradientBoosting"
    split, x, y = refitted.splits[0], refitted.x[0], refitted.y[0]
    x = x.reshape(len(x), -1)
    rows = split.train
    if len(rows) > MOST_ROWS:
        rows = np.random.default_rng(seed).permutation(rows)[:MOST_ROWS]
    began = time.perf_counter()
    with threadpool_limits(limits=threads):
        model.fit(x[rows], y[rows])
    seconds = time.perf_counter() - began
    metrics: dict[str, float] = {}
    for part, chosen in (("train", split.train), ("test", split.test)):
        if len(chosen):
            answers = model.predict(x[chosen])
            found = (
                _classification(y[chosen], answers)
                if classes
                else _regression(y[chosen], answers, float(refitted.target_scale[0]))
            )
            metrics |= {f"{part}_{metric}": value for metric, value in found.items()}
    return Baseline(name, metrics, seconds)


def _classification(y: NDArray[Any], answers: NDArray[Any]) -> dict[str, float]:
    right = answers == y
    recalls = [float(right[y == number].mean()) for number in np.unique(y)]
    return {"accuracy": float(right.mean()), "balanced_accuracy": float(np.mean(recalls))}


def _regression(y: NDArray[Any], answers: NDArray[Any], unit: float) -> dict[str, float]:
    error = float(np.mean((answers - y) ** 2))
    variance = float(np.var(y)) or float(np.finfo(np.float32).tiny)
    return {"rmse": error**0.5 * unit, "r2": 1 - error / variance}
