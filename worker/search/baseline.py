"""Gradient boosting on the rows of a job: what its networks are compared with."""

import time
from typing import Any

import numpy as np
from numpy.typing import NDArray

from worker.data import Prepared
from worker.results import Baseline

MOST_ROWS = 200_000
"""Training rows that boosting sees: of more, the first of a seeded choice."""

LARGE = 2_000_000
"""Numbers in the features below which further threads cost more than they bring; on a busy machine
they cost twenty times as much."""


def boosting(prepared: Prepared, *, seed: int = 0, threads: int = 1) -> Baseline:
    """scikit-learn's HistGradientBoosting, untuned, all classes weighing the same.

    It is fitted on the training rows, whose features are encoded as for the networks (one-hot,
    medians for what is missing), and measured on all parts; of several splits, the means.

    Shapes: x ``[S, N, …]``, flattened to ``[N, F]`` for each split; y ``[S, N]``.
    """
    from threadpoolctl import threadpool_limits

    by_split: list[dict[str, float]] = []
    began = time.perf_counter()
    large = prepared.x[0].size > LARGE
    with threadpool_limits(limits=threads if large else 1):
        for number in range(len(prepared.splits)):
            by_split.append(_of_split(prepared, number, seed))
    return Baseline(
        name=f"HistGradientBoosting{', balanced class weights' if prepared.target.classes else ''}",
        metrics={
            name: float(np.mean([metrics[name] for metrics in by_split])) for name in by_split[0]
        },
        seconds=time.perf_counter() - began,
    )


def _of_split(prepared: Prepared, number: int, seed: int) -> dict[str, float]:
    from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor

    classes, split, y = prepared.target.classes, prepared.splits[number], prepared.y[number]
    if classes:
        model = HistGradientBoostingClassifier(class_weight="balanced", random_state=seed)
    else:
        model = HistGradientBoostingRegressor(random_state=seed)
    x = prepared.x[number].reshape(len(y), -1)
    rows = split.train
    if len(rows) > MOST_ROWS:
        rows = np.random.default_rng(seed).permutation(rows)[:MOST_ROWS]
    model.fit(x[rows], y[rows])
    metrics: dict[str, float] = {}
    parts = {"train": split.train, "validation": split.validation, "test": split.test}
    for part, chosen in parts.items():
        if len(chosen):
            answers, unit = model.predict(x[chosen]), float(prepared.target_scale[number])
            measured = (
                _classification(y[chosen], answers)
                if classes
                else _regression(y[chosen], answers, unit)
            )
            metrics |= {f"{part}_{name}": value for name, value in measured.items()}
    return metrics


def _classification(y: NDArray[Any], answers: NDArray[Any]) -> dict[str, float]:
    from sklearn.metrics import accuracy_score, recall_score

    # Of the classes that occur: balanced_accuracy_score warns of answers that are none of them.
    recall = recall_score(y, answers, labels=np.unique(y), average="macro")
    return {"accuracy": float(accuracy_score(y, answers)), "balanced_accuracy": float(recall)}


def _regression(y: NDArray[Any], answers: NDArray[Any], unit: float) -> dict[str, float]:
    from sklearn.metrics import mean_squared_error

    error = float(mean_squared_error(y, answers))
    # As of the networks; r2_score has none for a single row, and another for equal ones.
    variance = float(np.var(y)) or float(np.finfo(np.float32).tiny)
    return {"rmse": error**0.5 * unit, "r2": 1 - error / variance}
