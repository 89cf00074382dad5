"""Contenders for tests: the configurations of a job, trained, without service or storage."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from tests.fleets import fleets
from worker.appraisal import Contender, TrainedTrial
from worker.appraisal.rows import RowScores, held_out, scores_at
from worker.data import Prepared, Target
from worker.data.splits import RowSplit
from worker.spec import TaskKind


def trained(shape: tuple[int, ...] | None = None, **job: Any) -> tuple[Prepared, list[Contender]]:
    """The data of a job on a built-in data set, and its configurations in the order posted."""
    by_number: dict[int, list[TrainedTrial]] = {}
    runs = fleets(shape, **job)
    for run in runs:
        for _ in run.epochs():
            pass
        file = run.result()
        for position, (trial, result) in enumerate(zip(run.trials, run.results(), strict=True)):
            one = TrainedTrial(trial, result.metrics, file, position)
            by_number.setdefault(trial.configuration, []).append(one)
    contenders = []
    for number, trials in sorted(by_number.items()):
        trials.sort(key=lambda one: (one.trial.repeat, one.trial.fold or 0))
        contenders.append(Contender(number, trials[0].trial.name, trials))
    return runs[0].prepared, contenders


def answered(
    scores: NDArray[np.float32],
    truth: NDArray[Any],
    classes: tuple[str, ...] = (),
    *,
    folds: int = 1,
    positive: str | None = None,
) -> RowScores:
    """What R networks say of N validation rows, made up: scores ``[R, N, O]``, truth ``[N]``.

    With ``folds`` the rows are dealt to so many in turn, and answered by the networks of each.
    """
    rows = len(truth)
    task: TaskKind = "multiclass" if len(classes) > 2 else "binary" if classes else "regression"
    nothing = np.zeros(0, dtype=np.int64)
    numbers = np.arange(rows)
    prepared = Prepared(
        target=Target(column="y", task=task, classes=classes, positive=positive),
        features=("x",),
        splits=tuple(
            RowSplit(numbers[numbers % folds != fold], numbers[numbers % folds == fold], nothing)
            if folds > 1
            else RowSplit(nothing, numbers, nothing)
            for fold in range(folds)
        ),
        encoders=(),
        x=np.zeros((folds, rows, 1), dtype=np.float32),
        y=np.tile(truth if classes else truth.astype(np.float32), (folds, 1)),
        target_center=np.zeros(folds),
        target_scale=np.ones(folds),
        row_numbers=numbers,
    )
    held = held_out(prepared)
    places = [(repeat, None if folds > 1 else 0) for repeat in range(len(scores))]
    return scores_at(held, places, scores)
