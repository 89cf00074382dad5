"""Prepared data: what a fleet trains on, and what is known of it beforehand.

Decisions:

* Rows without a target are left out altogether: all row numbers in the splits count the labelled
  rows, which are the rows of `x`. `Prepared.row_numbers` has their numbers in the table.
* Each split has its own encoder, fitted on its training rows, and so its own matrix: `x` is
  [S, N, F], S times the memory of one. What would take more than `MOST_BYTES` is refused.
* Every column but the target is a feature.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from worker.data.encoder import Encoder, width
from worker.data.splits import RowSplit, split_rows
from worker.data.table import Column, Table
from worker.data.target import Target, labelled_rows, resolve_target
from worker.errors import DataError
from worker.spec.job import JobSpec

MOST_BYTES = 8 * 2**30
"""Size of the largest `x`."""


@dataclass(frozen=True, eq=False)
class Prepared:
    """S splits of N labelled rows, encoded to F inputs."""

    target: Target
    features: tuple[str, ...]
    """The columns that are encoded, in order."""
    splits: tuple[RowSplit, ...]
    """One, or one for each fold; the numbers are rows of `x`."""
    encoders: tuple[Encoder, ...]
    """One for each split, fitted on its training rows."""
    x: NDArray[np.float32]
    """[S, N, F]"""
    y: NDArray[Any]
    """[S, N]: class numbers as int64; for a regression float32, (value - center) / scale."""
    target_center: NDArray[np.float64]
    """[S]; 0 unless a regression's target is standardized."""
    target_scale: NDArray[np.float64]
    """[S]; 1 unless a regression's target is standardized."""
    row_numbers: NDArray[np.int64]
    """[N]: the number, in the table, of each row of `x`."""


@dataclass(frozen=True)
class Outline:
    """What is known of a job's data before any of it is encoded."""

    target: Target
    inputs: int
    """F, the width of an encoded row."""
    outputs: int
    """Width of the network's last layer: C for multiclass, else 1."""
    train_rows: tuple[int, ...]
    """One for each split."""
    validation_rows: tuple[int, ...]
    test_rows: tuple[int, ...]
    rows: int
    """Labelled rows."""


@dataclass(frozen=True, eq=False)
class _Frame:
    """The part that `check` and `prepare` share."""

    target: Target
    columns: tuple[Column, ...]
    row_numbers: NDArray[np.int64]
    values: NDArray[Any]
    """The target of the labelled rows, as `Target.values` gives it."""
    splits: tuple[RowSplit, ...]


def check(table: Table, spec: JobSpec, default_target: str | None = None) -> Outline:
    """Raise every error that `prepare` would, without encoding; cheap enough for a request.

    Raises:
        DataError: the target, the split or the size of the data does not allow the job.
    """
    frame = _frame(table, spec, default_target)
    return Outline(
        target=frame.target,
        inputs=width(frame.columns),
        outputs=frame.target.outputs,
        train_rows=tuple(len(split.train) for split in frame.splits),
        validation_rows=tuple(len(split.validation) for split in frame.splits),
        test_rows=tuple(len(split.test) for split in frame.splits),
        rows=len(frame.row_numbers),
    )


def prepare(table: Table, spec: JobSpec, default_target: str | None = None) -> Prepared:
    """Split and encode.

    Raises:
        DataError: as `check`.
    """
    frame = _frame(table, spec, default_target)
    features = tuple(column.name for column in frame.columns)
    labelled = table.select(frame.row_numbers)
    encoders = tuple(
        Encoder.fit(labelled, features, split.train, spec.preprocessing) for split in frame.splits
    )
    x = np.empty((len(encoders), labelled.rows, width(frame.columns)), dtype=np.float32)
    for encoder, matrix in zip(encoders, x, strict=True):
        encoder.transform(labelled, out=matrix)
    y, center, scale = _targets(frame, spec)
    return Prepared(
        target=frame.target,
        features=features,
        splits=frame.splits,
        encoders=encoders,
        x=x,
        y=y,
        target_center=center,
        target_scale=scale,
        row_numbers=frame.row_numbers,
    )


def _frame(table: Table, spec: JobSpec, default_target: str | None) -> _Frame:
    target = resolve_target(table, spec.target, spec.task, default=default_target)
    columns = tuple(column for column in table.columns if column.name != target.column)
    if width(columns) == 0:
        raise DataError(
            f"Beside the target {target.column!r} the table has no column with values to learn "
            "from; upload one that has.",
            code="no_features",
            param="dataset",
        )
    row_numbers = labelled_rows(table, target)
    _check_size(columns, rows=len(row_numbers), splits=spec.split.folds or 1)
    values = target.values(table)[row_numbers]
    labels = None if target.task == "regression" else values
    every = np.arange(len(row_numbers), dtype=np.int64)
    splits = split_rows(every, labels, spec.split, classes=target.classes)
    return _Frame(target, columns, row_numbers, values, splits)


def _check_size(columns: tuple[Column, ...], *, rows: int, splits: int) -> None:
    size = splits * rows * width(columns) * np.dtype(np.float32).itemsize
    if size <= MOST_BYTES:
        return
    widest = max(columns, key=lambda column: len(column.categories))
    remedy = "upload fewer rows, or ask for fewer folds"
    if len(widest.categories) > 100:
        remedy = (
            f"{widest.name!r} alone has {len(widest.categories):,} categories: leave it out if it "
            "is an identifier, or merge the rare ones"
        )
    raise DataError(
        f"Encoded, {rows:,} rows of {width(columns):,} inputs in {splits} split(s) take "
        f"{size / 2**30:.1f} GiB; at most {MOST_BYTES / 2**30:.0f} are allowed. Remedy: {remedy}.",
        code="too_large",
        param="dataset",
    )


def _targets(
    frame: _Frame, spec: JobSpec
) -> tuple[NDArray[Any], NDArray[np.float64], NDArray[np.float64]]:
    """The target as trained on, [S, N], with its centre [S] and scale [S]."""
    count = len(frame.splits)
    center, scale = np.zeros(count), np.ones(count)
    if frame.target.task != "regression":
        return np.tile(frame.values, (count, 1)), center, scale
    if spec.preprocessing.target == "standardize":
        for number, split in enumerate(frame.splits):
            training = frame.values[split.train]
            center[number] = training.mean()
            # Equal values may have a deviation that is not 0, but a rounding error.
            if (training != training[0]).any():
                scale[number] = training.std() or 1.0
    y = (frame.values - center[:, None]) / scale[:, None]
    return y.astype(np.float32), center, scale
