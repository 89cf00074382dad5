"""Prepared data: what a fleet trains on, and what is known of it beforehand.

Decisions:

* Rows without a target are left out altogether: all row numbers in the splits count the labelled
  rows, which are the rows of `x`. `Prepared.row_numbers` has their numbers in the table.
* Each split has its own encoder, fitted on its training rows, and so its own matrix: `x` is
  [S, N, *shape], S times the memory of one. What would take more than `MOST_BYTES` is refused.
  Who prepares says where it is made: in memory, or in a file of which others have the pages, too.
* Every column but the target is a feature, unless it says nothing: one that is constant or empty in
  the labelled rows is left out of the network, as is one that was declared to be ignored. A column
  of images or series is the only feature.
* `Outline.of` checks a job against its data without encoding: what it passes, `prepare` prepares.
  Its target and columns are decided in `job_data.py`.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from itertools import pairwise
from math import prod
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from worker.data.division import Division, divide, set_aside
from worker.data.encoder import Encoder
from worker.data.encoding import Encoded, EncodingPlan
from worker.data.inputs import number_inputs, sample_shape, width
from worker.data.job_data import JobData, informative, with_times
from worker.data.precision import check_precision
from worker.data.resolution import Numbers
from worker.data.roles import Offset
from worker.data.splits import RowSplit
from worker.data.table import Column, Table
from worker.data.target import Target, labelled_rows
from worker.errors import DataError
from worker.regularization import DataFacts
from worker.results import Understood
from worker.spec import JobSpec, Preprocessing

MOST_BYTES = 8 * 2**30
"""Size of the largest `x`."""


@dataclass(frozen=True, eq=False)
class Prepared:
    """What a fleet trains on: S splits of N labelled rows, each row encoded to one `shape`.

    Every split has all N rows, encoded by the constants of its own training rows. `row_numbers`
    leads from a row of `x` back to the table.
    """

    target: Target
    features: tuple[str, ...]
    """The names of the columns that are encoded, in order."""
    splits: tuple[RowSplit, ...]
    """One, or one for each fold; the numbers are rows of `x`."""
    encoders: tuple[Encoder, ...]
    """One for each split, fitted on its training rows."""
    x: NDArray[np.float32]
    """[S, N, *shape]"""
    y: NDArray[Any]
    """[S, N]: class numbers as int64; for a regression float32, (value - center) / scale."""
    target_center: NDArray[np.float64]
    """[S]; 0 unless a regression's target is standardized."""
    target_scale: NDArray[np.float64]
    """[S]; 1 unless a regression's target is standardized."""
    row_numbers: NDArray[np.int64]
    """[N]: the number, in the table, of each row of `x`."""
    weights: NDArray[np.float32] | None = None
    """[S, N]: what each row counts, with a mean of 1 over the training rows; 1 unless given."""
    offset: NDArray[np.float32] | None = None
    """[S, N]: what is added to each row's score, in units of the target as preprocessed."""
    groups: NDArray[np.int64] | None = None
    """[N]: the number of the group whose rows stay together, where `split.groups` names them."""

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape of one encoded row: (F,), (C, L) for a series, (C, H, W) for an image."""
        return self.x.shape[2:]

    @property
    def inputs(self) -> dict[str, slice]:
        """Which of the F inputs each column became."""
        ends = np.cumsum([0, *self.encoders[0].widths]).tolist()
        return {
            name: slice(*place)
            for name, place in zip(self.features, pairwise(ends), strict=False)  # without an offset
        }


@dataclass(frozen=True)
class Outline:
    """What is known of a job's data before any of it is encoded.

    Counts and shapes alone, no values: enough to check a job, to size its fleets and to advise on
    it in a request. The splits, and so the counts, are those that `prepare` makes.
    """

    target: Target
    shape: tuple[int, ...]
    """The shape of an encoded row: (F,), (C, L) for a series, (C, H, W) for an image."""
    outputs: int
    """Width of the network's last layer: C for multiclass, else 1."""
    train_rows: tuple[int, ...]
    """One for each split."""
    validation_rows: tuple[int, ...]
    test_rows: tuple[int, ...]
    rows: int
    """Labelled rows."""
    class_rows: tuple[int, ...]
    """Labelled rows of each class, in the order of the target's; empty for a regression."""
    numbers: Numbers | None
    """Of the target's numbers, where the task was worked out from them."""
    understood: Understood
    """What the job predicts, from which rows and columns, and why it was understood so."""
    columns: tuple[str, ...] = ()
    """Names of the features."""
    number_inputs: tuple[int, ...] | None = None
    """Which inputs are numbers and no categories; all of them unless given."""
    folds: int = 0
    """How many there are, all repeats together; 0 without any."""
    read_anew: bool = False
    """Whether the job says how its file is read, which then is read as a whole."""

    @classmethod
    def of(cls, table: Table, spec: JobSpec, default_target: str | None = None) -> Self:
        """Raise every error that `prepare` would, without encoding; cheap enough for a request.

        Raises:
            DataError: the target, the split or the size of the data does not allow the job.
        """
        frame = _frame(table, spec, default_target)
        return cls(
            target=frame.target,
            shape=sample_shape(frame.columns),
            outputs=frame.target.outputs,
            train_rows=tuple(len(split.train) for split in frame.splits),
            validation_rows=tuple(len(split.validation) for split in frame.splits),
            test_rows=tuple(len(split.test) for split in frame.splits),
            rows=len(frame.row_numbers),
            class_rows=_class_rows(frame),
            numbers=frame.data.resolution.numbers,
            understood=frame.data.understood(largest(frame.splits)),
            folds=len(frame.splits) if spec.split.folds is not None else 0,
            read_anew=not spec.reading.says_nothing,
            columns=tuple(column.name for column in frame.columns),
            number_inputs=number_inputs(frame.columns),
        )

    @property
    def facts(self) -> DataFacts:
        """What techniques may know of it."""
        places = self.number_inputs
        return DataFacts(
            self.shape,
            self.target.classes,
            self.columns,
            None if places is None else len(places),
        )

    @property
    def inputs(self) -> int:
        """F, the width of an encoded row: the product of its shape."""
        return prod(self.shape)


@dataclass(frozen=True, eq=False)
class _Frame:
    """A job's columns, rows, target and splits: what `Outline.of` and `prepare` share."""

    data: JobData
    values: NDArray[Any]
    """The target of the labelled rows, as `Target.values` gives it."""
    splits: tuple[RowSplit, ...]
    fold_names: tuple[str, ...] = ()
    """Of the folds of a column: its values."""
    groups: NDArray[np.int64] | None = None
    """[N]: the number of each row's group."""

    @property
    def target(self) -> Target:
        return self.data.resolution.target

    @property
    def columns(self) -> tuple[Column, ...]:
        return self.data.columns

    @property
    def row_numbers(self) -> NDArray[np.int64]:
        return self.data.resolution.rows


def _class_rows(frame: _Frame) -> tuple[int, ...]:
    classes = len(frame.target.classes)
    return tuple(np.bincount(frame.values, minlength=classes).tolist()) if classes else ()


def prepare(
    table: Table,
    spec: JobSpec,
    default_target: str | None = None,
    *,
    refit: bool = False,
    encode: Callable[[EncodingPlan], Encoded] = EncodingPlan.in_memory,
) -> Prepared:
    """Split and encode; for a ``refit`` into one split, whose validation rows train as well.

    `encode` makes the matrix, or has it.

    Raises:
        DataError: as `Outline.of`.
    """
    frame = _frame(table, spec, default_target)
    if refit:
        frame = replace(frame, splits=(refit_split(frame.splits),))
    y, center, scale = target_numbers(frame.target, frame.values, frame.splits, spec.preprocessing)
    roles = frame.data.roles
    plan = EncodingPlan(
        table=frame.data.table,
        columns=frame.columns,
        rows=frame.row_numbers,
        train=tuple(split.train for split in frame.splits),
        preprocessing=spec.preprocessing,
        left_out=tuple(frame.data.left_out),
        offsets=None
        if roles.offset is None
        else tuple(Offset(roles.offset, unit) for unit in scale.tolist()),
    )
    encoded = encode(plan)
    return Prepared(
        target=frame.target,
        features=tuple(column.name for column in frame.columns),
        splits=frame.splits,
        encoders=encoded.encoders,
        x=encoded.x,
        y=y,
        target_center=center,
        target_scale=scale,
        row_numbers=frame.row_numbers,
        weights=roles.relative_weights(frame.splits),
        offset=roles.offset_inputs(scale),
        groups=frame.groups,
    )


def sample(table: Table, spec: JobSpec, outline: Outline, *, train: int, held_out: int) -> Prepared:
    """`train` and `held_out` rows, spread over the table, the same in every split.

    They are encoded by constants of their own: the numbers are not those that the job will see,
    but their sizes are.
    """
    labelled = labelled_rows(table, outline.target)
    row_numbers = labelled[np.linspace(0, len(labelled) - 1, train + held_out).astype(np.int64)]
    timed = with_times(table)
    rows = timed.select(row_numbers)
    others = [name for name in (spec.sample_weight, spec.offset) if name is not None]
    taken = (outline.target.column, *others)
    columns, _ = informative(timed, taken, labelled, set_aside(spec))
    features = tuple(column.name for column in columns)
    places = np.arange(train + held_out, dtype=np.int64)
    splits = (RowSplit(places[:train], places[train:], places[:0]),) * len(outline.train_rows)
    encoder = Encoder.fit(rows, features, splits[0].train, spec.preprocessing)
    y, center, scale = target_numbers(
        outline.target, outline.target.values(rows), splits, spec.preprocessing
    )
    return Prepared(
        target=outline.target,
        features=features,
        splits=splits,
        encoders=(encoder,) * len(splits),
        x=np.repeat(encoder.transform(rows)[None], len(splits), axis=0),
        y=y,
        target_center=center,
        target_scale=scale,
        row_numbers=row_numbers,
    )


@dataclass(frozen=True, eq=False)
class DividedRows:
    """A job's rows with a target, and how they were divided."""

    rows: int
    """Of the table, with a target or without."""
    target: Target
    row_numbers: NDArray[np.int64]
    """[N]: the numbers in the table of the rows with a target, ascending."""
    splits: tuple[RowSplit, ...]
    """One, or one a fold; the numbers are places in `row_numbers`."""
    fold_names: tuple[str, ...]
    """Of the folds of a column: its values."""

    @classmethod
    def of(cls, table: Table, spec: JobSpec, default_target: str | None = None) -> Self:
        """Those that `prepare` encodes; raises as `Outline.of`."""
        frame = _frame(table, spec, default_target)
        return cls(table.rows, frame.target, frame.row_numbers, frame.splits, frame.fold_names)

    def split(self, fold: int | None, *, refit: bool = False) -> RowSplit:
        """That of a trial: of its fold, or of a refit."""
        return refit_split(self.splits) if refit else self.splits[fold or 0]


def largest(splits: tuple[RowSplit, ...]) -> RowSplit:
    """The split with most rows: in the order of time the last fold, else each has as many."""
    return max(splits, key=lambda split: len(split.train) + len(split.validation))


def refit_split(splits: tuple[RowSplit, ...]) -> RowSplit:
    """What a refit trains on: all rows that trained or validated in some fold."""
    return largest(splits).merged()


def _frame(table: Table, spec: JobSpec, default_target: str | None) -> _Frame:
    data = JobData.of(table, spec, default_target)
    target, row_numbers = data.resolution.target, data.resolution.rows
    if spec.preprocessing.numeric == "robust_smooth_clip" and data.columns[0].kind == "image":
        raise DataError(
            "robust_smooth_clip is for columns of numbers, and these are images or series; choose "
            "robust.",
            code="not_for_images",
            param="preprocessing.numeric",
        )
    if spec.preprocessing.numeric == "robust_smooth_clip" and spec.offset is not None:
        raise DataError(
            "An offset is added to the score as it is, and robust_smooth_clip would bend it; "
            "choose robust.",
            code="bent_offset",
            param="preprocessing.numeric",
        )
    # What is known beforehand is refused before anything is divided.
    _check_size(data.columns, rows=len(row_numbers), splits=spec.split.fold_count or 1)
    values = data.resolution.values[row_numbers]
    labels = None if target.task == "regression" else values
    division: Division = divide(
        table, row_numbers, labels, spec.split, target=target.column, classes=target.classes
    )
    _check_size(data.columns, rows=len(row_numbers), splits=len(division.splits))
    check_precision(data, values, spec.preprocessing)
    data.roles.check_weights(division.splits)
    return _Frame(data, values, division.splits, division.names, division.groups)


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


def target_numbers(
    target: Target,
    values: NDArray[Any],
    splits: tuple[RowSplit, ...],
    preprocessing: Preprocessing,
) -> tuple[NDArray[Any], NDArray[np.float64], NDArray[np.float64]]:
    """The target as trained on, [S, N], with its centre [S] and scale [S]."""
    count = len(splits)
    center, scale = np.zeros(count), np.ones(count)
    if target.task != "regression":
        return np.tile(values, (count, 1)), center, scale
    if preprocessing.target == "standardize":
        for number, split in enumerate(splits):
            training = values[split.train]
            center[number] = training.mean()
            # Equal values may have a deviation that is not 0, but a rounding error.
            if (training != training[0]).any():
                scale[number] = training.std() or 1.0
    y = (values - center[:, None]) / scale[:, None]
    return y.astype(np.float32), center, scale
